import test from 'ava';
import fc from 'fast-check';
import type { Departure } from '../../../../lib/flows/conformance/departure';
import { policyReplays } from '../../../../lib/flows/conformance/policies/policy-replays';
import { topologies } from '../../../../lib/flows/conformance/topologies';
import type { Event } from '../../../../lib/model/event';
import { resolve } from '../../../../lib/model/resolve';
import type { TopologySpec } from '../../../../lib/model/spec';
import type { Outgoing, Topology } from '../../../../lib/model/topology';
import { circuitBreaker } from '../../../../service/resilience/circuit-breaker';
import { retryBudget } from '../../../../service/resilience/retry-budget';
import { movedEvent } from '../../../support/doctor';

const RUN = 'guarded-20261121t054429z-test';
const CHANGES = { open: 'BREAKER_OPENED', 'half-open': 'BREAKER_HALF_OPENED', closed: 'BREAKER_CLOSED' } as const;

/** What a request of the process does next, and how long after the last such step of any of them. */
type Move = readonly [what: What, which: number, well: boolean, afterMs: number];
type What = 'come' | 'send' | 'refuse' | 'end' | 'settle' | 'again';

interface Request {
  readonly id: number;
  attempt: number;
  reconnect: number;
  permit: number;
  well: boolean;
  /** `refused`: the next instance may be tried; `waiting`: before another attempt. */
  stage: 'admitted' | 'sent' | 'refused' | 'ended' | 'waiting';
}

/** Which requests each move is for. */
const ABLE: Readonly<Record<Exclude<What, 'come'>, readonly Request['stage'][]>> = {
  send: ['admitted', 'refused'],
  refuse: ['sent'],
  end: ['sent'],
  settle: ['ended', 'refused'],
  again: ['waiting'],
};

const moves: fc.Arbitrary<Move[]> = fc.array(
  fc.tuple(
    fc.constantFrom('come', 'send', 'send', 'refuse', 'end', 'end', 'settle', 'settle', 'again'),
    fc.nat(),
    fc.boolean(),
    fc.constantFrom(0, 0, 1, 7, 60),
  ),
  { maxLength: 300 },
);

const breakers = fc.constantFrom(
  { consecutiveFailures: 2, openMs: 20, probes: 2 },
  { consecutiveFailures: 3, openMs: 100 },
  { errorRate: 0.5, windowMs: 200, minimumCalls: 4, openMs: 30 },
);

function guarded(breaker: object, sideBySide: boolean): Topology {
  const retries = { max: 2, backoffMs: 1, budget: { ratio: 0.3, minPerSecond: 2, windowMs: 1_000 } };
  const call = { call: 'data', id: 'call', optional: true, retries, breaker };
  const services = { web: { edge: true, steps: [sideBySide ? { parallel: [call] } : call] }, data: {} };
  return resolve({ services } as unknown as TopologySpec, 'guarded');
}

/** The log of a process whose real breaker and budget are asked and told in the order of the moves. */
function historyOf(
  topology: Topology,
  history: readonly Move[],
  runOf: (request: number) => string = () => RUN,
): readonly Event[] {
  const [first] = topology.services.web?.endpoints['GET /']?.steps ?? [];
  const step = (first?.kind === 'parallel' ? first.steps[0] : first) as Outgoing & Required<Pick<Outgoing, 'breaker'>>;
  const breaker = circuitBreaker(step.breaker);
  const budget = retryBudget(step.retries.budget as NonNullable<Outgoing['retries']['budget']>);
  const events: Event[] = [];
  const under: Request[] = [];
  let now = 1_000;
  let requests = 0;

  const log = (fields: Partial<Event>): void => {
    now += 0.003;
    const seq = events.filter(({ run }) => run === (fields.run ?? RUN)).length + 1;
    const hlc = Math.floor(now * 1_000)
      .toString(16)
      .padStart(16, '0');
    const common = { process: 'web', instance: 'web-1', service: 'web', topology: topology.name, run: RUN };
    events.push({ ...common, timestamp: '', hlc, seq, monotonicUs: Math.floor(now * 1_000), ...fields } as Event);
  };
  const ofRequest = (id: number): Partial<Event> => ({
    run: runOf(id),
    traceId: `${id}`,
    requestId: `${id}`,
    endpoint: 'GET /',
    epoch: 0,
  });
  const ofAttempt = ({ id, attempt }: Request): Partial<Event> => ({
    ...ofRequest(id),
    step: 'call',
    repetition: 0,
    attempt,
    callee: 'data GET /',
  });
  const finish = (request: Request): void => {
    log({ ...ofRequest(request.id), event: 'RESULT_PRODUCED', status: 200 });
    log({ ...ofRequest(request.id), event: 'RESPONSE_SENT', status: 200, spanEvents: 9 });
    under.splice(under.indexOf(request), 1);
  };
  const watched = (request: Request, act: () => void): void => {
    const before = breaker.state;
    act();
    if (breaker.state === before) return;
    const decision = breaker.state === 'open' ? { callee: 'data', ...breaker.cause } : { callee: 'data' };
    log({ ...ofAttempt(request), event: CHANGES[breaker.state], decision });
  };
  const admit = (request: Request): void => {
    watched(request, () => {
      request.permit = breaker.admit(now);
    });
    request.stage = 'admitted';
    if (request.permit > 0) return;
    log({ ...ofAttempt(request), event: 'ERROR', error: { kind: 'BREAKER_OPEN', message: '' } });
    finish(request);
  };
  const settle = (request: Request): void => {
    watched(request, () => breaker.settle(request.permit, request.well ? 'success' : 'failure', now));
    if (request.well || request.attempt > step.retries.max) finish(request);
    else if (budget.withdraw(now)) request.stage = 'waiting';
    else deny(request);
  };
  const moved = (request: Request, what: Exclude<What, 'come'>, well: boolean): void => {
    if (what === 'send') {
      if (request.stage === 'refused') request.reconnect += 1;
      request.stage = 'sent';
      const again = request.reconnect > 0 ? { reconnect: request.reconnect } : {};
      log({ ...ofAttempt(request), event: 'REQUEST_SENT', ...again });
    } else if (what === 'refuse') {
      request.stage = 'refused';
      request.well = false;
      log({ ...ofAttempt(request), event: 'ERROR', durationMs: 1, error: { kind: 'CONNECT', message: '' } });
    } else if (what === 'end') {
      request.stage = 'ended';
      request.well = well;
      log({ ...ofAttempt(request), event: 'RESPONSE_RECEIVED', status: well ? 200 : 500, durationMs: 1 });
    } else if (what === 'settle') settle(request);
    else {
      request.attempt += 1;
      request.reconnect = 0;
      admit(request);
    }
  };
  const deny = (request: Request): void => {
    log({
      ...ofAttempt(request),
      event: 'RETRY_BUDGET_EXHAUSTED',
      decision: { callee: 'data', ...budget.counts(now) },
    });
    finish(request);
  };

  log({ event: 'SERVICE_UP', run: '-' });
  for (const [what, which, well, afterMs] of history) {
    now += afterMs;
    if (what === 'come') {
      // In a turn of the event loop of its own: what ended before has been taken in, in whatever order.
      const ended = under.filter(({ stage }) => stage === 'ended');
      for (const request of which % 2 === 0 ? ended : ended.reverse()) settle(request);
      const request: Request = { id: ++requests, attempt: 1, reconnect: 0, permit: 0, well: true, stage: 'admitted' };
      under.push(request);
      log({ ...ofRequest(request.id), event: 'REQUEST_RECEIVED', via: 'edge' });
      budget.called(now);
      admit(request);
      continue;
    }
    const able = under.filter(({ stage }) => ABLE[what].includes(stage));
    const request = able[which % Math.max(1, able.length)];
    if (request) moved(request, what, well);
  }
  const runs: Record<string, number> = {};
  for (const { run, seq } of events) if (run !== '-') runs[run] = seq;
  log({ event: 'CLOCK', run: '-', runs });
  return events;
}

function departures(topology: Topology, events: readonly Event[]): readonly Departure[] {
  const replays = policyReplays(RUN, topologies(topology));
  for (const event of events) replays.add(event);
  const none = () => undefined;
  return replays.finish(new Map(), { crashes: 0, ofProcess: none, ofInstance: none, ofService: none });
}

test('whatever a breaker and a budget decided in any course of attempts is found to be due', (t) => {
  fc.assert(
    fc.property(breakers, fc.boolean(), moves, (breaker, sideBySide, history) => {
      const topology = guarded(breaker, sideBySide);
      t.deepEqual(departures(topology, historyOf(topology, history)), []);
    }),
    { numRuns: 300, seed: 20261121 },
  );
});

test('the same holds of a log with any of its events lost, in any order, and of one that begins late', (t) => {
  fc.assert(
    fc.property(
      breakers,
      moves,
      fc.array(fc.nat(), { maxLength: 5 }),
      fc.nat(),
      fc.infiniteStream(fc.nat()),
      (breaker, history, lost, skipped, order) => {
        const topology = guarded(breaker, false);
        const events = historyOf(topology, history);
        const gone = new Set(lost.map((index) => index % events.length));
        const left = events.filter((_, index) => !gone.has(index) && index >= skipped % 20);
        const shuffled = left.map((event) => [order.next().value as number, event] as const);
        shuffled.sort(([a], [b]) => a - b);
        t.deepEqual(departures(topology, left), []);
        t.deepEqual(
          departures(
            topology,
            shuffled.map(([, event]) => event),
          ),
          [],
        );
      },
    ),
    { numRuns: 200, seed: 20261121 },
  );
});

test('requests of other runs move the same states, and where they are not at hand nothing is held against the rest', (t) => {
  const OTHER = 'guarded-20261121t054429z-othr';
  fc.assert(
    fc.property(breakers, fc.boolean(), moves, (breaker, sideBySide, history) => {
      const topology = guarded(breaker, sideBySide);
      const events = historyOf(topology, history, (request) => (request % 2 === 0 ? OTHER : RUN));
      t.deepEqual(departures(topology, events), []);
      t.deepEqual(
        departures(
          topology,
          events.filter(({ run }) => run !== OTHER),
        ),
        [],
      );
    }),
    { numRuns: 150, seed: 20261121 },
  );
});

test('a breaker that opens one failure too late, or never, is caught', (t) => {
  const topology = guarded({ consecutiveFailures: 3, openMs: 100 }, false);
  const failing: Move[] = Array.from({ length: 40 }, () =>
    (['come', 'send', 'end', 'settle', 'again'] as const).map((what): Move => [what, 0, false, 1]),
  ).flat();
  const stricter = guarded({ consecutiveFailures: 2, openMs: 100 }, false);
  const later = departures(stricter, historyOf(topology, failing));
  t.true(later.some(({ kind }) => kind === 'missing-decision'));
  const sooner = departures(guarded({ consecutiveFailures: 4, openMs: 100 }, false), historyOf(topology, failing));
  t.true(sooner.some(({ kind }) => kind === 'undue-decision'));
  const shorter = departures(guarded({ consecutiveFailures: 3, openMs: 30 }, false), historyOf(topology, failing));
  t.true(shorter.some(({ kind, message }) => kind === 'undue-decision' && message.includes('it had been open')));
  const longer = departures(guarded({ consecutiveFailures: 3, openMs: 5_000 }, false), historyOf(topology, failing));
  t.true(longer.some(({ kind, actual }) => kind === 'undue-decision' && actual === 'BREAKER_HALF_OPENED'));
});

/** Three failures, and a probe of the breaker that they opened. */
const probing: readonly Move[] = [
  ...[0, 1, 2].flatMap(() => (['come', 'send', 'end', 'settle'] as const).map((what): Move => [what, 0, false, 1])),
  ['come', 0, true, 60],
  ['send', 0, true, 1],
];
const BREAKS = { consecutiveFailures: 3, openMs: 50 };

test('a breaker that takes in what its probe came to only after another request came is caught', (t) => {
  const topology = guarded(BREAKS, false);
  const events = historyOf(topology, [...probing, ['end', 0, false, 1], ['settle', 0, false, 0], ['come', 0, true, 1]]);
  t.deepEqual(departures(topology, events), []);
  const opened = events.findLast(({ event }) => event === 'BREAKER_OPENED') as Event;
  const [departure, ...others] = departures(topology, movedEvent(events, opened, 1));
  t.is(departure?.kind, 'missing-decision');
  t.is(departure?.message, 'the breaker of data stayed half-open: a probe had failed');
  t.deepEqual(others, []);
});

test('a probe that was refused a connection may go to the next instance after others came', (t) => {
  const topology = guarded(BREAKS, false);
  const events = historyOf(topology, [
    ...probing,
    ['refuse', 0, false, 1],
    ['come', 0, true, 1],
    ['send', 0, true, 1],
    ['end', 0, true, 1],
    ['settle', 0, true, 1],
  ]);
  t.true(events.some(({ event }) => event === 'BREAKER_CLOSED'));
  t.deepEqual(departures(topology, events), []);
});
