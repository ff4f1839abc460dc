import { chosenBranch, happens, repetitions, work } from '../../../model/decisions';
import type { Step, WorkStep } from '../../../model/topology';
import { explain } from '../departure';
import type { SpanRecord } from '../span-record';
import type { FaultEnd } from './check-faults';
import { faceStep } from './face-faults';
import { type Ended, leastMs, type OutgoingStep, reportReordered, type Walk, WELL } from './walk';
import { walkCall } from './walk-call';

/** One step after the other, up to the first that does not end well. */
export function walkSequence(walk: Walk, steps: readonly Step[]): Ended {
  let [first, last] = [-1, -1];
  let minimumMs = 0;
  for (const step of steps) {
    const ended = walkStep(walk, step, false);
    minimumMs += ended.minimumMs;
    if (ended.seqs) {
      if (last >= ended.seqs[0]) reportReordered(walk, step, last, ended.seqs[0]);
      if (first < 0) first = ended.seqs[0];
      last = Math.max(last, ended.seqs[1]);
    }
    if (ended.how !== 'well') return { ...ended, seqs: first < 0 ? null : [first, last], minimumMs };
  }
  return { how: 'well', seqs: first < 0 ? null : [first, last], minimumMs };
}

/** @param sideBySide whether it stands directly in a parallel group, where its repetitions run together */
function walkStep(walk: Walk, step: Step, sideBySide: boolean): Ended {
  switch (step.kind) {
    case 'sequence':
      return walkSequence(walk, step.steps);
    case 'parallel':
      return together(step.steps.map((branch) => walkStep(walk, branch, true)));
    case 'oneOf':
      return walkSequence(walk, step.branches[chosenBranch(step, walk.draws)]?.steps ?? []);
    case 'work':
      return walkWork(walk, step);
    case 'fault':
      return faceStep(walk, step);
    case 'call':
    case 'send': {
      if (!happens(step, walk.draws)) return WELL;
      const times = repetitions(step, walk.draws);
      if (!sideBySide) return inTurn(walk, step, times);
      return together(Array.from({ length: times }, (_, repetition) => walkCall(walk, step, repetition)));
    }
  }
}

/** In a group the deadline counts before other failures. */
const SEVERITY = { well: 0, failed: 1, fault: 2, deadline: 3, unknown: 4 } as const;

/** All of them run to their end. */
function together(branches: readonly Ended[]): Ended {
  let seqs: Ended['seqs'] = null;
  let minimumMs = 0;
  let how: Ended['how'] = 'well';
  let end: FaultEnd | undefined;
  for (const branch of branches) {
    if (branch.seqs) seqs = seqs ? [Math.min(seqs[0], branch.seqs[0]), Math.max(seqs[1], branch.seqs[1])] : branch.seqs;
    minimumMs = Math.max(minimumMs, branch.minimumMs);
    if (SEVERITY[branch.how] <= SEVERITY[how]) continue;
    how = branch.how;
    end = branch.end;
  }
  return { how, end, seqs, minimumMs };
}

/** The repetitions of a call one after the other. */
function inTurn(walk: Walk, step: OutgoingStep, times: number): Ended {
  let ended = WELL;
  for (let repetition = 0; repetition < times && ended.how === 'well'; repetition++) {
    const next = walkCall(walk, step, repetition);
    if (ended.seqs && next.seqs && next.seqs[0] <= ended.seqs[1])
      reportReordered(walk, step, ended.seqs[1], next.seqs[0]);
    const seqs: Ended['seqs'] = ended.seqs && next.seqs ? [ended.seqs[0], next.seqs[1]] : (next.seqs ?? ended.seqs);
    ended = { how: next.how, seqs, minimumMs: ended.minimumMs + next.minimumMs };
  }
  return ended;
}

function walkWork({ span, draws, outOfTime, findings }: Walk, step: WorkStep): Ended {
  if (workFailed(span, step.id)) {
    explain(findings, 'work failed');
    return { how: 'failed', seqs: null, minimumMs: 0 };
  }
  return { how: 'well', seqs: null, minimumMs: outOfTime ? 0 : leastMs(work(step, draws).latencyMs) };
}

/** A work step's own failure (a full disk) has no event of its own: the answer's error names it. */
function workFailed({ result }: SpanRecord, id: string): boolean {
  return result?.error?.kind === 'STEP_FAILED' && result.error.message.startsWith(`${id}: `);
}
