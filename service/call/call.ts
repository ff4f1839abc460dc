import { backoffMs, endsCall, mayRetry } from '../../lib/model/decisions';
import { decisionField } from '../../lib/model/event-line';
import type { OutgoingInstruction } from '../program';
import type { RetryBudget } from '../resilience/retry-budget';
import { leftMs } from '../span';
import { failedResponse, NOTHING, type Outcome } from '../steps/outcome';
import { type Attempt, type Call, type FailedAttempt, fieldsOf, notStarted } from './attempt';
import { tryGuarded, tryHedged } from './guarded-call';
import { makeAttempt } from './make-attempt';

/** One repetition of a call or send: its attempts, until one succeeds or no further one may be made. */
export async function callOnce(call: Call): Promise<Outcome> {
  const { instruction, span, repetition } = call;
  const { step, kind, guards } = instruction;
  guards?.budget?.called(performance.now());
  /** A hedge has a number among the attempts, and is no try of its own. */
  let hedges = 0;
  for (let attempt = 1; ; attempt++) {
    let result: Attempt;
    if (!guards) result = await makeAttempt(call, attempt);
    else if (guards.hedge && attempt === 1) {
      const pair = await tryHedged(guards, guards.hedge, call);
      result = pair.result;
      if (pair.hedged) hedges = 1;
      attempt += hedges;
    } else result = await tryGuarded(guards, call, attempt);
    const tries = attempt - hedges;
    if (result.ok) return kind === 'send' ? NOTHING : { responses: result.text, failure: undefined };
    if (
      endsCall(result.kind) ||
      !mayRetry(step, tries, result.status) ||
      (guards?.budget && !mayAdd(guards.budget, call, attempt))
    ) {
      if (guards?.fallback === undefined || result.kind === 'DEADLINE') return failed(instruction, result);
      return fallBack(guards.fallback, call, attempt);
    }
    const wait = backoffMs(step, span.draws, repetition, tries);
    // Waiting only to find the deadline passed helps nobody: the attempt then says at once that it can't start.
    if (wait < leftMs(span)) await new Promise((resolve) => setTimeout(resolve, wait));
    else {
      const fields = fieldsOf(call, attempt + 1);
      return failed(instruction, notStarted(call, fields, 'DEADLINE', 'no time is left for another attempt'));
    }
  }
}

/** Whether the budget leaves another attempt; logs that it does not, with the attempt that is not repeated. */
function mayAdd(budget: RetryBudget, call: Call, attempt: number): boolean {
  const { instruction, span, caller } = call;
  const now = performance.now();
  if (budget.withdraw(now)) return true;
  const decision = decisionField({ callee: instruction.step.service, ...budget.counts(now) });
  caller.log.event(span.log, 'RETRY_BUDGET_EXHAUSTED', fieldsOf(call, attempt) + decision);
  return false;
}

function fallBack(responses: string, call: Call, attempt: number): Outcome {
  const decision = decisionField({ bytes: Buffer.byteLength(responses) });
  call.caller.log.event(call.span.log, 'FALLBACK_USED', fieldsOf(call, attempt) + decision);
  return { responses, failure: undefined };
}

function failed({ step, kind: stepKind }: OutgoingInstruction, { kind, message }: FailedAttempt): Outcome {
  const responses = stepKind === 'send' ? '' : failedResponse(step.service, kind, message);
  return {
    responses,
    // An optional call is tolerated; that no time is left for the request itself is not.
    failure:
      step.optional && kind !== 'DEADLINE' ? undefined : { kind, step: step.id, message: `${step.id}: ${message}` },
  };
}
