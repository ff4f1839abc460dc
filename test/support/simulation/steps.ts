import { chosenBranch, happens, repetitions, work } from '../../../lib/model/decisions';
import type { Step } from '../../../lib/model/topology';
import { callOnce } from './call';
import { strike } from './strike';
import type { Ended, Span, World } from './world';

/** One step after the other, to the first failure. */
export function runSequence(steps: readonly Step[], span: Span, startAt: number, world: World): Ended {
  let at = startAt;
  for (const step of steps) {
    const ended = runStep(step, span, at, world, false);
    if (ended.failure) return ended;
    at = ended.at;
  }
  return { at };
}

function runStep(step: Step, span: Span, at: number, world: World, inParallel: boolean): Ended {
  const { draws } = span;
  switch (step.kind) {
    case 'sequence':
      return runSequence(step.steps, span, at, world);
    case 'oneOf':
      return runSequence(step.branches[chosenBranch(step, draws)]?.steps ?? [], span, at, world);
    case 'parallel':
      return latest(
        at,
        step.steps.map((branch) => runStep(branch, span, at, world, true)),
      );
    case 'work': {
      const { latencyMs, cpuMs } = work(step, draws);
      const doneAt = at + cpuMs + Math.round(latencyMs);
      if (doneAt < span.deadlineAt) return { at: doneAt };
      return {
        at: Math.max(at, span.deadlineAt),
        failure: { status: 504, error: { kind: 'DEADLINE', message: `${step.id} cut short` } },
      };
    }
    case 'fault':
      return strike([{ ...step, at: 'before', source: 'topology' }], span, at, world, step.id);
    case 'call':
    case 'send': {
      if (!happens(step, draws)) return { at };
      const times = repetitions(step, draws);
      if (inParallel) {
        return latest(
          at,
          Array.from({ length: times }, (_, repetition) => callOnce(step, span, at, repetition, world)),
        );
      }
      let ended: Ended = { at };
      for (let repetition = 0; repetition < times && !ended.failure; repetition++) {
        ended = callOnce(step, span, ended.at, repetition, world);
      }
      return ended;
    }
  }
}

function latest(startAt: number, branches: readonly Ended[]): Ended {
  const at = branches.reduce((end, branch) => Math.max(end, branch.at), startAt);
  const failed = branches.filter(({ failure }) => failure);
  const failure = (failed.find(({ failure }) => failure?.status === 504) ?? failed[0])?.failure;
  return failure ? { at, failure } : { at };
}
