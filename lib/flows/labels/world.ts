import type { Hash } from '../../model/draw';
import type { Described } from '../conformance/topologies';

/** The topology that ran, and the draws of one flow. */
export interface World {
  /** A service's slice as it was at an epoch; undefined where nobody described it. */
  at(service: string, epoch: number): Described | undefined;
  readonly key: Hash;
}

/** A service as it was last described up to an epoch. */
export function latest(world: World, service: string, epoch: number): Described | undefined {
  for (let at = epoch; at >= 0; at--) {
    const described = world.at(service, at);
    if (described) return described;
  }
  return undefined;
}
