import test from 'ava';
import { type Answer, answers } from '../../../../lib/flows/expectations/answer';
import { sampler } from '../../../../lib/flows/expectations/samples';
import { answerLines } from '../../../../lib/flows/text/answer-text';
import type { Event } from '../../../../lib/model/event';
import type { ManifestStep } from '../../../../lib/model/manifest';
import { resolveScenarios } from '../../../../lib/model/resolve-scenario';
import type { Scenario, ScenarioStep } from '../../../../lib/model/scenario';
import type { ExpectationSpec } from '../../../../lib/model/scenario-spec';

const RUN = 'shop-20261121t054429z-k3qa';
const START = Date.parse('2026-11-21T05:44:30.000Z');
const LENGTH_MS = 10_000;

const iso = (ms: number): string => new Date(START + ms).toISOString();
let ids = 0;

function event(kind: Event['event'], atMs: number, fields: Partial<Event>): Event {
  return { timestamp: iso(atMs), event: kind, run: RUN, traceId: 't', ...fields } as Event;
}

/** A request of the client and its handling by web, which calls stock. */
function request(plannedMs: number, { tookMs = 10, lateMs = 0, status = 200, error = false } = {}): readonly Event[] {
  const requestId = String(ids++);
  const sentMs = plannedMs + lateMs;
  const of = { requestId, callee: 'web GET /', service: 'client' };
  const ended = { ...of, durationMs: tookMs, spanEvents: 2 };
  return [
    event('REQUEST_SENT', sentMs, { ...of, latenessMs: lateMs }),
    error
      ? event('ERROR', sentMs + tookMs, { ...ended, error: { kind: 'RESET', message: '' } })
      : event('RESPONSE_RECEIVED', sentMs + tookMs, { ...ended, status }),
    event('RESPONSE_RECEIVED', sentMs + 4, { service: 'web', callee: 'stock GET /', durationMs: 3, status }),
    event('RESPONSE_SENT', sentMs + 8, { service: 'web', endpoint: 'GET /', durationMs: 8, status, spanEvents: 5 }),
  ];
}

/** Twenty requests a second over the whole run. */
function traffic(like: (plannedMs: number) => Parameters<typeof request>[1]): readonly Event[] {
  return Array.from({ length: LENGTH_MS / 50 }, (_, index) => request(index * 50, like(index * 50))).flat();
}

const STEP: ScenarioStep = { name: 'slow', atMs: 2_000, forMs: 1_000, kind: 'disconnect', from: 'web', to: 'stock' };

function made(what: ManifestStep['what'], plannedMs: number): ManifestStep {
  const times = { plannedMs, atMs: plannedMs, doneMs: plannedMs + 10 };
  const rest = { did: 'it', epoch: 1, instances: [], problem: null, timestamp: iso(plannedMs), run: RUN };
  return { record: 'step', step: 'slow', what, ...times, ...rest };
}

function answered(events: readonly Event[], expect: ExpectationSpec, reachedMs = Number.POSITIVE_INFINITY): Answer {
  const { sale } = resolveScenarios({ services: {}, scenarios: { sale: { expect: [expect] } } });
  const scenario: Scenario = {
    ...(sale as Scenario),
    load: { arrivals: 'constant', phases: [{ name: 'calm', fromRate: 20, toRate: 20, durationMs: 4_000 }] },
    steps: [STEP],
  };
  const samples = sampler(RUN, [scenario.expect[0]?.of ?? null]);
  for (const each of events) samples.add(each);
  const record = {
    record: 'scenario',
    timestamp: iso(0),
    run: RUN,
    startTime: iso(0),
    lengthMs: LENGTH_MS,
    scenario,
  } as const;
  const [answer] = answers({ scenario: record, steps: [made('begin', 2_000), made('end', 3_000)], reachedMs }, samples);
  if (!answer) throw new Error('there is no answer');
  return answer;
}

const slowFor = (fromMs: number, toMs: number) => (atMs: number) => ({
  tookMs: atMs >= fromMs && atMs < toMs ? 300 : 10,
});
const p50 = { percentile: 50, atMostMs: 100 };

const TABLE: readonly (readonly [
  title: string,
  events: readonly Event[],
  expect: ExpectationSpec,
  answer: Partial<Answer>,
])[] = [
  [
    'a percentile counts from the planned moment, also where the driver was late',
    traffic(() => ({ tookMs: 10, lateMs: 40 })),
    { responseTime: { percentile: 50, atMostMs: 45 } },
    { verdict: 'missed', measured: 50, samples: 200 },
  ],
  [
    'service time counts from sending',
    traffic(() => ({ tookMs: 10, lateMs: 40 })),
    { serviceTime: { percentile: 50, atMostMs: 45 } },
    { verdict: 'met', measured: 10 },
  ],
  [
    "what is slow outside of a step's time is not held against that time",
    traffic(slowFor(5_000, 8_000)),
    { responseTime: p50, during: 'slow' },
    { verdict: 'met', samples: 19, window: { fromMs: 2_010, toMs: 3_000 } },
  ],
  [
    'what is slow while a step stands is',
    traffic(slowFor(2_000, 3_000)),
    { responseTime: p50, during: 'slow' },
    { verdict: 'missed', measured: 300 },
  ],
  [
    'a phase is a stretch of time',
    traffic(() => ({})),
    { throughput: { atLeast: 20 }, during: 'calm' },
    { verdict: 'met', measured: 20, window: { fromMs: 0, toMs: 4_000 } },
  ],
  [
    'failed requests are no throughput',
    traffic((atMs) => ({ status: atMs % 100 === 0 ? 503 : 200 })),
    { throughput: { atLeast: 15 } },
    { verdict: 'missed', measured: 10 },
  ],
  [
    'no answer is an error, a status below 500 is none',
    traffic((atMs) => (atMs % 500 === 0 ? { error: true } : { status: 404 })),
    { errors: { atMost: 0.1 } },
    { verdict: 'met', measured: 0.1, samples: 200 },
  ],
  [
    'an endpoint is judged by what it handled',
    traffic(() => ({ tookMs: 900 })),
    { of: 'web GET /', serviceTime: { percentile: 99, atMostMs: 8 } },
    { verdict: 'met', measured: 8, samples: 200 },
  ],
  [
    'a call is judged by what its caller saw',
    traffic(() => ({})),
    { of: { from: 'web', to: 'stock' }, serviceTime: { percentile: 99, atMostMs: 2 } },
    { verdict: 'missed', measured: 3 },
  ],
  [
    'a p99 of fewer than a hundred requests is undecided',
    traffic(() => ({})),
    { responseTime: { percentile: 99, atMostMs: 100 }, during: { from: '2s', to: '6s' } },
    { verdict: 'undecided', measured: null, samples: 80, needed: 100 },
  ],
  [
    'a stretch without requests is undecided',
    [],
    { errors: { atMost: 0.5 } },
    { verdict: 'undecided', samples: 0, needed: 10 },
  ],
  [
    'recovery is the moment from which on all is well',
    traffic(slowFor(2_000, 4_500)),
    { recovered: { after: 'slow', within: '2s', responseTime: { percentile: 90, atMostMs: 100 } } },
    { verdict: 'met', measured: 1_000 },
  ],
  [
    'recovery that comes too late is missed, and when it came is told',
    traffic(slowFor(2_000, 8_000)),
    { recovered: { after: 'slow', within: '2s', responseTime: { percentile: 50, atMostMs: 100 } } },
    { verdict: 'missed', measured: 3_000 },
  ],
  [
    'recovery that never came has no moment',
    traffic(slowFor(2_000, 10_000)),
    { recovered: { after: 'slow', within: '2s', responseTime: p50 } },
    { verdict: 'missed', measured: null },
  ],
];

for (const [title, events, expect, expected] of TABLE) {
  test(title, (t) => t.like(answered(events, expect), expected));
}

test('what comes after the moment at which a run was ended is undecided', (t) => {
  const events = traffic(() => ({}));
  t.like(answered(events, { errors: { atMost: 0.1 }, during: 'slow' }, 5_000), { verdict: 'met' });
  t.like(answered(events, { errors: { atMost: 0.1 } }, 5_000), {
    verdict: 'undecided',
    why: 'the run was ended before',
  });
});

test('an answer on a line says what was expected, measured, when and of how many', (t) => {
  const answer = answered(
    traffic(() => ({})),
    { name: 'quick', responseTime: p50, during: 'calm' },
  );
  t.deepEqual(answerLines('sale', [answer]), [
    'scenario sale: 1 of 1 expectations met',
    '  met        quick: p50 of the response time at most 100 ms, during calm: 10 ms, 0 to 4 s, 80 requests',
  ]);
});
