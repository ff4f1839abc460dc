import type { Fault, FaultRule, FaultType } from './fault';
import type { Outgoing } from './topology';

/** These decide an answer or an attempt: nothing comes after them. */
const DECIDING: ReadonlySet<FaultType> = new Set(['error', 'reset', 'hang', 'dns-failure', 'partition']);

/** These act on the connection that a request came by; the work of a `send` has none, and they pass it over. */
const NEEDS_CONNECTION: ReadonlySet<FaultType> = new Set(['reset', 'hang', 'slow-body', 'truncate', 'corrupt']);

export function decides({ type }: Fault): boolean {
  return DECIDING.has(type);
}

export function needsConnection({ type }: Fault): boolean {
  return NEEDS_CONNECTION.has(type);
}

interface Ranked {
  readonly fault: Fault;
  readonly priority?: number;
}

/**
 * Of the faults that strike at one point those that are carried out, in their order: first all that decide nothing, as
 * written, then the one that decides, of the highest priority (the first written of equal ones).
 */
export function facedFaults<R extends Ranked>(struck: readonly R[]): readonly R[] {
  let deciding: R | undefined;
  for (const each of struck) {
    if (decides(each.fault) && (!deciding || (each.priority ?? 0) > (deciding.priority ?? 0))) deciding = each;
  }
  if (!deciding) return struck;
  return [...struck.filter(({ fault }) => !decides(fault)), deciding];
}

/** Every rule that may strike an attempt of this step: the call's own faults as rules, then those of the service. */
export function rulesOfCall(step: Outgoing, endpoint: string, rules: readonly FaultRule[]): readonly FaultRule[] {
  const own = step.faults.map((each): FaultRule => ({ ...each, at: 'call', source: 'topology' }));
  return [...own, ...rules.filter((rule) => rule.at === 'call' && concerns(rule, endpoint, step))];
}

/** Whether a rule is for this endpoint, and for this call of it. */
export function concerns(rule: FaultRule, endpoint: string, step?: Outgoing): boolean {
  if (rule.endpoint !== undefined && rule.endpoint !== endpoint) return false;
  if (rule.callee === undefined) return true;
  return rule.callee === step?.service || rule.callee === `${step?.service} ${step?.endpoint}`;
}
