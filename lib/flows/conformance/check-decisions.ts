import type { DecisionKind, Event } from '../../model/event';
import { stepsWithin } from '../../model/resolve';
import type { SlicedService } from '../../model/slice';
import type { Endpoint, Outgoing } from '../../model/topology';
import { type DepartureKind, explain, type Findings } from './departure';
import type { SpanRecord } from './span-record';

type Report = (kind: DepartureKind, step: string | null, expected: string, actual: string, message: string) => void;

/** The setting that a decision rests on; undefined where the topology states none. */
type Setting = (step: Outgoing | undefined, endpoint: Endpoint, service: SlicedService) => object | undefined;

const SETTINGS: Readonly<Record<DecisionKind, { readonly name: string; readonly of: Setting }>> = {
  BREAKER_OPENED: { name: 'a breaker', of: (step) => step?.breaker },
  BREAKER_HALF_OPENED: { name: 'a breaker', of: (step) => step?.breaker },
  BREAKER_CLOSED: { name: 'a breaker', of: (step) => step?.breaker },
  RETRY_BUDGET_EXHAUSTED: { name: 'a retry budget', of: (step) => step?.retries.budget },
  REQUEST_SHED: { name: 'a limit', of: (_step, endpoint, service) => endpoint.concurrency ?? service.concurrency },
};

/** What policies decided depends on state that no log of one request shows: it is taken as given where such a policy stands. */
export function checkDecisions(
  span: SpanRecord,
  endpoint: Endpoint,
  service: SlicedService,
  findings: Findings,
  report: Report,
): void {
  for (const event of span.decisions) {
    const { name, of } = SETTINGS[event.event as DecisionKind];
    const { step: id = null } = event;
    if (of(stepOf(event, endpoint), endpoint, service)) explain(findings, event.event);
    else {
      const at = id === null ? `${span.service} ${endpoint.key}` : `${id} of ${span.service} ${endpoint.key}`;
      report(
        'extra-decision',
        id,
        `${name} of ${at}`,
        event.event,
        `${event.event} at ${at}, which states no such policy`,
      );
    }
  }
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
