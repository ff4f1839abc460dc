import { childPlace, formatHash, type Hash, hashText } from '../../../model/draw';
import type { DecisionKind, Event } from '../../../model/event';
import type { Limit } from '../../../model/resilience';
import { stepsWithin } from '../../../model/resolve';
import type { SlicedService } from '../../../model/slice';
import type { Endpoint, Outgoing } from '../../../model/topology';
import { explain, type Findings } from '../departure';
import { callKey, type SpanRecord } from '../span-record';
import type { Report } from './span-report';

/** A timer of whole milliseconds may fire almost one early. */
const TIMER_SLACK_MS = 2;

/** The setting that a decision rests on; undefined where the topology states none. */
type Setting = (step: Outgoing | undefined, endpoint: Endpoint, service: SlicedService) => object | undefined;

const SETTINGS: Readonly<Record<DecisionKind, { readonly name: string; readonly of: Setting }>> = {
  BREAKER_OPENED: { name: 'a breaker', of: (step) => step?.breaker },
  BREAKER_HALF_OPENED: { name: 'a breaker', of: (step) => step?.breaker },
  BREAKER_CLOSED: { name: 'a breaker', of: (step) => step?.breaker },
  RETRY_BUDGET_EXHAUSTED: { name: 'a retry budget', of: (step) => step?.retries.budget },
  FALLBACK_USED: { name: 'a fallback', of: (step) => step?.fallback },
  HEDGE_SENT: { name: 'a hedge', of: (step) => step?.hedge },
  REQUEST_SHED: { name: 'a limit', of: (_step, endpoint, service) => endpoint.concurrency ?? service.concurrency },
};

/**
 * Each decision has a policy, its settings for figures, and its place in the request's course. What it depends on beyond
 * that is the state of a process: `policies` replays it.
 */
export function checkDecisions(
  span: SpanRecord,
  endpoint: Endpoint,
  service: SlicedService,
  place: Hash,
  findings: Findings,
  report: Report,
): void {
  for (const event of span.decisions) {
    const { name, of } = SETTINGS[event.event as DecisionKind];
    const { step: id = null, callee = 'none', repetition = 0, attempt = 1 } = event;
    const step = stepOf(event, endpoint);
    const at = id === null ? `${span.service} ${endpoint.key}` : `${id} of ${span.service} ${endpoint.key}`;
    if (!of(step, endpoint, service)) {
      const text = `${event.event} at ${at}, which states no such policy`;
      report('extra-decision', id, `${name} of ${at}`, event.event, text);
      continue;
    }
    explain(findings, event.event);
    checkSettings(event, step, endpoint.concurrency ?? service.concurrency, at, report);
    checkMoment(span, event, at, report);
    if (!step) continue;
    const [rightCallee, rightPlace] = [
      `${step.service} ${step.endpoint}`,
      formatHash(childPlace(place, hashText(step.id), repetition, attempt)),
    ];
    const early = elapsedMs(span, event);
    if (event.event === 'HEDGE_SENT' && step.hedge && early < step.hedge.afterMs - TIMER_SLACK_MS) {
      const text = `${at} sent a hedge before ${step.hedge.afterMs} ms had passed`;
      report('too-fast', id, `${step.hedge.afterMs} ms`, `${early} ms`, text);
    }
    if (callee !== rightCallee)
      report('wrong-callee', id, rightCallee, callee, `${event.event} at ${at} names ${callee}`);
    if (event.callPlace !== rightPlace) {
      const text = `${event.event} at ${at} carries a place that does not follow from the caller's`;
      report('wrong-place', id, rightPlace, event.callPlace ?? 'none', text);
    }
  }
}

function checkSettings(
  { event, decision = {}, step: id }: Event,
  step: Outgoing | undefined,
  concurrency: Limit | undefined,
  at: string,
  report: Report,
): void {
  const settings = event === 'REQUEST_SHED' ? concurrency : event === 'HEDGE_SENT' ? step?.hedge : undefined;
  for (const [name, expected] of Object.entries(settings ?? {})) {
    const actual = decision[name as keyof typeof decision];
    if (actual === expected) continue;
    const text = `${event} at ${at} names ${name} ${actual}, and the topology ${expected}`;
    report('undue-decision', id ?? null, `${name} ${expected}`, `${name} ${actual}`, text);
  }
}

/** Decided before an attempt; what is not decided before one is decided after it. */
const BEFORE: ReadonlySet<string> = new Set(['BREAKER_HALF_OPENED', 'HEDGE_SENT']);

/** Between the receipt and the result, before or after the attempt that it is about. */
function checkMoment(span: SpanRecord, event: Event, at: string, report: Report): void {
  const { received, result, calls } = span;
  const { step, repetition = 0, attempt: number = 1, seq } = event;
  let [from, to] = [received?.seq ?? 0, result?.seq ?? Number.POSITIVE_INFINITY];
  const call = step === undefined ? undefined : calls.get(callKey(step, repetition));
  const connections = call?.attempts.find(({ attempt }) => attempt === number)?.connections ?? [];
  for (const { sent, outcome } of connections) {
    if (BEFORE.has(event.event)) to = Math.min(to, (sent ?? outcome)?.seq ?? to);
    else from = Math.max(from, outcome?.seq ?? from);
  }
  if (seq > from && seq < to) return;
  const text = `${event.event} at ${at} stands where it can't have been decided`;
  report('reordered', step ?? null, `between events ${from} and ${to}`, `event ${seq}`, text);
}

/** Since the span's receipt; infinite where that is lost. */
function elapsedMs({ received }: SpanRecord, { monotonicUs }: Event): number {
  return received ? (monotonicUs - received.monotonicUs) / 1_000 : Number.POSITIVE_INFINITY;
}

const steps = new WeakMap<Endpoint, Map<string, Outgoing>>();

function stepOf({ step }: Event, endpoint: Endpoint): Outgoing | undefined {
  let known = steps.get(endpoint);
  if (!known) {
    known = new Map();
    for (const each of stepsWithin(endpoint.steps)) {
      if (each.kind === 'call' || each.kind === 'send') known.set(each.id, each);
    }
    steps.set(endpoint, known);
  }
  return step === undefined ? undefined : known.get(step);
}
