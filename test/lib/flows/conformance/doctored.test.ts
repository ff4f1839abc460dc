import test from 'ava';
import fc from 'fast-check';
import { runCheck } from '../../../../lib/flows/conformance/check-run';
import type { Event } from '../../../../lib/model/event';
import type { ManifestEnd } from '../../../../lib/model/manifest';
import { resolve } from '../../../../lib/model/resolve';
import { hashValue, type Slice, sliceOf } from '../../../../lib/model/slice';
import type { TopologySpec } from '../../../../lib/model/spec';
import type { Topology } from '../../../../lib/model/topology';
import { type Simulation, simulate } from '../../../support/simulate';
import { statelessTopology } from '../../../support/stateless-topology';

function check(topology: Topology, { run, manifest }: Simulation, events: Iterable<Event>, settled = true) {
  const end = (manifest.find(({ record }) => record === 'end') ?? null) as ManifestEnd | null;
  const checking = runCheck({ run, topology, end, settled });
  for (const event of events) checking.add(event);
  return checking.finish();
}

const failures = { connect: 0.05, reset: 0.05, internal: 0.1, balancer: 0.05 };

/** Fields whose value follows from the topology, the draws or the other side's events, and a wrong value for each. */
const ALTERATIONS: Readonly<Record<string, (event: Event) => Event | undefined>> = {
  endpoint: (event) => (event.event === 'REQUEST_RECEIVED' ? { ...event, endpoint: 'GET /elsewhere' } : undefined),
  place: (event) => (event.event === 'REQUEST_RECEIVED' ? { ...event, place: 'ffffffffffffffff' } : undefined),
  key: (event) => (event.place !== undefined ? { ...event, key: 'another' } : undefined),
  callPlace: (event) => (event.callPlace !== undefined ? { ...event, callPlace: 'ffffffffffffffff' } : undefined),
  callee: (event) => (event.step !== undefined ? { ...event, callee: 's9 GET /' } : undefined),
  status: (event) => (event.status !== undefined ? { ...event, status: event.status === 418 ? 419 : 418 } : undefined),
  step: (event) => (event.step !== undefined ? { ...event, step: 'call:nobody GET /#1' } : undefined),
  repetition: (event) => (event.repetition !== undefined ? { ...event, repetition: 99 } : undefined),
  attempt: (event) => (event.attempt !== undefined ? { ...event, attempt: 99 } : undefined),
  spanEvents: (event) =>
    event.spanEvents !== undefined && event.place !== undefined
      ? { ...event, spanEvents: event.spanEvents + 1 }
      : undefined,
};

for (const [field, alter] of Object.entries(ALTERATIONS)) {
  test(`one altered ${field} in a run of a random topology is caught`, (t) => {
    let altered = 0;
    fc.assert(
      fc.property(statelessTopology, fc.nat(), fc.nat(), (topology, seed, pick) => {
        const simulation = simulate({ topology, seed, requests: 3, failures });
        const candidates = simulation.events.filter(alter);
        if (candidates.length === 0) return;
        const chosen = candidates[pick % candidates.length] as Event;
        const events = simulation.events.map((event) => (event === chosen ? (alter(event) as Event) : event));
        altered += 1;
        t.not(check(topology, simulation, events).verdict, 'conforms', JSON.stringify(chosen));
      }),
      { numRuns: 60 },
    );
    t.true(altered > 10);
  });
}

test('events out of all order and with any field gone or of another kind never make the check throw', (t) => {
  fc.assert(
    fc.property(
      statelessTopology,
      fc.nat(),
      fc.array(fc.tuple(fc.nat(), fc.nat(), fc.anything()), { maxLength: 12 }),
      (topology, seed, damages) => {
        const simulation = simulate({ topology, seed, requests: 2, failures });
        const events = simulation.events.map((event) => ({ ...event }) as Record<string, unknown>);
        for (const [index, field, value] of damages) {
          const event = events[index % events.length] as Record<string, unknown>;
          const names = Object.keys(event).filter((name) => name !== 'process');
          const name = names[field % names.length] as string;
          // What the reader lets through: texts stay texts, numbers numbers.
          if (typeof event[name] === 'string') event[name] = String(JSON.stringify(value));
          else if (typeof event[name] === 'number') event[name] = 1 + (field % 50);
          else delete event[name];
        }
        t.notThrows(() => check(topology, simulation, events as unknown as Event[]));
      },
    ),
    { numRuns: 200 },
  );
});

test('a step that begins before the one ahead of it in the sequence has ended is caught', (t) => {
  const topology = resolve({ services: { web: { edge: true, calls: ['a', 'b'] }, a: {}, b: {} } }, 'order');
  const simulation = simulate({ topology, requests: 1 });
  const web = simulation.events.filter(({ service, requestId }) => service === 'web' && requestId);
  const [, , received, sent] = web as [Event, Event, Event, Event];
  const swapped = new Map([
    [received, { ...received, seq: sent.seq }],
    [sent, { ...sent, seq: received.seq }],
  ]);
  const { departures } = check(
    topology,
    simulation,
    simulation.events.map((event) => swapped.get(event) ?? event),
  );
  t.deepEqual(
    departures.map(({ kind, step }) => [kind, step]),
    [['reordered', 'call:b GET /#1']],
  );
});

test('a retry that is due and not made, and one that the call does not allow, are caught', (t) => {
  const spec = (retries: number): TopologySpec =>
    ({ services: { web: { edge: true, steps: [{ call: 'a', retries }] }, a: {} } }) as unknown as TopologySpec;
  const [none, two] = [resolve(spec(0), 'retry'), resolve(spec(2), 'retry')];
  const simulation = simulate({ topology: two, requests: 20, failures: { body: 0.4 } });
  const swap = (topology: Topology) =>
    new Map(Object.keys(topology.services).map((name) => [name, hashValue(sliceOf(topology, name))]));
  const withSlices = (topology: Topology, events: readonly Event[]) =>
    events.map((event) => (event.slice ? { ...event, slice: swap(topology).get(event.service) as string } : event));
  const tooMany = check(none, simulation, withSlices(none, simulation.events));
  t.true(tooMany.departures.some(({ kind }) => kind === 'extra-retry'));
  const once = simulate({ topology: none, requests: 20, failures: { body: 0.4 } });
  const tooFew = check(two, once, withSlices(two, once.events));
  t.true(tooFew.departures.some(({ kind }) => kind === 'missing-retry'));
  t.deepEqual(check(two, simulation, simulation.events).departures, []);
});

test('a span is held against the epoch that it began with', (t) => {
  const before = resolve({ services: { web: { edge: true, calls: ['a'] }, a: {} } }, 'live');
  const after = resolve({ services: { web: { edge: true, calls: ['a', 'a'] }, a: {} } }, 'live');
  const first = simulate({ topology: before, requests: 2, seed: 1 });
  const second = simulate({ topology: after, requests: 2, seed: 2 });
  const slice: Slice = { ...sliceOf(after, 'web'), epoch: 1 };
  const later = second.events
    .filter(({ run, service }) => run === second.run && service !== 'client')
    .map((event) => (event.service === 'web' ? { ...event, epoch: 1 } : event));
  const changed = { ...(first.events[0] as Event), event: 'TOPOLOGY_CHANGED', epoch: 1, detail: { slice } } as Event;
  const run = { ...first, manifest: [] };
  const kinds = (events: readonly Event[]) => {
    const found = check(before, run, events).departures.filter(({ traceId }) => traceId !== null);
    return [...new Set(found.map(({ kind, expected }) => `${kind}: ${expected}`))];
  };
  const clientLost = 'lost: a REQUEST_SENT of the client';
  t.deepEqual(kinds([...first.events, changed, ...later]), [clientLost]);
  t.deepEqual(kinds([...first.events, ...later]), ['lost: a TOPOLOGY_CHANGED event', clientLost]);
  const stale = later.map((event) => ({ ...event, epoch: 0 }));
  t.true(kinds([...first.events, changed, ...stale]).some((kind) => kind.startsWith('extra-call')));
});

test('what is open while its process may still be at work, or was given up at a stop, is explained', (t) => {
  const topology = resolve({ services: { web: { edge: true, calls: ['a'] }, a: { latencyMs: 5 } } }, 'tail');
  const simulation = simulate({ topology, requests: 1 });
  const isEnd = ({ service, event }: Event) => service === 'a' && event === 'RESPONSE_SENT';
  const isDown = ({ service, event }: Event) => service === 'a' && event === 'SERVICE_DOWN';
  const open = simulation.events.filter((event) => !isEnd(event) && !isDown(event));
  t.is(check(topology, simulation, open, false).explained['not finished yet'], 1);
  t.is(check(topology, simulation, open, false).verdict, 'conforms');
  t.is(check(topology, simulation, open, true).verdict, 'incomplete');
  const stopped = simulation.events
    .filter((event) => !isEnd(event))
    .map((event) => (isDown(event) ? { ...event, runs: {}, detail: { unfinishedRequests: 1 } } : event));
  t.is(check(topology, simulation, stopped).explained['given up at a stop'], 1);
});
