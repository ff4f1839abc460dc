import type { Topologies } from '../conformance/topologies';
import { extraOf, KIND, kindOf, wallMillis } from '../events/event-record';
import { eachRecord } from '../events/event-store';
import type { Call, Span, SpanDecision } from '../flow';
import type { Run } from '../read-run';
import { breakerOpenings, breakersOf, type Opening } from './breaker-openings';
import type { Exposures } from './exposure';
import type { Injection, PolicyCause } from './injections';
import { type Judgement, judgeOpenings } from './judge-openings';

/** What policies decided in a span, where that goes back to injections or may do so. */
export type PolicyCauses = (span: Span) => readonly Injection[];

/** So long a queue or a budget may remember what befell it. */
const REMEMBERED_MS = 60_000;

/** Looks through a run for what opened breakers, and when anything was injected at all. */
export function policyCauses(run: Run, topologies: Topologies, exposures: Exposures): PolicyCauses {
  const breakerOf = breakersOf(topologies);
  const openings = breakerOpenings(run, breakerOf);
  const traces = new Set(openings.flatMap(({ failures }) => failures.map(({ traceId }) => traceId)));
  const flows = traces.size > 0 ? run.flows(traces) : [];
  const open = openTimes(run, openings, judgeOpenings(openings, flows, topologies, exposures));
  const injectedBefore = injectionTimes(run);

  const causeOf = (
    span: Span,
    kind: PolicyCause['decision'],
    wallMs: number,
    step: string | null,
  ): PolicyCause | null => {
    if (kind === 'BREAKER_OPEN') {
      const judged = open(
        span,
        breakerOf(span.service, span.epoch ?? 0, span.endpoint ?? '', step ?? '')?.breaker,
        wallMs,
      );
      return judged.because === 'natural' ? null : { decision: kind, ...judged, because: judged.because };
    }
    if (!injectedBefore(wallMs)) return null;
    const reason = 'faults were injected before, and what filled it is not known';
    return { decision: kind, because: 'unknown', injections: [], reason };
  };

  return (span) => {
    if (!mayHold(span)) return [];
    const startMs = Date.parse(span.startTime) - span.offsetMs;
    const found: Injection[] = [];
    const add = (decision: PolicyCause['decision'], at: Call | SpanDecision, decides: boolean): void => {
      const cause = causeOf(span, decision, startMs + at.offsetMs, at.step);
      if (!cause) return;
      const { step, repetition, attempt, offsetMs } = at;
      const onCall = step !== null && { at: 'call' as const, step, repetition: repetition ?? 0, attempt: attempt ?? 1 };
      const name = `${span.requestId}!${found.length + 1}`;
      const fault = { offsetMs, ...onCall };
      found.push({ name, fault, span, atMs: offsetMs - span.offsetMs, waitMs: 0, decides, policy: cause });
    };
    for (const call of span.calls) {
      const { kind } = call.error ?? {};
      if (kind === 'BREAKER_OPEN' || kind === 'BULKHEAD_FULL') add(kind, call, true);
    }
    for (const decision of span.decisions) {
      const { event } = decision;
      if (event === 'REQUEST_SHED' || event === 'RETRY_BUDGET_EXHAUSTED')
        add(event, decision, event === 'REQUEST_SHED');
    }
    return found;
  };
}

/** Most spans have nothing to look at. */
function mayHold({ calls, decisions }: Span): boolean {
  return decisions.length > 0 || calls.some(({ error }) => error !== null);
}

const NOT_FOUND: Judgement = { because: 'unknown', injections: [], reason: 'when it opened is in no log' };

/** Which opening a rejection met: the last one of that breaker in its process. */
function openTimes(
  { events: { processes } }: Run,
  openings: readonly Opening[],
  judged: ReadonlyMap<Opening, Judgement>,
): (span: Span, breaker: string | undefined, wallMs: number) => Judgement {
  const byBreaker = new Map<string, Opening[]>();
  for (const opening of openings) {
    const key = `${processes[opening.origin]?.process} ${opening.breaker}`;
    const own = byBreaker.get(key);
    if (own) own.push(opening);
    else byBreaker.set(key, [opening]);
  }
  return ({ process }, breaker, wallMs) => {
    const own = byBreaker.get(`${process} ${breaker}`) ?? [];
    // Wall clocks are whole milliseconds.
    const opening = own.findLast((each) => each.wallMs <= wallMs + 1);
    return (opening && judged.get(opening)) ?? NOT_FOUND;
  };
}

/** Whether anything was injected in the minute before. */
function injectionTimes({ events: { store, processes } }: Run): (wallMs: number) => boolean {
  const times: number[] = [];
  for (const { faults } of processes) {
    for (const { fault, timestamp } of faults) {
      if (fault?.refused === undefined) times.push(Date.parse(timestamp), Date.parse(timestamp) + lastsMs(fault?.args));
    }
  }
  for (let part = 0; part < store.parts; part++) {
    const words = store.part(part);
    eachRecord(words, (record) => {
      if (kindOf(words[record] as number) !== KIND.FAULT_INJECTED) return;
      const { fault } = extraOf(words, record);
      if (fault?.refused !== undefined) return;
      const at = wallMillis(words, record);
      const lasts = lastsMs(fault?.args);
      times.push(at, ...(lasts > 0 ? [at + lasts] : []));
    });
  }
  const sorted = Float64Array.from(times).sort();
  return (wallMs) => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sorted[middle] as number) <= wallMs + 1) low = middle + 1;
      else high = middle;
    }
    return low > 0 && (sorted[low - 1] as number) >= wallMs - REMEMBERED_MS;
  };
}

function lastsMs(args: Readonly<Record<string, number | string>> | undefined): number {
  return Number(args?.duration) || 0;
}
