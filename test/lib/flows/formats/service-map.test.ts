import { Graphviz } from '@hpcc-js/wasm-graphviz';
import test from 'ava';
import { SaxesParser } from 'saxes';
import type { Flow } from '../../../../lib/flows/flow';
import { dot } from '../../../../lib/flows/formats/dot';
import { layoutMap } from '../../../../lib/flows/formats/map-layout';
import { errorText, mapServices, rateText } from '../../../../lib/flows/formats/service-map';
import { svg } from '../../../../lib/flows/formats/svg';
import { HOSTILE, hostileFlow, troubledShop } from '../../../support/sample-flows';

interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Throws where the text is no well-formed XML. */
function parseXml(text: string): { readonly elements: readonly Element[]; readonly text: string } {
  const elements: Element[] = [];
  let content = '';
  const parser = new SaxesParser();
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ name, attributes }) =>
    elements.push({ name, attributes: attributes as Record<string, string> }),
  );
  parser.on('text', (part) => {
    content += part;
  });
  parser.write(text).close();
  return { elements, text: content };
}

test('the map counts every request at its service and every attempt at its edge', async (t) => {
  const run = await troubledShop();
  const flows = [...run.flows()];
  const { services, edges } = mapServices(flows);
  t.is(edges.get('["client","web"]')?.attempts, flows.filter(({ client }) => client !== null).length);
  t.true((services.get('catalog')?.instances.size ?? 0) === 2);
  t.true((edges.get('["web","catalog"]')?.retries ?? 0) > 0);
  t.true((edges.get('["orders","mail"]')?.sends ?? 0) > 0);
  t.is(services.get('client')?.requests, 0);
});

test('Graphviz accepts the map, with a node a service and an edge a pair', async (t) => {
  const graphviz = await Graphviz.load();
  const map = mapServices((await troubledShop()).flows());
  const laidOut = JSON.parse(graphviz.layout(dot(map, 'shop'), 'json', 'dot'));
  t.deepEqual(laidOut.objects.map(({ name }: { name: string }) => name).sort(), [...map.services.keys()].sort());
  t.is(laidOut.edges.length, map.edges.size);
});

test('Graphviz accepts hostile names', async (t) => {
  const graphviz = await Graphviz.load();
  const map = mapServices([hostileFlow()]);
  t.notThrows(() => graphviz.layout(dot(map, HOSTILE), 'json', 'dot'));
});

test('the picture is well-formed XML, holds every service, and nothing lies outside of it', async (t) => {
  const map = mapServices((await troubledShop()).flows());
  const { elements, text } = parseXml(svg(map, 'shop'));
  t.is(elements[0]?.name, 'svg');
  for (const service of map.services.keys()) t.true(text.includes(service));
  const { width, height, nodes } = layoutMap(map);
  t.is(nodes.length, map.services.size);
  t.true(nodes.every((node) => node.x - node.width / 2 >= 0 && node.x + node.width / 2 <= width && node.y <= height));
});

test('hostile names become neither elements nor attributes', (t) => {
  const { elements, text } = parseXml(svg(mapServices([hostileFlow()]), HOSTILE));
  t.deepEqual(
    elements.filter(({ name }) => !/^(svg|style|defs|marker|path|rect|g|title|text|tspan)$/.test(name)),
    [],
  );
  t.true(elements.every(({ attributes }) => Object.keys(attributes).every((name) => !name.startsWith('on'))));
  t.true(text.includes('<img src=x'));
});

test('no flows make an empty picture; services may call themselves and each other', (t) => {
  t.notThrows(() => parseXml(svg(mapServices([]), 'nothing')));
  const call = (flow: Flow, service: string, callee: string): Flow => ({
    ...flow,
    client: null,
    root: {
      ...flow.root,
      service,
      calls: flow.root.calls.map((each) => ({ ...each, callee, child: null })),
    },
    orphans: [],
  });
  const flows = [
    call(hostileFlow(), 'a', 'b GET /'),
    call(hostileFlow(), 'b', 'a GET /'),
    call(hostileFlow(), 'a', 'a GET /'),
  ];
  t.notThrows(() => parseXml(svg(mapServices(flows), 'circle')));
});

test('rates and shares are rounded to what can be read', (t) => {
  t.is(rateText(1234, 1), '1,234/s');
  t.is(rateText(7, 0), '7');
  t.is(rateText(1, 3), '0.33/s');
  t.is(errorText(0, 10), '');
  t.is(errorText(1, 3), '33 % errors');
});
