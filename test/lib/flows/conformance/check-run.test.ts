import test from 'ava';
import fc from 'fast-check';
import { type Conformance, runCheck } from '../../../../lib/flows/conformance/check-run';
import type { Event } from '../../../../lib/model/event';
import type { ManifestEnd, ManifestRecord } from '../../../../lib/model/manifest';
import { resolve } from '../../../../lib/model/resolve';
import type { TopologySpec } from '../../../../lib/model/spec';
import type { Topology } from '../../../../lib/model/topology';
import { duplicateLines, type Files, loseLines, removeFile, shuffleLines } from '../../../support/distort';
import { type Failures, type Simulation, simulate } from '../../../support/simulate';
import { statelessTopology } from '../../../support/stateless-topology';

const FAILURES: fc.Arbitrary<Failures> = fc.record({
  connect: fc.constantFrom(0, 0.2),
  noInstance: fc.constantFrom(0, 0.05),
  reset: fc.constantFrom(0, 0.1),
  lost: fc.constantFrom(0, 0.1),
  internal: fc.constantFrom(0, 0.1),
  body: fc.constantFrom(0, 0.1),
  balancer: fc.constantFrom(0, 0.1),
});

const endOf = (manifest: readonly ManifestRecord[]): ManifestEnd | null =>
  manifest.find((record) => record.record === 'end') ?? null;

function check(
  topology: Topology,
  { run, manifest }: Pick<Simulation, 'run' | 'manifest'>,
  events: readonly Event[],
): Conformance {
  const checking = runCheck({ run, topology, end: endOf(manifest) });
  for (const event of events) checking.add(event);
  return checking.finish();
}

const kindsOf = ({ departures }: Conformance): readonly string[] => [...new Set(departures.map(({ kind }) => kind))];

const parse = (files: Files): Event[] => [...files.values()].flat().map((line) => JSON.parse(line));

const small = resolve(
  {
    services: {
      web: {
        edge: true,
        endpoints: {
          'GET /': {
            latencyMs: 5,
            steps: [
              { call: 'catalog', retries: 2 },
              ['cart', 'stock'],
              { call: 'ads', probability: 0, optional: true },
              { oneOf: [{ weight: 1, steps: ['cart', { send: 'mail' }] }] },
            ],
          },
        },
      },
      catalog: { replicas: 2, endpoints: { 'GET /': { steps: ['stock'] }, 'GET /other': {} } },
      cart: { latencyMs: 10 },
      stock: {},
      ads: {},
      mail: { calls: ['stock'] },
    },
  } as unknown as TopologySpec,
  'small',
);

test('runs of random topologies with random failures conform exactly', (t) => {
  fc.assert(
    fc.property(statelessTopology, FAILURES, fc.nat(), (topology, failures, seed) => {
      const simulation = simulate({ topology, seed, requests: 6, failures });
      const { departures, verdict } = check(topology, simulation, simulation.events);
      t.deepEqual(departures, []);
      t.is(verdict, 'conforms');
    }),
    { numRuns: 150 },
  );
});

test("a run conforms whatever befalls hosts' clocks, and with its lines twice and in any order", (t) => {
  const simulation = simulate({
    topology: small,
    requests: 30,
    hostOf: (instance) => instance,
    clocks: { 'web-1': { offsetMs: 70_000 }, 'cart-1': { driftPpm: 500, steps: [{ atMs: 100, byMs: -9_000 }] } },
    keys: ['one', 'two'],
  });
  const files = shuffleLines({ files: duplicateLines(simulation, 0.5, 1) }, 2);
  const result = check(small, simulation, parse(files));
  t.deepEqual(result.departures, []);
  t.true(result.duplicates > 50);
});

test('the loss of any one event is reported as loss, and as nothing else', (t) => {
  fc.assert(
    fc.property(statelessTopology, FAILURES, fc.nat(), fc.nat(), (topology, failures, seed, pick) => {
      const simulation = simulate({ topology, seed, requests: 3, failures });
      const ofRun = simulation.events.filter(({ run }) => run === simulation.run);
      const lost = ofRun[pick % ofRun.length];
      const result = check(
        topology,
        simulation,
        simulation.events.filter((event) => event !== lost),
      );
      t.deepEqual(kindsOf(result), ['lost'], JSON.stringify([lost, result.departures]));
      t.is(result.verdict, 'incomplete');
    }),
    { numRuns: 200 },
  );
});

test('many lines and whole files lost are reported as loss, and as nothing else', (t) => {
  const simulation = simulate({ topology: small, requests: 40, failures: { reset: 0.1, connect: 0.1, body: 0.1 } });
  for (const seed of [1, 2, 3, 4, 5]) {
    const result = check(small, simulation, parse(loseLines(simulation, 0.1, seed)));
    t.deepEqual(kindsOf(result), ['lost'], JSON.stringify(result.departures.find(({ kind }) => kind !== 'lost')));
  }
  for (const file of simulation.files.keys()) {
    if (file === 'ads-1.log') continue; // Nobody called it.
    const result = check(small, simulation, parse(removeFile(simulation, file)));
    t.deepEqual(kindsOf(result), ['lost'], file);
  }
});

test('a crash with a lost tail and a restart is explained', (t) => {
  const simulation = simulate({
    topology: small,
    requests: 60,
    rate: 200,
    crashes: [
      { instance: 'catalog-1', atMs: 103, restartAfterMs: 40, lostTailMs: 3 },
      { instance: 'web-1', atMs: 200.5, restartAfterMs: 40, lostTailMs: 0 },
    ],
  });
  const result = check(small, simulation, simulation.events);
  t.deepEqual(result.departures, []);
  t.is(result.explained['crash of an instance'], 2);
});

test('an answer of the edge whose maker died before its events were written is explained', (t) => {
  const crashes = [{ instance: 'web-1', atMs: 103, restartAfterMs: 40, lostTailMs: 3 }];
  const simulation = simulate({ topology: small, requests: 30, rate: 200, crashes });
  const [died] = simulation.events.filter(({ event, instance }) => event === 'SERVICE_UP' && instance === 'web-1');
  const served = simulation.events.find(({ event, process }) => event === 'RESPONSE_SENT' && process === died?.process);
  const forgotten = simulation.events.filter(
    ({ traceId, service }) => traceId !== served?.traceId || service === 'client',
  );
  t.true(forgotten.length < simulation.events.length);
  const result = check(small, simulation, forgotten);
  t.false(
    result.departures.some(({ service }) => service === 'client'),
    JSON.stringify(result.departures),
  );
  t.true((result.explained['lost in a crash'] ?? 0) > 0);
});

/** One event among the simulation's changed: the first that fits. */
const change =
  (fits: (event: Event) => boolean, how: (event: Event) => Event) =>
  (events: readonly Event[]): readonly Event[] => {
    const met = events.find(fits);
    if (!met) throw new Error('the simulation has no such event');
    return events.map((event) => (event === met ? how(event) : event));
  };

/** Changes every event of the first span of a service. */
const changeSpan =
  (service: string, how: (event: Event) => Event) =>
  (events: readonly Event[]): readonly Event[] => {
    const requestId = events.find(
      (event) => event.service === service && event.event === 'REQUEST_RECEIVED',
    )?.requestId;
    return events.map((event) => (event.requestId === requestId ? how(event) : event));
  };

const isCallOf = (callee: string) => (event: Event) => event.callee === callee && event.service !== 'client';

/** Takes events away from a span so that numbers and counts fit as if the node had never logged them. */
const without =
  (fits: (event: Event) => boolean) =>
  (events: readonly Event[]): readonly Event[] => {
    const left = events.filter((event) => !fits(event));
    return renumbered(left);
  };

function renumbered(events: readonly Event[]): readonly Event[] {
  const seqs = new Map<string, number>();
  const counts = new Map<string, number>();
  const ordered = [...events].sort((a, b) => a.seq - b.seq);
  for (const { requestId } of events) if (requestId) counts.set(requestId, (counts.get(requestId) ?? 0) + 1);
  const numbers = new Map<Event, number>();
  for (const event of ordered) {
    const key = `${event.process} ${event.run}`;
    const seq = (seqs.get(key) ?? 0) + 1;
    seqs.set(key, seq);
    numbers.set(event, seq);
  }
  return events.map((event) => {
    const runs =
      event.runs &&
      Object.fromEntries(Object.keys(event.runs).map((run) => [run, seqs.get(`${event.process} ${run}`) ?? 0]));
    const spanEvents = event.spanEvents && counts.get(event.requestId ?? '');
    return { ...event, seq: numbers.get(event) ?? 0, ...(runs && { runs }), ...(spanEvents && { spanEvents }) };
  });
}

/** Puts copies of events right after themselves, changed. */
const withMore =
  (fits: (event: Event) => boolean, how: (event: Event) => Event) =>
  (events: readonly Event[]): readonly Event[] =>
    renumbered(events.flatMap((event) => (fits(event) ? [event, { ...how(event), seq: event.seq + 0.5 }] : [event])));

const DOCTORED: readonly (readonly [string, (events: readonly Event[]) => readonly Event[], readonly string[]])[] = [
  ['nothing', (events) => events, []],
  [
    'a call left out by the caller and never handled',
    without((event) => isCallOf('cart GET /')(event) || event.service === 'cart'),
    ['missing-call'],
  ],
  ["a call not handled by its callee's log", without((event) => event.service === 'cart'), ['lost']],
  [
    'a call of a step that does not exist',
    withMore(isCallOf('stock GET /'), (event) => ({ ...event, step: 'call:stock GET /#9' })),
    ['extra-call'],
  ],
  [
    'a call that was drawn against',
    withMore(isCallOf('cart GET /'), (event) => ({ ...event, step: 'call:ads GET /#1' })),
    ['extra-call'],
  ],
  ['a repetition too many', withMore(isCallOf('cart GET /'), (event) => ({ ...event, repetition: 1 })), ['extra-call']],
  ['a retry after success', withMore(isCallOf('cart GET /'), (event) => ({ ...event, attempt: 2 })), ['extra-retry']],
  [
    'a request handled twice',
    withMore(
      (event) => event.service === 'mail' && event.via === 'mesh',
      (event) => ({ ...event, requestId: '00000000000000aa' }),
    ),
    ['extra-call', 'lost'],
  ],
  [
    'another endpoint called',
    (events) =>
      events.map((event) => (event.callee === 'catalog GET /' ? { ...event, callee: 'catalog GET /other' } : event)),
    ['wrong-endpoint'],
  ],
  [
    'another endpoint handled it',
    changeSpan('catalog', (event) => ({ ...event, endpoint: 'GET /other' })),
    ['wrong-endpoint', 'extra-call'],
  ],
  [
    'another service called',
    (events) => events.map((event) => (event.callee === 'catalog GET /' ? { ...event, callee: 'ads GET /' } : event)),
    ['wrong-callee'],
  ],
  [
    'another service handled it',
    changeSpan('stock', (event) => ({ ...event, service: 'cart' })),
    ['wrong-callee', 'undeclared'],
  ],
  [
    'a service from elsewhere',
    changeSpan('cart', (event) => ({ ...event, service: 'else' })),
    ['wrong-callee', 'undeclared'],
  ],
  [
    'a status sent that does not follow',
    change(
      ({ event, service }) => event === 'RESPONSE_SENT' && service === 'cart',
      (event) => ({ ...event, status: 500 }),
    ),
    ['wrong-status'],
  ],
  [
    'a whole answer that does not follow',
    changeSpan('cart', (event) => (event.status ? { ...event, status: 504 } : event)),
    ['wrong-status'],
  ],
  [
    'a status received that was not sent',
    change(
      ({ event, service }) => event === 'RESPONSE_RECEIVED' && service === 'catalog',
      (event) => ({ ...event, status: 201 }),
    ),
    ['wrong-status'],
  ],
  [
    'a place of a call',
    (events) =>
      events.map((event) => (isCallOf('catalog GET /')(event) ? { ...event, callPlace: '0123456789abcdef' } : event)),
    ['wrong-place'],
  ],
  ['a place of a callee', changeSpan('cart', (event) => ({ ...event, place: '0123456789abcdef' })), ['wrong-place']],
  ["the root's place", changeSpan('web', (event) => ({ ...event, place: '0123456789abcdef' })), ['wrong-place']],
  ['a key', changeSpan('stock', (event) => ({ ...event, key: 'other' })), ['wrong-key']],
  [
    'work done too fast',
    changeSpan('cart', (event) => ({ ...event, ...(event.durationMs && { durationMs: 1 }) })),
    ['too-fast'],
  ],
  [
    'another slice',
    change(
      ({ event, service }) => event === 'SERVICE_UP' && service === 'cart',
      (event) => ({ ...event, slice: '00' }),
    ),
    ['wrong-slice'],
  ],
  [
    'a send accepted and never worked on',
    without(
      ({ event, service, via, traceId, endpoint, callee, ...rest }) =>
        rest.requestId !== undefined && service === 'mail' && queueSpans.has(rest.requestId),
    ),
    ['missing-call'],
  ],
];

let queueSpans: ReadonlySet<string> = new Set();

for (const [title, doctor, expected] of DOCTORED) {
  test(`finds doctored: ${title}`, (t) => {
    const simulation = simulate({ topology: small, requests: 1 });
    queueSpans = new Set(
      simulation.events.flatMap(({ via, requestId }) => (via === 'queue' && requestId ? [requestId] : [])),
    );
    const result = check(small, simulation, doctor(simulation.events));
    for (const kind of expected)
      t.true(kindsOf(result).includes(kind as never), `${kind}: ${JSON.stringify(result.departures)}`);
    t.is(result.verdict === 'conforms', expected.length === 0, JSON.stringify(result.departures));
    for (const { traceId, kind } of result.departures) if (kind !== 'wrong-slice' && kind !== 'lost') t.truthy(traceId);
  });
}
