import { request as httpRequest } from 'node:http';
import test from 'ava';
import { runCheck } from '../../../lib/flows/conformance/check-run';
import { askControl } from '../../../lib/local/control-client';
import { connect } from '../../../lib/model/edit-topology';
import { resolve } from '../../../lib/model/resolve';
import { ADHOC_RUN } from '../../../lib/model/run-id';
import { hashValue, sliceOf } from '../../../lib/model/slice';
import { signToken } from '../../../lib/model/token';
import type { RunningNode } from '../../../service/node';
import { send, startMesh } from '../mesh';

const KEY = 'c0'.repeat(32);
const SPEC = {
  name: 'duo',
  services: { web: { edge: true, calls: ['back'] }, back: { latencyMs: 20 }, spare: { calls: ['back'] } },
};
const topology = resolve(SPEC, 'duo');
const scope = { key: KEY, topology: 'duo' };
const access = { key: KEY, publicFaults: false };

const portOf = (node: RunningNode | undefined): number => node?.controlPort as number;

test('a node takes a new slice for the requests that come after, and the flows of both epochs conform', async (t) => {
  const mesh = await startMesh(t, SPEC, [], access);
  const port = portOf(mesh.nodes.get('web-1'));
  const before = mesh.ask('web');
  const after = connect({ from: 'web', to: 'spare' })(topology);
  const slice = { ...sliceOf(after, 'web'), epoch: 1 };
  const told = await askControl(port, 'PUT /slice', scope, { epoch: 1, slice, by: 'a test' });
  t.deepEqual(told, { status: 200, body: { epoch: 1, slice: hashValue(slice) } });
  t.is((await before).json.responses.length, 1);
  t.is((await mesh.ask('web')).json.responses.length, 2);
  // Asked again because its answer was lost.
  t.is((await askControl(port, 'PUT /slice', scope, { epoch: 1, slice })).status, 200);

  const state = await askControl(port, 'GET /state', scope);
  t.like(state.body, { service: 'web', instance: 'web-1', epoch: 1, slice: hashValue(slice), rules: [] });
  t.deepEqual(state.body.counters.requests, { 'GET /': 2 });

  const events = await mesh.events();
  const changed = events.filter(({ event }) => event === 'TOPOLOGY_CHANGED');
  t.is(changed.length, 1);
  t.deepEqual(changed[0]?.detail, { by: 'a test', slice: JSON.parse(JSON.stringify(slice)) });
  const check = runCheck({ run: ADHOC_RUN, topology, end: null });
  for (const event of events) check.add(event);
  t.deepEqual(check.finish().departures, []);
});

test('a rule given to a node strikes until it expires', async (t) => {
  const mesh = await startMesh(t, SPEC, [], access);
  const port = portOf(mesh.nodes.get('back-1'));
  const own = sliceOf(topology, 'back');
  const expiresAt = new Date(Date.now() + 5_000).toISOString();
  const rule = { id: 'live', fault: { type: 'error', args: { status: 418 } }, at: 'before', source: 'live', expiresAt };
  const slice = { ...own, epoch: 7, service: { ...own.service, faults: [rule] } };
  t.is((await askControl(port, 'PUT /slice', scope, { epoch: 7, slice })).status, 200);
  t.is((await mesh.ask('web')).status, 502);
  const { body } = await askControl(port, 'GET /state', scope);
  t.true(body.rules[0].leftMs > 0 && body.rules[0].leftMs <= 5_000);
  while (Date.now() <= Date.parse(expiresAt)) await new Promise((resolve) => setTimeout(resolve, 50));
  t.is((await mesh.ask('web')).status, 200);
  t.is((await askControl(port, 'GET /state', scope)).body.rules[0].leftMs, 0);
});

test('a rule that ends by the clock is checked well while a fault sets that clock off', async (t) => {
  const mesh = await startMesh(t, SPEC, [], access);
  const port = portOf(mesh.nodes.get('back-1'));
  const own = sliceOf(topology, 'back');
  const expiresAt = new Date(Date.now() + 30_000).toISOString();
  const fault = { type: 'clock-offset', args: { offset: 3_600_000, duration: 20_000 } };
  const rule = { id: 'live', fault, at: 'before', source: 'live', expiresAt };
  const slice = { ...own, epoch: 7, service: { ...own.service, faults: [rule] } };
  t.is((await askControl(port, 'PUT /slice', scope, { epoch: 7, slice })).status, 200);
  for (let i = 0; i < 3; i++) await mesh.ask('web');
  const events = await mesh.events();
  t.is(events.filter(({ event }) => event === 'FAULT_INJECTED').length, 3);
  const check = runCheck({ run: ADHOC_RUN, topology, end: null });
  for (const event of events) check.add(event);
  t.deepEqual(check.finish().departures, []);
});

test('a slice that is older, of another service, or has any fault changes nothing', async (t) => {
  const mesh = await startMesh(t, SPEC, [], access);
  const port = portOf(mesh.nodes.get('web-1'));
  const own = { ...sliceOf(topology, 'web'), epoch: 2 };
  const put = (body: unknown) => askControl(port, 'PUT /slice', scope, body);
  t.is((await put({ epoch: 2, slice: own })).status, 200);
  t.is((await put({ epoch: 2, slice: { ...own, seed: 'x' } })).status, 409);
  t.is((await put({ epoch: 1, slice: { ...own, epoch: 1 } })).status, 409);
  t.is((await put({ epoch: 3, slice: own })).status, 400);
  t.is((await put({ epoch: 3, slice: { ...sliceOf(topology, 'back'), epoch: 3 } })).status, 400);
  t.is((await put({ epoch: 3, slice: { ...own, epoch: 3, topology: 'other' } })).status, 400);
  t.is((await put({ epoch: 3, slice: { ...own, epoch: 3, service: { ...own.service, edge: false } } })).status, 400);
  t.is(
    (await put({ epoch: 3, slice: { ...own, epoch: 3, service: { ...own.service, endpoints: { 'GET /': {} } } } }))
      .status,
    400,
  );
  t.is((await put({ epoch: 4, slice: { ...own, epoch: 4 }, by: 'a\nb' })).status, 400);
  for (const body of [null, [], 3, 'x']) t.is((await put(body)).status, 400);
  t.is((await askControl(port, 'GET /state', scope)).body.epoch, 2);
});

test('whoever has no good token is refused with 403, and the log says who asked and for what, never the token', async (t) => {
  const mesh = await startMesh(t, SPEC, [], access);
  const port = portOf(mesh.nodes.get('web-1'));
  const sign = (
    over: { purpose?: 'GET /state' | 'PUT /slice'; topology?: string; body?: string },
    key = KEY,
    ttlMs = 60_000,
  ) => `Microcosm ${signToken(key, { purpose: 'GET /state', topology: 'duo', body: '', ...over }, Date.now() + ttlMs)}`;
  const state = (authorization?: string) =>
    send(port, { path: '/state', headers: authorization === undefined ? {} : { authorization } });
  const cases = [
    undefined,
    '',
    'Microcosm',
    'Bearer x',
    sign({}).replace('Microcosm ', ''),
    sign({}, 'ff'.repeat(32)),
    sign({ topology: 'other' }),
    sign({ purpose: 'PUT /slice' }),
    sign({ body: 'x' }),
    sign({}, KEY, -1_000),
  ];
  t.is((await state(sign({}))).status, 200);
  for (const authorization of cases) t.is((await state(authorization)).status, 403, String(authorization));
  t.is((await send(port, { path: '/faults', method: 'POST', headers: { authorization: sign({}) } })).status, 403);
  const events = await mesh.events();
  const refused = events.filter(({ error }) => error?.kind === 'FORBIDDEN');
  t.is(refused.length, cases.length + 1);
  t.regex(refused[0]?.error?.message ?? '', /^control "GET \/state" refused to 127\.0\.0\.1 port \d+: no token$/);
  const text = JSON.stringify(events);
  t.false(text.includes(KEY) || /\d{10}\.[A-Za-z0-9_-]{43}/.test(text));
});

test('without a key there is no control interface; with one it listens on loopback only', async (t) => {
  const none = await startMesh(t, SPEC);
  t.is(none.nodes.get('web-1')?.controlPort, null);
  const mesh = await startMesh(t, SPEC, [], access);
  const port = portOf(mesh.nodes.get('web-1'));
  // All of 127.0.0.0/8 is this machine; a listener on every address would answer here.
  await t.throwsAsync(
    new Promise((_resolve, reject) => {
      httpRequest({ host: '127.0.0.2', port, path: '/state', agent: false }, () => _resolve(undefined))
        .on('error', reject)
        .end();
    }),
    { code: 'ECONNREFUSED' },
  );
});
