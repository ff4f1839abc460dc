import { faultArgs, faultHappens } from '../../../lib/model/decisions';
import type { DrawContext } from '../../../lib/model/draw';
import type { EventError, InjectedFault } from '../../../lib/model/event';
import { concerns, facedFaults } from '../../../lib/model/faced-faults';
import type { FaultRule } from '../../../lib/model/fault';
import type { Ended, Span, World } from './world';

/** The service's faults at one point of a request. */
export function strikeAt(position: 'before' | 'after', span: Span, at: number, world: World): Ended {
  const { faults } = world.topology.services[span.process.service] ?? { faults: [] };
  const rules = faults.filter((rule) => rule.at === position && concerns(rule, span.endpoint.key));
  return strike(rules, span, at, world);
}

/**
 * Latencies and errors; an event takes ten microseconds, as elsewhere.
 *
 * @param step among whose endpoint's steps they stand
 */
export function strike(rules: readonly FaultRule[], span: Span, startAt: number, world: World, step?: string): Ended {
  let at = startAt;
  for (const [rule, fault] of faced(rules, span.draws, step)) {
    world.emit(span, at, { event: 'FAULT_INJECTED', fault, ...(step !== undefined && { step }) });
    if (fault.type === 'error') {
      const status = Number(fault.args.status);
      return { at: at + 0.01, failure: { status, error: { kind: 'FAULT', message: rule.id } } };
    }
    at += Math.round(Number(fault.args.delay));
    if (at >= span.deadlineAt) {
      const error: EventError = { kind: 'DEADLINE', message: `${rule.id}: the deadline passed` };
      return { at: Math.max(startAt, span.deadlineAt), failure: { status: 504, error } };
    }
  }
  return { at };
}

/** Those that are carried out, with their arguments drawn. */
export function faced(
  rules: readonly FaultRule[],
  draws: DrawContext,
  step?: string,
): readonly (readonly [rule: FaultRule, fault: InjectedFault])[] {
  const struck = facedFaults(rules.filter((rule) => faultHappens(rule, draws)));
  return struck.map((rule) => [rule, injected(rule, faultArgs(rule.fault, rule, draws), step)]);
}

function injected({ id, fault, at, source }: FaultRule, args: InjectedFault['args'], step?: string): InjectedFault {
  if (fault.type !== 'latency' && fault.type !== 'error') throw new Error(`${fault.type} is not simulated`);
  return { id, type: fault.type, source, at, args, ...(step !== undefined && { step }) };
}
