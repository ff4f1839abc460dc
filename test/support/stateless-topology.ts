import fc from 'fast-check';
import type { Topology } from '../../lib/model/topology';
import { arbitraryTopology } from './arbitrary-topology';
import { mapValues, withSteps } from './change-steps';
import { hedgedTopology } from './hedged-topology';

/** Arbitrary topologies, some with hedges, whose policies keep no state: the simulator has none. */
export const statelessTopology: fc.Arbitrary<Topology> = fc
  .oneof(arbitraryTopology, hedgedTopology)
  .map((topology) => withoutStates(topology));

function withoutStates(topology: Topology): Topology {
  const services = mapValues(topology.services, ({ concurrency: _, ...service }) => service);
  return withSteps({ ...topology, services }, (step) => {
    if (step.kind !== 'call' && step.kind !== 'send') return step;
    const { breaker: _, bulkhead: __, ...bare } = step;
    return bare;
  });
}
