import test from 'ava';
import fc from 'fast-check';
import type { Flow, Span } from '../../../../lib/flows/flow';
import { readRun } from '../../../../lib/flows/read-run';
import type { Event } from '../../../../lib/model/event';
import { loadTopology } from '../../../../lib/model/load-topology';
import { resolve } from '../../../../lib/model/resolve';
import { type TopologySpec, topology } from '../../../../lib/model/spec';
import type { Topology } from '../../../../lib/model/topology';
import { arbitraryTopology } from '../../../support/arbitrary-topology';
import { type Files, loseLines } from '../../../support/distort';
import { hedgedTopology } from '../../../support/hedged-topology';
import { type Simulation, simulate, type TrueSpan } from '../../../support/simulate';
import { memorySource } from '../memory-source';

const SHOP = loadTopology('shop');
const seeds = fc.integer({ min: 1, max: 1e6 });

async function flowsOf({ run, manifest }: Simulation, files: Files): Promise<readonly Flow[]> {
  return [...(await readRun(memorySource({ run, files, manifest }))).flows()];
}

function childrenOf(span: Span): readonly Span[] {
  return [...span.calls.flatMap(({ child }) => child ?? []), ...span.queued];
}

function spansOf(span: Span): readonly Span[] {
  return [span, ...childrenOf(span).flatMap(spansOf)];
}

const trueSpans = (span: TrueSpan): readonly TrueSpan[] => [span, ...span.children.flatMap(trueSpans)];
const isInferred = ({ inferredFrom }: Span): boolean => inferredFrom === 'topology';

/** What of a rebuilt tree is not in the true one, from a span that is known to be the true one down. */
function untrue(span: Span, truth: TrueSpan): readonly string[] {
  return childrenOf(span).flatMap((child) => {
    const same = truth.children.filter(
      ({ service, endpoint, place, requestId }) =>
        service === child.service &&
        endpoint === child.endpoint &&
        (child.place === null || child.place === place) &&
        (isInferred(child) || /^0*$/.test(child.requestId) || child.requestId === requestId),
    );
    const fitting = same.filter(({ status }) => child.status === null || child.status === status);
    if (fitting.length === 0) return [`${child.service} ${child.endpoint} ${child.status} below ${span.service}`];
    // Of several of the same kind, as where the place is not known, the one that explains all below it.
    return fitting.map((one) => untrue(child, one)).sort((a, b) => a.length - b.length)[0] as readonly string[];
  });
}

test('whatever is inferred from the topology truly happened, at its place and with its status', async (t) => {
  let [inferred, adopted] = [0, 0];
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(arbitraryTopology, hedgedTopology, fc.constant(SHOP)),
      seeds,
      fc.constantFrom(0.05, 0.3, 0.7),
      async (spec, seed, probability) => {
        const failures = { connect: 0.05, reset: 0.05, overload: 0.05, internal: 0.03, body: 0.03, noInstance: 0.02 };
        const simulation = simulate({ topology: spec, requests: 20, seed, failures });
        const flows = await flowsOf(simulation, loseLines(simulation, probability, seed));
        for (const flow of flows) {
          const truth = simulation.flows.find(({ traceId }) => traceId === flow.traceId);
          const all = [flow.root, ...flow.orphans].flatMap(spansOf);
          inferred += all.filter(isInferred).length;
          adopted += all.filter((span) => !isInferred(span) && childrenOf(span).some(isInferred)).length;
          if (!truth?.root || flow.root.service === 'client') continue;
          const trueOnes = trueSpans(truth.root);
          for (const top of [flow.root, ...flow.orphans]) {
            const own =
              trueOnes.find((one) => one.requestId === top.requestId) ?? (top === flow.root ? truth.root : undefined);
            if (own) t.deepEqual(untrue(top, own), [], flow.traceId);
          }
          const ids = all.map(({ requestId }) => requestId).filter((id) => !/^0*$/.test(id));
          t.is(new Set(ids).size, ids.length, 'no two requests bear one id');
        }
      },
    ),
    { numRuns: 60 },
  );
  t.true(inferred > 10 && adopted > 10, `${inferred} inferred, ${adopted} with such children`);
});

const DEEP: Topology = resolve(
  topology({
    services: {
      web: { edge: true, calls: ['orders'] },
      orders: { steps: [{ call: 'stock', retries: 2 }, { call: 'prices' }, { send: 'mail' }] },
      stock: {},
      prices: { calls: ['rates'] },
      rates: {},
      mail: { calls: ['prices'] },
    },
  }),
  'deep',
);

/** One flow, without the lines of some instances, all or some. */
async function flowWithout(lost: (event: Event) => boolean, of = DEEP): Promise<Flow> {
  const simulation = simulate({ topology: of, requests: 1 });
  const files = new Map(
    Array.from(simulation.files, ([file, lines]) => [file, lines.filter((line) => !lost(JSON.parse(line)))]),
  );
  const [flow] = await flowsOf(simulation, files);
  return flow as Flow;
}

/** `web(orders(~stock))`: `~` inferred from the caller, `?` from the topology, `+` queued work. */
function shown(span: Span): string {
  const mark = isInferred(span) ? '?' : span.inferred ? '~' : '';
  const inner = [
    ...span.calls.flatMap(({ child }) => (child ? shown(child) : [])),
    ...span.queued.map((one) => `+${shown(one)}`),
  ];
  return `${mark}${span.service}${inner.length > 0 ? `(${inner.join(' ')})` : ''}`;
}

const WHOLE = 'web(orders(stock prices(rates) mail(+mail(prices(rates)))))';

const CASES: readonly (readonly [title: string, lost: (event: Event) => boolean, tree: string])[] = [
  ['nothing is inferred where nothing is lost', () => false, WHOLE],
  [
    'a span that its caller and its callee saw hangs where it was',
    ({ service }) => service === 'orders',
    'web(~orders(stock prices(rates) mail(+mail(prices(rates)))))',
  ],
  [
    'a lost request whose caller is lost too is inferred, with all that its success takes',
    ({ service }) => service === 'orders' || service === 'prices',
    'web(~orders(stock mail(+mail(~prices(rates))) ?prices(rates)))',
  ],
  [
    'with nothing left but what the edge saw, the required steps of a success are known',
    ({ service }) => service !== 'web' && service !== 'client',
    'web(~orders(?stock ?prices(?rates) ?mail))',
  ],
  [
    'an orphan alone: the way that leads to it from the edge is the one it came',
    ({ service, via, parentRequestId }) => service !== 'rates' || via === 'queue' || parentRequestId === undefined,
    '?web(?orders(?prices(rates) ?mail(+?mail(?prices(rates)))))',
  ],
  [
    'the work of a send hangs below the request that accepted it',
    ({ service, via, event, status }) =>
      service === 'orders' || (service === 'mail' && (via === 'mesh' || (event === 'RESPONSE_SENT' && status === 202))),
    'web(~orders(stock prices(rates) ?mail(+mail(prices(rates)))))',
  ],
  [
    'a send whose 202 is lost on both sides has its work below it all the same',
    (event) => isAcceptance(event) || isOfMailsPrices(event),
    'web(orders(stock ~prices(rates) mail(+mail(?prices(rates)))))',
  ],
  [
    'a send of which only the arrival is left did its work as a request of its own',
    (event) => isAcceptance(event) || isOfMailsPrices(event) || (event.service === 'mail' && event.via !== 'mesh'),
    'web(orders(stock ~prices(rates) mail(+?mail(?prices(rates)))))',
  ],
];

/** What tells, at its caller or its callee, that a `send` was accepted. */
function isAcceptance({ service, event, status }: Event): boolean {
  return status === 202 && (service === 'mail' || (service === 'orders' && event === 'RESPONSE_RECEIVED'));
}

/** All of the prices, and what the work of the mail saw of them. */
function isOfMailsPrices({ service, callee }: Event): boolean {
  return service === 'prices' || (service === 'mail' && callee !== undefined);
}

for (const [title, lost, tree] of CASES) {
  test(title, async (t) => {
    const flow = await flowWithout(lost);
    t.is(shown(flow.root), tree);
    t.deepEqual(flow.orphans.map(shown), []);
    const count = tree.split('?').length - 1;
    t.is(
      flow.warnings.some((text) => text.startsWith(`${count} of its requests`)),
      count > 0,
    );
    t.is(flow.complete, tree === WHOLE);
  });
}

test('a call that may fail is not inferred: it need not have been received', async (t) => {
  const spec = { web: { edge: true, calls: ['shelf'] }, likes: {}, ads: {}, stock: {} };
  const steps = [{ call: 'likes', optional: true }, { call: 'ads', fallback: {} }, { call: 'stock' }];
  const tolerant = resolve(
    topology({ services: { ...spec, shelf: { steps } } } as unknown as TopologySpec),
    'tolerant',
  );
  const flow = await flowWithout(({ service }) => service !== 'web' && service !== 'client', tolerant);
  t.is(shown(flow.root), 'web(~shelf(?stock))');
});

test('of a hedged call one answer is inferred: the hedge is neither missed nor one too many', async (t) => {
  const hedged = (afterMs: number) =>
    resolve(
      topology({
        services: {
          web: { edge: true, calls: ['shelf'] },
          shelf: { steps: [{ call: 'stock', hedge: { afterMs } }] },
          stock: { replicas: 2, latencyMs: 20 },
        },
      }),
      'hedged',
    );
  const lost = ({ service }: Event) => service === 'shelf' || service === 'stock';
  for (const afterMs of [5, 50]) t.is(shown((await flowWithout(lost, hedged(afterMs))).root), 'web(~shelf(?stock))');
  const both = await flowWithout(({ service }) => service === 'shelf', hedged(5));
  t.is(shown(both.root), 'web(~shelf(stock stock))');
  t.deepEqual(both.orphans, []);
});
