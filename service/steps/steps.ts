import { chosenBranch, happens, repetitions } from '../../lib/model/decisions';
import type { Caller } from '../call/attempt';
import { callOnce } from '../call/call';
import type { Instruction, OutgoingInstruction } from '../program';
import type { Span } from '../span';
import { combineOutcomes, joinResponses, NOTHING, type Outcome } from './outcome';
import { doWork } from './work';

/** Runs the steps one after the other; ends at the first failure of a required one. */
export async function runSequence(steps: readonly Instruction[], span: Span, caller: Caller): Promise<Outcome> {
  const [only] = steps;
  if (only === undefined) return NOTHING;
  if (steps.length === 1) return runStep(only, span, caller, false);
  let responses = '';
  for (const step of steps) {
    const outcome = await runStep(step, span, caller, false);
    responses = joinResponses(responses, outcome.responses);
    if (outcome.failure) return { responses, failure: outcome.failure };
  }
  return { responses, failure: undefined };
}

/** Starts the steps together; ends when all have, also when one fails. */
async function runParallel(steps: readonly Instruction[], span: Span, caller: Caller): Promise<Outcome> {
  return combineOutcomes(await Promise.all(steps.map((step) => runStep(step, span, caller, true))));
}

/** @param sideBySide whether it stands directly in a parallel group, where its repetitions run together */
function runStep(
  instruction: Instruction,
  span: Span,
  caller: Caller,
  sideBySide: boolean,
): Promise<Outcome> | Outcome {
  switch (instruction.kind) {
    case 'call':
    case 'send':
      return runOutgoing(instruction, span, caller, sideBySide);
    case 'parallel':
      return runParallel(instruction.steps, span, caller);
    case 'sequence':
      return runSequence(instruction.steps, span, caller);
    case 'oneOf': {
      const branch = instruction.branches[chosenBranch(instruction.step, span.draws)] ?? [];
      return runSequence(branch, span, caller);
    }
    case 'work':
      return doWork(instruction.step, span);
    case 'fault':
      return caller.faults.runStep(instruction.step, span);
  }
}

function runOutgoing(
  instruction: OutgoingInstruction,
  span: Span,
  caller: Caller,
  sideBySide: boolean,
): Promise<Outcome> | Outcome {
  const { step } = instruction;
  if (!happens(step, span.draws)) return NOTHING;
  const count = repetitions(step, span.draws);
  if (count <= 0) return NOTHING;
  if (count === 1) return callOnce({ instruction, span, caller, repetition: 0 });
  if (sideBySide) {
    const all = Array.from({ length: count }, (_, repetition) => callOnce({ instruction, span, caller, repetition }));
    return Promise.all(all).then(combineOutcomes);
  }
  return repeatInTurn(instruction, span, caller, count);
}

async function repeatInTurn(
  instruction: OutgoingInstruction,
  span: Span,
  caller: Caller,
  count: number,
): Promise<Outcome> {
  let responses = '';
  for (let repetition = 0; repetition < count; repetition++) {
    const outcome = await callOnce({ instruction, span, caller, repetition });
    responses = joinResponses(responses, outcome.responses);
    if (outcome.failure) return { responses, failure: outcome.failure };
  }
  return { responses, failure: undefined };
}
