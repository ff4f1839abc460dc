import { concerns } from '../../../model/faced-faults';
import type { FaultRule } from '../../../model/fault';
import { stepsWithin } from '../../../model/resolve';
import type { Endpoint, Outgoing, Step } from '../../../model/topology';
import type { Attempt, SpanRecord } from '../span-record';

/** The least and the most that an attempt may be among those of its request that fit a rule, counted from 1. */
export type Rank = readonly [least: number, most: number];

/** Whether an attempt came so far that faults could strike it: an open breaker rejects it before. */
export function facedAny({ connections }: Attempt): boolean {
  return connections.some(({ sent, outcome }) => sent !== undefined || outcome?.error?.kind !== 'BREAKER_OPEN');
}

/**
 * Which of the attempts that a rule counts this one is. A node counts each as it begins. Of calls that run side by side
 * the log does not tell which began first, so that each of them could have been before the other.
 */
export function attemptRank(
  rule: FaultRule,
  { span, endpoint }: { readonly span: SpanRecord; readonly endpoint: Endpoint },
  step: Outgoing,
  repetition: number,
  { attempt }: Attempt,
): Rank {
  const [steps, aside] = outgoingOf(endpoint);
  const own = { step: step.id, repetition, attempt };
  let before = 0;
  let either = 0;
  for (const call of span.calls.values()) {
    const other = steps.get(call.step);
    if (!other || !concerns(rule, endpoint.key, other)) continue;
    const isOwn = call.step === own.step && call.repetition === own.repetition;
    for (const each of call.attempts) {
      if (!facedAny(each) || (isOwn && each.attempt === attempt)) continue;
      if (isOwn) before += each.attempt < attempt ? 1 : 0;
      else if (aside.has(call.step) && aside.has(own.step)) either += 1;
      else if (call.firstSeq < firstSeqOf(span, own)) before += 1;
    }
  }
  return [before + 1, before + either + 1];
}

function firstSeqOf(span: SpanRecord, { step, repetition }: { step: string; repetition: number }): number {
  for (const call of span.calls.values())
    if (call.step === step && call.repetition === repetition) return call.firstSeq;
  return Number.POSITIVE_INFINITY;
}

type OutgoingSteps = readonly [steps: ReadonlyMap<string, Outgoing>, aside: ReadonlySet<string>];

const known = new WeakMap<Endpoint, OutgoingSteps>();

/** An endpoint's calls and sends by id, and those of them that stand in a parallel group. */
function outgoingOf(endpoint: Endpoint): OutgoingSteps {
  let found = known.get(endpoint);
  if (!found) {
    const steps = new Map<string, Outgoing>();
    const aside = new Set<string>();
    for (const step of stepsWithin(endpoint.steps)) {
      if (isOutgoing(step)) steps.set(step.id, step);
      if (step.kind !== 'parallel') continue;
      for (const inner of stepsWithin(step.steps)) aside.add(inner.id);
    }
    found = [steps, aside];
    known.set(endpoint, found);
  }
  return found;
}

function isOutgoing(step: Step): step is Extract<Step, Outgoing> {
  return step.kind === 'call' || step.kind === 'send';
}
