import { type Hash, hashText } from '../../model/draw';
import { hashValue, type Slice, type SlicedService, sliceOf } from '../../model/slice';
import type { Topology } from '../../model/topology';

/**
 * What each service was supposed to be at each epoch: epoch 0 from the run's record, later ones from the
 * TOPOLOGY_CHANGED events that brought them. A span is held against the epoch stamped on its own REQUEST_RECEIVED.
 */
export interface Topologies {
  readonly name: string;
  /** Undefined for a service or an epoch that nobody described. */
  at(service: string, epoch: number): Described | undefined;
  has(service: string): boolean;
  /** Whether the hash is that of a slice which the service was given at any epoch. */
  knowsSlice(service: string, hash: string): boolean;
  /** Takes in the slice that a live change brought. */
  change(slice: Slice): void;
}

export interface Described {
  readonly service: SlicedService;
  readonly seed: Hash;
  readonly sliceHash: string;
}

export function topologies(topology: Topology): Topologies {
  const described = new Map<string, Map<number, Described>>();
  const change = (slice: Slice): void => {
    const { service, seed, epoch } = slice;
    const epochs = described.get(service.name) ?? new Map<number, Described>();
    epochs.set(epoch, { service, seed: hashText(seed), sliceHash: hashValue(slice) });
    described.set(service.name, epochs);
  };
  for (const name of Object.keys(topology.services)) change(sliceOf(topology, name));
  return {
    name: topology.name,
    at: (service, epoch) => described.get(service)?.get(epoch),
    has: (service) => described.has(service),
    knowsSlice: (service, hash) => {
      for (const { sliceHash } of described.get(service)?.values() ?? []) if (sliceHash === hash) return true;
      return false;
    },
    change,
  };
}
