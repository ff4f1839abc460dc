import type { Fault, FaultPosition, FaultRule, FaultSource, FaultType } from './fault';
import { bareFault, liveRule } from './fault-shape';
import { resolveFault, resolveFaultRule, type WrittenRule } from './resolve-faults';
import type { Report, Shape } from './shape';
import { type Fault as Mistake, UserError } from './user-error';
import { checkRuleTargets, type RuleTargets } from './validate-faults';

/**
 * A fault `{ type, args }` that came from outside: an itinerary, an overlay, a scenario, a command.
 *
 * @param where how messages call the value
 * @throws UserError with every mistake in it
 */
export function parseFault(value: unknown, where: string, positions?: readonly FaultPosition[]): Fault {
  check(bareFault(positions), value, where);
  const { type, args } = value as { readonly type: FaultType; readonly args?: object };
  return resolveFault(type, args);
}

export interface ParseRuleOptions {
  readonly source: FaultSource;
  /** Names a rule that has no id of its own. */
  readonly newId: () => string;
  /** Whose rule it is: what it names must exist there. Unchecked where left out. */
  readonly targets?: RuleTargets;
}

/**
 * A rule as written, for a running node: `{ id?, type, args, at, endpoint?, callee?, probability?, fromRequest?, forMs?,
 * instances?, priority?, startsAt?, expiresAt? }`.
 *
 * @throws UserError with every mistake in it
 */
export function parseFaultRule(value: unknown, where: string, options: ParseRuleOptions): FaultRule {
  const { source, newId, targets } = options;
  check(liveRule, value, where, (report) => {
    if (targets) checkRuleTargets(value as WrittenRule, where, targets, report);
  });
  return resolveFaultRule(value as WrittenRule, source, newId);
}

/** @param then further rules, asked only where the shape has no fault */
function check(shape: Shape, value: unknown, where: string, then?: (report: Report) => void): void {
  const mistakes: Mistake[] = [];
  const report: Report = (at, problem, remedy) => mistakes.push({ where: at || where, problem, remedy });
  shape.check(value, where, { report, refine: true, ancestors: [] });
  if (mistakes.length === 0) then?.(report);
  if (mistakes.length > 0) throw new UserError(mistakes);
}
