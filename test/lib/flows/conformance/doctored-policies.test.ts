import type { ExecutionContext } from 'ava';
import test from 'ava';
import { type Conformance, runCheck } from '../../../../lib/flows/conformance/check-run';
import type { Event, EventKind } from '../../../../lib/model/event';
import { resolve } from '../../../../lib/model/resolve';
import { ADHOC_RUN } from '../../../../lib/model/run-id';
import type { TopologySpec } from '../../../../lib/model/spec';
import { startMesh } from '../../../service/mesh';
import { movedEvent, withEvent, withoutEvent } from '../../../support/doctor';

type Doctored = (events: readonly Event[], victim: Event) => readonly Event[];

const mesh = (web: object, data: object): TopologySpec =>
  ({
    name: 'guarded',
    services: { web: { edge: true, ...web }, data: { latencyMs: { uniform: [0, 8] }, ...data } },
  }) as unknown as TopologySpec;

const failing = (probability: number) => ({ faults: [{ type: 'error', at: 'before', probability }] });
const call = (policies: object) => ({ calls: [{ call: 'data', optional: true, ...policies }] });

/** Requests at once: more than the limits here let in. */
const WORKERS = 12;

/**
 * Real nodes, asked until enough answers differ from the one before: by then every policy here has changed its mind several
 * times, however fast the machine is. Keys of their own, so that the same draws come again.
 */
async function logOf(t: ExecutionContext, spec: TopologySpec, turns = 80): Promise<readonly Event[]> {
  const { ask, events } = await startMesh(t, spec);
  let [asked, turned, before] = [0, 0, ''];
  const work = async (): Promise<void> => {
    while (turned < turns && asked < 5_000) {
      asked += 1;
      const { json } = await ask('web', { headers: { baggage: `microcosm-key=guarded-${asked}` } });
      const kind = json?.responses?.[0]?.error?.kind ?? 'well';
      if (kind !== before) turned += 1;
      before = kind;
      await new Promise((done) => setTimeout(done, 4));
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  return events();
}

function check(events: readonly Event[], spec: TopologySpec): Conformance {
  const checking = runCheck({ run: ADHOC_RUN, topology: resolve(spec, 'guarded'), end: null });
  for (const event of events) checking.add(event);
  return checking.finish();
}

/** Some of the events of a kind, but for those at the log's end, which nothing may come after. */
function victims(events: readonly Event[], kind: EventKind): readonly Event[] {
  const all = events.filter(({ event }) => event === kind);
  const inner = all.slice(0, Math.max(1, all.length - 3));
  return inner.filter((_, index) => index % Math.ceil(inner.length / 5) === 0);
}

async function caught(
  t: ExecutionContext,
  spec: TopologySpec,
  doctored: readonly (readonly [EventKind, Readonly<Record<string, Doctored>>])[],
): Promise<void> {
  const events = await logOf(t, spec);
  t.deepEqual(check(events, spec).departures, []);
  for (const [kind, ways] of doctored) {
    const chosen = victims(events, kind);
    t.true(chosen.length > 0, `the run has a ${kind}`);
    for (const [way, doctor] of Object.entries(ways)) {
      for (const victim of chosen) {
        t.is(check(doctor(events, victim), spec).verdict, 'departs', `${way} ${kind} ${victim.seq}`);
      }
    }
  }
}

type Witness = (passed: Event, victim: Event) => boolean;

/** Far enough that other requests come in between. */
const EVENTS_PASSED = 60;

/** Moves an event past as many others, and on past one that its new place contradicts, however fast the run went. */
const past =
  (direction: 1 | -1, witness: Witness): Doctored =>
  (events, victim) => {
    const own = events.filter(({ process, run }) => process === victim.process && run === victim.run);
    own.sort((a, b) => a.seq - b.seq);
    const from = own.indexOf(victim);
    let by = 0;
    for (let passes = false; Math.abs(by) < EVENTS_PASSED || !passes; ) {
      const passed = own[from + by + direction];
      if (!passed) break;
      by += direction;
      passes ||= witness(passed, victim);
    }
    return movedEvent(events, victim, by);
  };

const ofItsRequest: Witness = ({ requestId }, victim) => requestId === victim.requestId;
const otherChange: Witness = ({ event }) => CHANGES.has(event);
const CHANGES: ReadonlySet<EventKind> = new Set(['BREAKER_OPENED', 'BREAKER_HALF_OPENED', 'BREAKER_CLOSED']);
/** Came in after the breaker had opened. */
const rejectedRequest: Witness = ({ error, attempt }) => error?.kind === 'BREAKER_OPEN' && attempt === 1;

/** What a request's policy decided, between an attempt's outcome or its receipt and its end. */
const decided = {
  removed: withoutEvent,
  earlier: past(-1, ofItsRequest),
  later: past(1, ofItsRequest),
} satisfies Record<string, Doctored>;
/** Between its probe's or third failure's outcome and what is rejected. */
const opened = { ...decided, later: past(1, rejectedRequest) };
/** Between two other changes. */
const halfOpened = { removed: withoutEvent, earlier: past(-1, otherChange), later: past(1, otherChange) };

const figures =
  (change: (decision: NonNullable<Event['decision']>) => Event['decision']): Doctored =>
  (events, victim) =>
    events.map((event) => (event === victim ? { ...event, decision: change(event.decision ?? {}) } : event) as Event);

test("a breaker's change that is gone, stands elsewhere or names other figures is caught", (t) =>
  caught(t, mesh(call({ retries: 1, breaker: { consecutiveFailures: 3, openMs: 60 } }), failing(0.6)), [
    ['BREAKER_OPENED', { ...opened, altered: figures((d) => ({ ...d, failures: (d.failures ?? 0) + 1 })) }],
    ['BREAKER_HALF_OPENED', halfOpened],
  ]));

test('the same of a breaker by the share of failures, with probes', (t) =>
  caught(
    t,
    mesh(call({ breaker: { errorRate: 0.4, windowMs: 500, minimumCalls: 5, openMs: 40, probes: 2 } }), failing(0.6)),
    [
      ['BREAKER_OPENED', { ...opened, altered: figures((d) => ({ ...d, windowCalls: (d.windowCalls ?? 0) + 1_000 })) }],
      ['BREAKER_HALF_OPENED', halfOpened],
    ],
  ));

test('a shed request whose event is gone, stands elsewhere or names other figures is caught', (t) =>
  caught(t, mesh(call({}), { concurrency: { limit: 2, queue: 1 }, latencyMs: { uniform: [20, 60] } }), [
    ['REQUEST_SHED', { ...decided, altered: figures((d) => ({ ...d, limit: (d.limit ?? 0) + 1 })) }],
  ]));

test("a budget's denial that is gone, stands elsewhere or names other figures is caught", (t) =>
  caught(
    t,
    mesh(
      call({ retries: { max: 3, backoffMs: 1, budget: { ratio: 0.1, minPerSecond: 0.5, windowMs: 2_000 } } }),
      failing(0.5),
    ),
    [
      [
        'RETRY_BUDGET_EXHAUSTED',
        {
          ...decided,
          'fewer retries in': figures((d) => ({ ...d, retries: 0 })),
          'more retries in': figures((d) => ({ ...d, retries: (d.retries ?? 0) + 1_000 })),
          'fewer calls in': figures((d) => ({ ...d, calls: 0 })),
        },
      ],
    ],
  ));

test('a request shed, and an attempt turned away by a bulkhead, where there was room, are caught', async (t) => {
  const spec = (limit: number) =>
    mesh(call({ bulkhead: { limit, queue: 2 } }), {
      latencyMs: { uniform: [20, 60] },
      concurrency: { limit, queue: 2 },
    });
  const events = await logOf(t, spec(3), 40);
  t.deepEqual(check(events, spec(3)).departures, []);
  const wider = check(events, spec(5)).departures.filter(({ kind }) => kind === 'undue-decision');
  t.true(wider.some(({ message }) => message.includes('turned an attempt away')));
  const narrower = check(events, spec(2)).departures.filter(({ kind }) => kind === 'over-limit');
  t.true(narrower.some(({ message }) => message.includes('its bulkhead lets 2 through')));
});

test('a call that is turned away with OVERLOAD by no limit is caught, and so is a send by no full queue', async (t) => {
  const spec = mesh({ steps: ['data', { send: 'data', optional: true }] }, {});
  const events = await logOf(t, spec, 1);
  t.deepEqual(check(events, spec).departures, []);
  const error = { kind: 'OVERLOAD', message: 'no room' } as const;
  const refused = (end: Event, list: readonly Event[]): readonly Event[] =>
    list.map((event) => {
      const isResult = event.requestId === end.requestId && event.event === 'RESULT_PRODUCED';
      if (isResult) return { ...event, status: 503, error };
      const isAnswer = event.requestId === end.requestId || event.peerRequestId === end.requestId;
      return isAnswer && event.status !== undefined ? { ...event, status: 503 } : event;
    });
  const found = (list: readonly Event[]): string =>
    check(list, spec)
      .departures.map(({ kind, message }) => `${kind}: ${message}`)
      .join('\n');
  const endOf = (status: number): Event =>
    events.find(
      (event) => event.service === 'data' && event.event === 'RESPONSE_SENT' && event.status === status,
    ) as Event;

  t.regex(found(refused(endOf(200), events)), /missing-decision: data turned a call away/);
  const send = endOf(202);
  const received = events.find(({ requestId, event }) => requestId === send.requestId && event === 'REQUEST_RECEIVED');
  const result = { event: 'RESULT_PRODUCED', status: 503, error } as const;
  t.regex(
    found(refused(send, withEvent(events, received as Event, result))),
    /undue-decision: a send was refused with 0/,
  );
});
