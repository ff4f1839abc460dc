import test, { type ExecutionContext } from 'ava';
import { runCheck } from '../../../lib/flows/conformance/check-run';
import { askControl } from '../../../lib/local/control-client';
import { HEADERS, ITINERARY, LIMITS } from '../../../lib/model/contract';
import { connect } from '../../../lib/model/edit-topology';
import { resolve } from '../../../lib/model/resolve';
import { ADHOC_RUN } from '../../../lib/model/run-id';
import { sliceOf } from '../../../lib/model/slice';
import type { TopologySpec } from '../../../lib/model/spec';
import { signToken, type TokenScope } from '../../../lib/model/token';
import { type Ask, kinds, type Mesh, STACKS, spanEvents, startMesh } from '../mesh';

const KEY = '5e'.repeat(32);
const DUO: TopologySpec = { name: 'duo', services: { web: { edge: true, calls: ['back'] }, back: {} } };

function ask(
  body: unknown,
  { key = KEY, ttlMs = 60_000, ...scope }: Partial<TokenScope> & { key?: string; ttlMs?: number } = {},
): Ask {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const token = signToken(key, { purpose: 'itinerary', topology: 'duo', body: text, ...scope }, Date.now() + ttlMs);
  return { method: 'POST', headers: { 'content-type': ITINERARY.contentType, [HEADERS.token]: token }, body: text };
}

/** As MicroSim's page has it, with shorter times. */
function example(delay: number, size: number, duration: number) {
  return {
    designation: 'http://localhost:8081/',
    faults: {
      before: [{ type: 'latency', args: { delay } }],
      after: [{ type: 'memory-leak', args: { size, duration } }],
    },
    payload: {
      designation: 'http://localhost:8082/',
      faults: { before: [], after: [{ type: 'latency', args: { delay } }] },
      payload: null,
    },
  };
}

for (const { server, client } of STACKS) {
  test(`${server} with ${client}: an itinerary visits its stops, raises their faults in order and answers no error`, async (t) => {
    const spec = { ...DUO, defaults: { server, client } };
    const mesh = await startMesh(t, spec, [], { key: KEY, publicFaults: true });
    const began = performance.now();
    const reply = await mesh.ask('web', ask(example(60, 30, 300)));
    t.is(reply.text, '{"error":null}');
    t.is(reply.status, 200);
    t.true(performance.now() - began >= 118);
    const events = await mesh.events();
    const web = spanEvents(events, reply.headers['x-request-id'] as string);
    t.is(
      kinds(web),
      'REQUEST_RECEIVED FAULT_INJECTED REQUEST_SENT RESPONSE_RECEIVED FAULT_INJECTED RESULT_PRODUCED RESPONSE_SENT',
    );
    t.like(web[1]?.fault, { type: 'latency', source: 'itinerary', at: 'before', args: { delay: 60 } });
    t.like(web[4]?.fault, { type: 'memory-leak', source: 'itinerary', at: 'after', args: { size: 30, duration: 300 } });
    t.is(web[2]?.callee, 'back itinerary');
    const back = spanEvents(events, web[3]?.peerRequestId);
    t.is(kinds(back), 'REQUEST_RECEIVED FAULT_INJECTED RESULT_PRODUCED RESPONSE_SENT');

    const check = runCheck({ run: ADHOC_RUN, topology: resolve(spec, 'duo'), end: null });
    for (const event of events) check.add(event);
    const { departures, explained } = check.finish();
    t.deepEqual(departures, []);
    t.is(explained.itinerary, 2);
  });
}

test('an itinerary that names what is not there, or no call of the topology, runs nothing and says why', async (t) => {
  const mesh = await startMesh(t, DUO, [], { key: KEY, publicFaults: true });
  const stop = (designation: string, more: object = {}) => ({ designation, ...more });
  const deep = (depth: number): object => (depth === 0 ? stop('web') : stop('web', { payload: deep(depth - 1) }));
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [stop('web', { payload: stop('web') }), /no call from web to web; use back/],
    [stop('back'), /is not web, which received it/],
    [stop('web', { payload: stop('nowhere') }), /no service/],
    [stop('web', { payload: stop('back', { payload: stop('web') }) }), /no call from back to web; back calls nobody/],
    [stop('web', { faults: { before: [{ type: 'latenc', args: {} }] } }), /did you mean latency/],
    [stop('web', { faults: { before: [{ type: 'memory-leak', args: { size: 1e9, duration: 1 } }] } }), /above 1024/],
    [stop('web', { faults: { during: [] } }), /unknown key/],
    [stop('web', { routes: [stop('back', { probability: 101 })] }), /percent/],
    [deep(40), /too long/],
    ['{', /no JSON/],
    ['null', /no stop/],
    ['[]', /no stop/],
  ];
  for (const [body, message] of cases) {
    const { status, json } = await mesh.ask('web', ask(body));
    t.is(status, 400);
    t.regex(json.error.message, message);
  }
  const events = await mesh.events();
  t.is(events.filter(({ event }) => event === 'FAULT_INJECTED' || event === 'REQUEST_SENT').length, 0);
});

test('routes are visited in order, each as often as its percent say', async (t) => {
  const services = { web: { edge: true, calls: ['back', 'side'] }, back: {}, side: {} };
  const mesh = await startMesh(t, { name: 'duo', services }, [], { key: KEY, publicFaults: true });
  const routes = [
    { designation: 'side' },
    { designation: 'http://back.duo.microcosm.internal/', probability: 100 },
    { designation: 'side', probability: 0 },
    { designation: 'back', probability: 50 },
  ];
  const rounds = 60;
  for (let i = 0; i < rounds; i++) t.is((await mesh.ask('web', ask({ designation: 'web', routes }))).status, 200);
  const ambiguous = await mesh.ask(
    'web',
    ask({ designation: 'web', routes: [{ designation: 'http://127.0.0.1:1/' }] }),
  );
  t.regex(ambiguous.json.error.message, /could be any callee of web; use back or side/);
  const sent = (await mesh.events()).filter(({ event }) => event === 'REQUEST_SENT').map(({ step }) => step);
  const count = (step: string) => sent.filter((each) => each === step).length;
  t.deepEqual([count('itinerary:side#1'), count('itinerary:back#2'), count('itinerary:side#3')], [rounds, rounds, 0]);
  t.true(count('itinerary:back#4') > 10 && count('itinerary:back#4') < 50);
});

test('a node knows its own calls before the file of all calls does; begun at the mesh port, with the edge shut, it conforms', async (t) => {
  const spec: TopologySpec = { name: 'duo', services: { web: { edge: true }, back: {}, side: { calls: ['back'] } } };
  const topology = resolve(spec, 'duo');
  const mesh = await startMesh(t, spec, [], { key: KEY, publicFaults: false });
  const stops = { designation: 'web', payload: { designation: 'back' } };
  t.is((await mesh.ask('web', { ...ask(stops), port: 'mesh' })).status, 400);
  const slice = { ...sliceOf(connect({ from: 'web', to: 'back' })(topology), 'web'), epoch: 1 };
  const port = mesh.nodes.get('web-1')?.controlPort as number;
  const scope = { key: KEY, topology: 'duo' };
  t.is((await askControl(port, 'PUT /slice', scope, { epoch: 1, slice })).status, 200);
  t.is((await mesh.ask('web', { ...ask(stops), port: 'mesh' })).status, 200);

  const check = runCheck({ run: ADHOC_RUN, topology, end: null });
  for (const event of await mesh.events()) check.add(event);
  const { departures, explained } = check.finish();
  t.deepEqual(departures, []);
  t.is(explained.itinerary, 3);
});

test('a fault that ends a stop ends the itinerary, with its status and reason', async (t) => {
  const mesh = await startMesh(t, DUO, [], { key: KEY, publicFaults: true });
  const error = { type: 'error', args: { status: 418 } };
  const here = await mesh.ask('web', ask({ designation: 'web', faults: { before: [error] } }));
  t.is(here.status, 418);
  t.is(typeof here.json.error, 'string');
  const there = await mesh.ask(
    'web',
    ask({ designation: 'web', payload: { designation: 'back', faults: { after: [error] } } }),
  );
  t.is(there.status, 502);
  t.regex(there.json.error, /answered 418/);
});

test('whoever has no good token for it is refused with 403, at the edge and in the mesh, and the log says who asked', async (t) => {
  const off = await startMesh(t, DUO, [], { key: KEY, publicFaults: false });
  const on = await startMesh(t, DUO, [], { key: KEY, publicFaults: true });
  const none = await startMesh(t, DUO);
  const body = { designation: 'web' };
  const withoutToken = { ...ask(body), headers: { 'content-type': ITINERARY.contentType } };
  const refused: readonly (readonly [Mesh, Ask, RegExp])[] = [
    [off, ask(body), /not switched on at the edge/],
    [none, ask(body), /not switched on here/],
    [none, { ...ask(body), port: 'mesh' }, /not switched on here/],
    [on, withoutToken, /no token/],
    [on, { ...withoutToken, port: 'mesh' }, /no token/],
    [on, ask(body, { key: 'ab'.repeat(32) }), /wrong token/],
    [on, ask(body, { topology: 'other' }), /wrong token/],
    [on, ask(body, { purpose: 'overlay' }), /wrong token/],
    [on, ask(body, { body: '{"designation":"back"}' }), /wrong token/],
    [on, ask(body, { ttlMs: -1_000 }), /expired token/],
    [on, ask(body, { ttlMs: 3 * 86_400_000 }), /too long a life/],
    [on, { ...withoutToken, headers: {}, path: '/itinerary' }, /no token/],
  ];
  for (const [mesh, asked, reason] of refused) {
    const { status, json } = await mesh.ask('web', asked);
    t.is(status, 403);
    t.regex(json.error.message, reason);
  }
  // The same itinerary passes in the mesh, where the edge lets none in.
  t.is((await off.ask('web', { ...ask(body), port: 'mesh' })).status, 200);
  for (const mesh of [off, on, none]) await shows(t, mesh, refused.filter(([each]) => each === mesh).length);
});

async function shows(t: ExecutionContext, mesh: Mesh, refusals: number): Promise<void> {
  const events = await mesh.events();
  const logged = events.filter(
    ({ event, error, run }) => event === 'ERROR' && error?.kind === 'FORBIDDEN' && run === '-',
  );
  t.is(logged.length, refusals);
  for (const { error } of logged)
    t.regex(error?.message ?? '', /^itinerary refused to (::ffff:)?127\.0\.0\.1 port \d+ at the (edge|mesh) port: /);
  const text = JSON.stringify(events);
  t.false(text.includes(KEY) || /\d{10}\.[A-Za-z0-9_-]{43}/.test(text));
}

test('a body above the limit is refused as too large', async (t) => {
  const mesh = await startMesh(t, DUO, [], { key: KEY, publicFaults: true });
  t.is((await mesh.ask('web', ask(' '.repeat(LIMITS.bodyBytes + 1)))).status, 413);
});
