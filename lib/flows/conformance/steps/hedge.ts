import type { Outgoing } from '../../../model/topology';
import type { Attempt, CallRecord } from '../span-record';
import { type AttemptOutcome, checkAddress, outcomeOf } from './attempt-outcome';
import { decided } from './decided';
import { faceAttempt } from './face-faults';
import type { Walk } from './walk';

/** A hedge stands beside the first attempt, and has the next number. */
const HEDGE = 2;

/** The attempts of a call that stand beside another. */
export interface Hedges {
  /** How many of the numbers are no try. */
  readonly count: 0 | 1;
  readonly attempt: Attempt | undefined;
}

/** Whether the first attempt had a hedge beside it; where events are lost, an attempt of that number may have been one. */
export function hedgesOf({ span, uncertain, report }: Walk, step: Outgoing, call: CallRecord, title: string): Hedges {
  const attempt = call.attempts.find((each) => each.attempt === HEDGE);
  const sent = decided(span, 'HEDGE_SENT', step, call.repetition, HEDGE);
  if (!sent && !(uncertain && step.hedge !== undefined && attempt)) return { count: 0, attempt: undefined };
  if (!attempt && !uncertain) {
    report('missing-call', step.id, 'the hedge', 'none', `a hedge of the ${title} was to be sent, and was not`);
  }
  return { count: 1, attempt };
}

/** Of an attempt and the hedge beside it one good answer will do; where both fail, the attempt's own failure counts. */
export function outcomeOfPair(
  walk: Walk,
  step: Outgoing,
  repetition: number,
  own: AttemptOutcome,
  hedge: Attempt,
): AttemptOutcome {
  checkAddress(walk, step, repetition, hedge);
  const other = outcomeOf(walk, step, hedge, faceAttempt(walk, step, repetition, hedge));
  if (own === 'well' || other === 'well') return 'well';
  if (own === 'unknown' || other === 'unknown') return 'unknown';
  if ((own.kind === 'CANCELLED' || other.kind === 'CANCELLED') && !walk.uncertain) {
    const text = `an attempt of ${step.id} was called off, and none beside it was answered`;
    walk.report('extra-decision', step.id, 'an answer', 'CANCELLED', text);
  }
  return own;
}
