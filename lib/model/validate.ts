import type { Report } from './shape';
import { survey } from './survey';
import { topologyShape } from './topology-shape';
import type { Fault } from './user-error';
import { checkCallees } from './validate-callees';
import { checkEndpoints } from './validate-endpoints';
import { checkFaults } from './validate-faults';
import { checkGraph } from './validate-graph';
import { checkHedges } from './validate-hedges';
import { checkNames } from './validate-names';
import { checkScenarios } from './validate-scenarios';

/**
 * Every fault of a topology as written, in no need of being one: any value will do. Pure, changes nothing, never throws.
 * With no faults, `resolve` takes the value. The rules in order: its shape (types, keys, ranges), names, endpoints, faults,
 * whom they call, what follows from the whole graph, and its scenarios.
 *
 * @param name what the topology is called where it doesn't say so itself
 */
export function validate(value: unknown, name?: string): readonly Fault[] {
  const faults: Fault[] = [];
  const report: Report = (where, problem, remedy) => faults.push({ where: where || 'topology', problem, remedy });
  topologyShape.check(value, '', { report, refine: true, ancestors: [] });
  const written = survey(value);
  checkNames(value, name, written, report);
  checkEndpoints(written, report);
  checkFaults(written, report);
  const edges = checkCallees(written, report);
  checkHedges(written, report);
  checkGraph(written, edges, report);
  checkScenarios(value, written, report);
  return faults;
}
