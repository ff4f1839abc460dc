import type { Step, Topology } from '../../lib/model/topology';

/** The same topology with each step changed; those within a changed step are changed after it. */
export function withSteps(topology: Topology, change: (step: Step) => Step): Topology {
  const deep = (step: Step): Step => {
    const changed = change(step);
    if (changed.kind === 'parallel' || changed.kind === 'sequence')
      return { ...changed, steps: changed.steps.map(deep) };
    if (changed.kind !== 'oneOf') return changed;
    return { ...changed, branches: changed.branches.map((branch) => ({ ...branch, steps: branch.steps.map(deep) })) };
  };
  return {
    ...topology,
    services: mapValues(topology.services, (service) => ({
      ...service,
      endpoints: mapValues(service.endpoints, (endpoint) => ({ ...endpoint, steps: endpoint.steps.map(deep) })),
    })),
  };
}

export function mapValues<T>(record: Readonly<Record<string, T>>, change: (value: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
}
