import { backoffMs, endsCall, mayRetry } from '../../../model/decisions';
import { explain } from '../departure';
import { type Attempt, type CallRecord, callKey } from '../span-record';
import { type AttemptOutcome, checkAddress, outcomeOf, reportExtraRetry } from './attempt-outcome';
import { decided } from './decided';
import { faceAttempt } from './face-faults';
import { type Hedges, hedgesOf, outcomeOfPair } from './hedge';
import { type Ended, leastMs, type OutgoingStep, reportReordered, type Walk } from './walk';

/** One repetition of a call or send, with all its attempts. */
export function walkCall(walk: Walk, step: OutgoingStep, repetition: number): Ended {
  const { span, outOfTime, uncertain, report } = walk;
  const call = span.calls.get(callKey(step.id, repetition));
  const title = `${step.kind} of ${step.service} ${step.endpoint}${repetition > 0 ? `, repetition ${repetition}` : ''}`;
  if (!call) {
    if (outOfTime) return { how: 'deadline', seqs: null, minimumMs: 0 };
    if (!uncertain) report('missing-call', step.id, title, 'nothing', `the ${title} was drawn and not made`);
    return { how: 'unknown', seqs: null, minimumMs: 0 };
  }
  walk.calls.add(call);
  const { how, due, minimumMs } = walkAttempts(walk, step, call, hedgesOf(walk, step, call, title));
  const seqs = [call.firstSeq, call.lastSeq] as const;
  if (how !== undefined) return { how, seqs, minimumMs };
  if (outOfTime) return { how: step.optional ? 'well' : 'deadline', seqs, minimumMs };
  if (!uncertain) {
    const text = `attempt ${due - 1} of the ${title} failed, may be retried, and was not`;
    report('missing-retry', step.id, `attempt ${due}`, `${due - 1} attempts`, text);
  }
  return { how: 'unknown', seqs, minimumMs };
}

interface Attempts {
  /** Undefined where another attempt is due. */
  readonly how: Ended['how'] | undefined;
  /** Number of the attempt that is due next; infinite where none is. */
  readonly due: number;
  readonly minimumMs: number;
}

/** The attempts one after the other, each only where the one before it asks for another. */
function walkAttempts(walk: Walk, step: OutgoingStep, call: CallRecord, hedges: Hedges): Attempts {
  const { repetition } = call;
  let minimumMs = 0;
  let how: Ended['how'] | undefined;
  let due = 1;
  let lastSeq = -1;
  for (const made of call.attempts) {
    if (made === hedges.attempt) continue;
    if (made.attempt !== due) {
      if (made.attempt > due && how === undefined) break;
      reportExtraRetry(walk, step, made.attempt, 'no further attempt was due');
      continue;
    }
    const [firstSeq, ownLast] = seqsOf(made);
    if (firstSeq <= lastSeq) reportReordered(walk, step, lastSeq, firstSeq);
    const hedge = due === 1 ? hedges.attempt : undefined;
    lastSeq = hedge ? Math.max(ownLast, seqsOf(hedge)[1]) : ownLast;

    checkAddress(walk, step, repetition, made);
    const faced = faceAttempt(walk, step, repetition, made);
    if (faced && !hedge && !walk.outOfTime)
      minimumMs += leastMs(Math.min(faced.delayMs, step.timeoutMs ?? Number.POSITIVE_INFINITY));
    const own = outcomeOf(walk, step, made, faced);
    const outcome = hedge ? outcomeOfPair(walk, step, repetition, own, hedge) : own;
    if (outcome === 'unknown') return { how: 'unknown', due, minimumMs };
    const number = due === 1 ? 1 + hedges.count : due;
    const next = afterAttempt(walk, step, call, outcome, number, number - hedges.count);
    ({ how, due } = next);
    minimumMs += next.minimumMs;
  }
  return { how, due, minimumMs };
}

const ENDED = Number.POSITIVE_INFINITY;

/**
 * What follows an attempt, or an attempt and its hedge: the call has ended, or another attempt is due.
 *
 * @param number of the last attempt so far
 * @param tries attempts so far, hedges not counted
 */
function afterAttempt(
  walk: Walk,
  step: OutgoingStep,
  call: CallRecord,
  outcome: Exclude<AttemptOutcome, 'unknown'>,
  number: number,
  tries: number,
): Attempts {
  const { span, findings, draws, report } = walk;
  const { repetition } = call;
  if (outcome === 'well') {
    if (decided(span, 'FALLBACK_USED', step, repetition, number)) {
      const text = `${step.id} was answered, and its fallback used all the same`;
      report('extra-decision', step.id, 'no fallback', 'FALLBACK_USED', text);
    }
    return { how: 'well', due: ENDED, minimumMs: 0 };
  }
  if (outcome.outOfTime) return { how: step.optional ? 'well' : 'deadline', due: ENDED, minimumMs: 0 };
  const denied = decided(span, 'RETRY_BUDGET_EXHAUSTED', step, repetition, number);
  if (!endsCall(outcome.kind) && mayRetry(step, tries, outcome.status) && !denied) {
    const next = call.attempts.find(({ attempt }) => attempt === number + 1);
    if (next) explain(findings, 'retry');
    const waited = next && next.connections[0]?.outcome?.error?.kind !== 'DEADLINE';
    const minimumMs = waited ? leastMs(backoffMs(step, draws, repetition, tries)) : 0;
    return { how: undefined, due: number + 1, minimumMs };
  }
  if (step.optional) explain(findings, 'optional call failed');
  const how = step.optional ? 'well' : afterFailure(walk, step, repetition, number);
  return { how, due: ENDED, minimumMs: 0 };
}

/** What a required call that failed with this attempt came to: a fallback may have answered it. */
function afterFailure(
  { span, uncertain, report }: Walk,
  step: OutgoingStep,
  repetition: number,
  attempt: number,
): Ended['how'] {
  if (decided(span, 'FALLBACK_USED', step, repetition, attempt)) return 'well';
  if (!step.fallback) return 'failed';
  if (uncertain) return 'unknown';
  const text = `${step.id} failed with attempt ${attempt}, and its fallback was not used`;
  report('missing-decision', step.id, 'FALLBACK_USED', 'none', text);
  return 'failed';
}

function seqsOf({ connections }: Attempt): readonly [first: number, last: number] {
  const seqs = connections.flatMap(({ sent, outcome }) =>
    [sent, outcome].flatMap((event) => (event ? [event.seq] : [])),
  );
  return [Math.min(...seqs), Math.max(...seqs)];
}
