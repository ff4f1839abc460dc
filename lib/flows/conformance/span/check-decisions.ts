import { childPlace, formatHash, type Hash, hashText } from '../../../model/draw';
import type { DecisionKind, Event } from '../../../model/event';
import { stepsWithin } from '../../../model/resolve';
import type { SlicedService } from '../../../model/slice';
import type { Endpoint, Outgoing } from '../../../model/topology';
import { type DepartureKind, explain, type Findings } from '../departure';
import type { SpanRecord } from '../span-record';

/** A timer of whole milliseconds may fire almost one early. */
const TIMER_SLACK_MS = 2;

type Report = (kind: DepartureKind, step: string | null, expected: string, actual: string, message: string) => void;

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

/** What policies decided depends on state that no log of one request shows: it is taken as given where such a policy stands. */
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

/** Since the span's receipt; infinite where that is lost. */
function elapsedMs({ received }: SpanRecord, { monotonicUs }: Event): number {
  return received ? (monotonicUs - received.monotonicUs) / 1_000 : Number.POSITIVE_INFINITY;
}

export function isDecision(event: Event): boolean {
  return Object.hasOwn(SETTINGS, event.event);
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
