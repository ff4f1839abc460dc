import { responseBytes } from '../../lib/model/decisions';
import type { Caller } from '../call/attempt';
import { leftMs, type Span } from '../span';
import { type Failure, type FaultEnd, NOTHING, type Outcome } from '../steps/outcome';
import { runSequence } from '../steps/steps';
import { type AnswerError, answerBody } from './answer';

/** What a request's work came to. */
export interface Result {
  readonly status: number;
  readonly body: string;
  readonly error: AnswerError | undefined;
  /** No answer leaves. */
  readonly drop?: Drop;
}

/** A fault's end of a request without an answer. */
export type Drop = Extract<FaultEnd, { readonly drop: unknown }>;

/**
 * Does a request's work: what its errand or the steps of its endpoint say, with its faults before and after. At once where
 * there is nothing to wait for; never rejects.
 */
export type RunRequest = (span: Span) => Promise<Result> | Result;

/** @param head the beginning of every answer */
export function requestRunner(caller: Caller, head: string): RunRequest {
  const run = (span: Span): Promise<Outcome> | Outcome => {
    if (leftMs(span) <= 0) {
      const failure: Failure = { kind: 'DEADLINE', step: '', message: 'no time was left on arrival' };
      return { responses: '', failure };
    }
    if (span.errand) return span.errand.run(span);
    const { before, after } = span.route.faults;
    if (before.length + after.length > 0 || span.rules) return runAmongFaults(span);
    if (span.route.steps.length === 0) return NOTHING;
    return runSequence(span.route.steps, span, caller);
  };

  const runAmongFaults = async (span: Span): Promise<Outcome> => {
    const before = await caller.faults.applyFaults('before', span);
    if (before.failure) return before;
    const worked = await runSequence(span.route.steps, span, caller);
    // A fault among the steps, or the deadline, has ended the request; a failed step has not.
    if (worked.failure && (worked.failure.fault || worked.failure.kind === 'DEADLINE')) return worked;
    const after = await caller.faults.applyFaults('after', span);
    return after.failure ? { responses: worked.responses, failure: after.failure } : worked;
  };

  const conclude = (span: Span, { responses, failure }: Outcome): Result => {
    if (failure?.fault && 'drop' in failure.fault) return { status: 0, body: '', error: failure, drop: failure.fault };
    const status = failure ? statusOf(failure) : 200;
    const payload = failure ? 0 : responseBytes(span.route.endpoint, span.draws);
    const list = span.route.calls ? responses : undefined;
    const error: AnswerError | undefined =
      failure && failure.kind !== 'DEADLINE' && failure.kind !== 'FAULT'
        ? { ...failure, kind: 'STEP_FAILED' }
        : failure;
    if (span.errand) return { status, body: span.errand.answer(error), error };
    return { status, body: answerBody(head, span.requestId, list, payload, error), error };
  };

  return (span) => {
    const outcome = run(span);
    if (!(outcome instanceof Promise)) return conclude(span, outcome);
    return outcome.then(
      (known) => conclude(span, known),
      (thrown: Error): Result => {
        const error: AnswerError = { kind: 'INTERNAL', message: thrown.message };
        return { status: 500, body: answerBody(head, span.requestId, undefined, 0, error), error };
      },
    );
  };
}

function statusOf({ kind, fault }: Failure): number {
  if (fault && 'status' in fault) return fault.status;
  return kind === 'DEADLINE' ? 504 : 502;
}
