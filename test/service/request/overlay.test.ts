import test from 'ava';
import { BAGGAGE, HEADERS } from '../../../lib/model/contract';
import { parseOverlay, signOverlay } from '../../../lib/model/overlay';
import type { TopologySpec } from '../../../lib/model/spec';
import { startMesh } from '../mesh';

const KEY = '7a'.repeat(32);
const TRIO: TopologySpec = {
  name: 'trio',
  services: {
    web: { edge: true, calls: ['mid'] },
    mid: { calls: [{ call: 'end', count: 3, optional: true }] },
    end: {},
  },
};

const headers = (rules: unknown, { key = KEY, topology = 'trio', ttlMs = 60_000 } = {}) => ({
  [HEADERS.baggage]: `user=alice,${BAGGAGE.overlay}=${signOverlay(rules, key, topology, Date.now() + ttlMs)}`,
});

test('an overlay strikes the services, endpoints and calls that it names, of its own flow only', async (t) => {
  const mesh = await startMesh(t, TRIO, [], { key: KEY, publicFaults: true });
  const error = [{ service: 'mid', type: 'error', args: { status: 418 }, at: 'before' }];
  const struck = await mesh.ask('web', { headers: headers(error) });
  t.is(struck.status, 502);
  t.is((await mesh.ask('web')).status, 200);
  const otherEndpoint = [{ ...error[0], endpoint: 'GET /elsewhere' }];
  t.is((await mesh.ask('web', { headers: headers(otherEndpoint) })).status, 200);

  const second = [
    { service: 'mid', type: 'error', args: { status: 503 }, at: 'call', callee: 'end', nth: 2, id: 'two' },
  ];
  const reply = await mesh.ask('web', { headers: headers(second) });
  t.is(reply.status, 200);
  t.deepEqual(
    reply.json.responses[0].responses.map((response: { error?: unknown }) => response.error !== undefined),
    [false, true, false],
  );
  const events = await mesh.events();
  const injected = events.filter(({ event }) => event === 'FAULT_INJECTED');
  t.deepEqual(
    injected.map(({ service, fault }) => [service, fault?.source, fault?.id]),
    [
      ['mid', 'overlay', 'overlay-1'],
      ['mid', 'overlay', 'two'],
    ],
  );
});

test('an overlay that nobody good signed, or that the edge lets not in, is refused with 403 and never handed on', async (t) => {
  const on = await startMesh(t, TRIO, [], { key: KEY, publicFaults: true });
  const off = await startMesh(t, TRIO, [], { key: KEY, publicFaults: false });
  const rules = [{ service: 'end', type: 'reset', at: 'before' }];
  const whole = headers(rules)[HEADERS.baggage] as string;
  const cases = [
    headers(rules, { key: 'cd'.repeat(32) }),
    headers(rules, { topology: 'other' }),
    headers(rules, { ttlMs: -1_000 }),
    { [HEADERS.baggage]: whole.replace('overlay=', 'overlay=x') },
    { [HEADERS.baggage]: `${BAGGAGE.overlay}=garbage` },
  ];
  for (const each of cases) {
    t.is((await on.ask('web', { headers: each })).status, 403);
    t.is((await on.ask('web', { headers: each, port: 'mesh' })).status, 403);
  }
  t.is((await off.ask('web', { headers: headers(rules) })).status, 403);
  t.is((await off.ask('mid', { headers: headers(rules), port: 'mesh' })).status, 200);
  const forbidden = (events: readonly { error?: { kind: string }; run: string }[]) =>
    events.filter(({ error, run }) => error?.kind === 'FORBIDDEN' && run === '-').length;
  const events = await on.events();
  t.is(forbidden(events), 2 * cases.length);
  t.is(events.filter(({ event }) => event === 'REQUEST_SENT').length, 0);
  t.false(/\d{10}\.[A-Za-z0-9_-]{43}/.test(JSON.stringify(events)));
  t.is(forbidden(await off.events()), 1);
});

test('what is no overlay is refused with every mistake', (t) => {
  t.throws(() => parseOverlay({}), { message: /list of rules/ });
  const mistakes = [
    { service: 'A', type: 'latenc', at: 'before' },
    3,
    { service: 'a', type: 'crash', at: 'instance', nth: 1 },
  ];
  const error = t.throws(() => parseOverlay(mistakes));
  for (const part of ['overlay[0].service', 'latency', 'overlay[1]', 'overlay[2].nth', 'overlay[2].at'])
    t.true(error.message.includes(part), part);
  const long = Array.from({ length: 64 }, () => ({
    service: 'a',
    type: 'latency',
    args: { delay: 1 },
    at: 'before',
    endpoint: `GET /${'x'.repeat(60)}`,
  }));
  t.throws(() => signOverlay(long, KEY, 'a', Date.now() + 1_000), { message: /characters of a header/ });
});
