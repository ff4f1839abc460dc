import fc from 'fast-check';
import type { Topology } from '../../lib/model/topology';
import { arbitraryTopology } from './arbitrary-topology';
import { mapValues, withSteps } from './change-steps';

const moments = fc.array(fc.constantFrom(null, 1, 4), { minLength: 1, maxLength: 7 });

/** Arbitrary topologies in which many calls are hedged. */
export const hedgedTopology: fc.Arbitrary<Topology> = fc
  .tuple(arbitraryTopology, moments)
  .map(([topology, afterMs]) => withHedges(topology, afterMs));

/**
 * The same with hedged calls, and an instance to hedge to of every service.
 *
 * @param moments of the calls in turn, again and again: when a hedge is sent; null: not at all
 */
export function withHedges(topology: Topology, moments: readonly (number | null)[]): Topology {
  let calls = 0;
  const services = mapValues(topology.services, (service) => ({ ...service, replicas: Math.max(2, service.replicas) }));
  return withSteps({ ...topology, services }, (step) => {
    if (step.kind !== 'call') return step;
    const afterMs = moments[calls++ % moments.length] ?? null;
    return afterMs === null ? step : { ...step, hedge: { afterMs } };
  });
}
