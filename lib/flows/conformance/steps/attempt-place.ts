import { childPlace, type Hash, hashText } from '../../../model/draw';
import type { Outgoing } from '../../../model/topology';
import type { Walk } from './walk';

const hashes = new Map<string, Hash>();

/** Step ids are as many as a topology has, so they are hashed once each. */
function stepHash(id: string): Hash {
  let hash = hashes.get(id);
  if (!hash) {
    hash = hashText(id);
    hashes.set(id, hash);
  }
  return hash;
}

/** The place of the request that an attempt sends. */
export function attemptPlace({ draws }: Walk, step: Outgoing, repetition: number, attempt: number): Hash {
  return childPlace(draws.place, stepHash(step.id), repetition, attempt);
}
