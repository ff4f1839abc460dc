import { happens, repetitions } from '../../../model/decisions';
import { stepsWithin } from '../../../model/resolve';
import type { CallRecord } from '../span-record';
import type { FaultEnd } from './check-faults';
import { faceRules } from './face-faults';
import type { Ended, StepsContext, Walk } from './walk';
import { walkSequence } from './walk-steps';

/** What the steps imply for the request's own answer. */
export interface StepsVerdict {
  readonly how: Ended['how'];
  readonly end: FaultEnd | undefined;
  readonly minimumMs: number;
}

/**
 * Walks an endpoint's steps as a node does, with the draws repeated and every logged outcome taken as given, and reports
 * each call and fault that should be there and is not, that is there and should not be, or that is not as it should be.
 */
export function checkSteps(context: StepsContext): StepsVerdict {
  const walk: Walk = { ...context, calls: new Set(), faults: new Set() };
  const { how, end, minimumMs } = walkRequest(walk);
  for (const call of walk.span.calls.values()) if (!walk.calls.has(call)) reportExtraCall(walk, call, how);
  reportExtraFaults(walk, how);
  return { how, end, minimumMs };
}

/** A fault before the work, or the deadline in one, leaves the steps out; one after it may decide another answer. */
function walkRequest(walk: Walk): Ended {
  const before = faceRules(walk, 'before', true);
  if (before.how !== 'well') return before;
  const steps = walkSequence(walk, walk.endpoint.steps);
  if (steps.how === 'fault') return steps;
  const after = faceRules(walk, 'after', steps.how === 'well' || steps.how === 'failed');
  const minimumMs = before.minimumMs + steps.minimumMs + after.minimumMs;
  return after.how === 'well' ? { ...steps, minimumMs } : { ...after, minimumMs };
}

/** Says why a call that no walk of the steps asked for should not be. */
function reportExtraCall({ endpoint, draws, uncertain, report }: Walk, call: CallRecord, ended: Ended['how']): void {
  const { step: id, repetition } = call;
  const callee = call.attempts[0]?.connections[0]?.sent?.callee ?? call.attempts[0]?.connections[0]?.outcome?.callee;
  const actual = `${callee ?? 'a call'} by ${id}, repetition ${repetition}`;
  const step = [...stepsWithin(endpoint.steps)].find((candidate) => candidate.id === id);
  const extra = (expected: string, why: string) => report('extra-call', id, expected, actual, `${actual}: ${why}`);
  if (!step || (step.kind !== 'call' && step.kind !== 'send')) {
    extra('no such step', `${endpoint.key} has no such step`);
  } else if (!happens(step, draws)) {
    extra('no call', `its probability of ${step.probability} was drawn against it`);
  } else if (repetition >= repetitions(step, draws)) {
    extra(`${repetitions(step, draws)} repetitions`, 'it was made more often than drawn');
  } else if (ended === 'unknown' || uncertain) {
    // Whether the walk should have come here depends on what is not known.
  } else extra('no call', 'the steps ended before it, or took another branch');
}

function reportExtraFaults({ span, faults, uncertain, overlayKnown, report }: Walk, ended: Ended['how']): void {
  for (const event of span.faults) {
    const { fault, step = null, seq } = event;
    if (faults.has(event) || uncertain || ended === 'unknown' || !fault) continue;
    if (fault.source === 'overlay' && !overlayKnown) continue;
    const text = `${fault.id} struck at ${span.service} (event ${seq}), where its endpoint never came`;
    report('extra-fault', step, 'no such fault', fault.id, text);
  }
}
