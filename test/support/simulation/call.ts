import { backoffMs, mayRetry } from '../../../lib/model/decisions';

import type { EventError } from '../../../lib/model/event';
import type { CallStep, SendStep } from '../../../lib/model/topology';
import { type AttemptNumber, attemptCall, attemptFields } from './attempt';
import { hedged } from './hedged';
import type { AttemptOutcome, Ended, Span, World } from './world';

type Outgoing = CallStep | SendStep;

/** All attempts of one repetition. */
export function callOnce(step: Outgoing, span: Span, startAt: number, repetition: number, world: World): Ended {
  let at = startAt;
  let hedges = 0;
  for (let attempt = 1; ; attempt++) {
    let outcome: AttemptOutcome;
    if (attempt === 1 && step.hedge) {
      const pair = hedged(step, span, at, repetition, step.hedge.afterMs, world);
      outcome = pair.outcome;
      if (pair.hedged) hedges = 1;
      attempt += hedges;
    } else outcome = attemptCall(step, span, at, { repetition, attempt }, world);
    const tries = attempt - hedges;
    at = outcome.at;
    if (outcome.status !== undefined && outcome.status < 400) return { at };
    if (outcome.kind === 'DEADLINE' || outcome.kind === 'BREAKER_OPEN' || !mayRetry(step, tries, outcome.status)) {
      return failed(step, span, outcome, { repetition, attempt }, world);
    }
    at = Math.min(at + backoffMs(step, span.draws, repetition, tries), Math.max(at, span.deadlineAt));
  }
}

/** What a call comes to whose last attempt failed. */
function failed(
  step: Outgoing,
  span: Span,
  { at, kind, status }: AttemptOutcome,
  last: AttemptNumber,
  world: World,
): Ended {
  const deadline = kind === 'DEADLINE';
  if (step.kind === 'call' && step.fallback && !deadline) {
    world.emit(span, at, { event: 'FALLBACK_USED', ...attemptFields(step, span, last), decision: { bytes: 1 } });
    return { at: at + 0.01 };
  }
  if (step.optional) return { at };
  const error: EventError = { kind: deadline ? 'DEADLINE' : 'STEP_FAILED', message: `${step.id}: ${kind ?? status}` };
  return { at, failure: { status: deadline ? 504 : 502, error } };
}
