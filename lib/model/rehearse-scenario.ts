import type { Scenario, ScenarioStep } from './scenario';
import { changesSteps, redoneFrom, stepEdit, withoutScenarioFaults } from './scenario-edits';
import { momentsOf, standingAfter } from './scenario-timeline';
import { pathTo } from './shape';
import type { Topology } from './topology';
import { type Fault, UserError } from './user-error';
import { topologyFaults } from './written-topology';

/**
 * Every fault that only shows when the steps are made one after the other: a call taken away that is not there, calls that
 * would never end, a fault of an instance that does not run then. What runs at each moment must be a topology that could
 * have been written so.
 */
export function rehearse(scenario: Scenario, topology: Topology): readonly Fault[] {
  const faults: Fault[] = [];
  let standing: readonly ScenarioStep[] = [];
  let current = topology;
  for (const moment of momentsOf(scenario)) {
    const { step, what } = moment;
    const where = `${pathTo('scenarios', scenario.name)}.steps[${scenario.steps.indexOf(step)}]`;
    const at = ({ where: place, problem, remedy }: Fault): Fault => {
      return { where, problem: `at ${moment.atMs / 1000}s, ${place}: ${problem}`, remedy };
    };
    standing = standingAfter(standing, moment);
    try {
      current = what === 'begin' ? stepEdit(step)(current) : afterEnd(step, standing, current, topology);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      faults.push(...error.faults.map(at));
      return faults;
    }
    const found = topologyFaults(current);
    faults.push(...found.map(at));
    // What follows from a faulty topology says nothing new.
    if (found.length > 0) return faults;
  }
  return faults;
}

function afterEnd(
  step: ScenarioStep,
  standing: readonly ScenarioStep[],
  current: Topology,
  before: Topology,
): Topology {
  if (step.kind === 'fault') return withoutScenarioFaults(step)(current);
  if (changesSteps(step)) return redoneFrom(before, standing)(current);
  return replicasAfter(step, standing, before)(current);
}

/** The last scaling that still stands counts, else what ran before. */
function replicasAfter(step: ScenarioStep, standing: readonly ScenarioStep[], before: Topology) {
  if (step.kind !== 'scale') return (topology: Topology) => topology;
  return stepEdit({ ...step, replicas: replicasOf(step.service, standing, before) });
}

/** How many instances of a service there are to be, with these steps standing. */
export function replicasOf(service: string, standing: readonly ScenarioStep[], before: Topology): number {
  const last = standing.findLast((step) => step.kind === 'scale' && step.service === service);
  return last?.kind === 'scale' ? last.replicas : (before.services[service]?.replicas ?? 1);
}
