import { instanceNames } from '../../model/contract';
import type { Topology } from '../../model/topology';

/** Names of all instances that a topology declares; of none where it is not known. */
export function declaredInstances(topology: Topology | null): readonly string[] {
  return Object.values(topology?.services ?? {}).flatMap(({ name, replicas }) => instanceNames(name, replicas));
}
