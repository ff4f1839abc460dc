import { readKey } from '../lib/local/control-client';
import { currentTopology } from '../lib/local/live-change';
import { edgePrefix } from '../lib/model/slice';
import type { Service, Topology } from '../lib/model/topology';
import { UserError } from '../lib/model/user-error';
import { liveTarget } from './live-target';

/** Where itineraries and overlays are let in, and what signs them. */
export interface FaultTarget {
  /** What runs, which an itinerary is held against before it is sent. */
  readonly topology: Topology;
  readonly key: string;
  /** Of a deployment on AWS. */
  readonly region?: string;
  /** Services that can be asked first. */
  readonly entries: readonly Service[];
  /** Keeps the way to one of them open for as long as the work lasts; the URL has no final slash. */
  through<T>(entry: Service, work: (url: string) => Promise<T> | T): Promise<T>;
}

/**
 * The edge of a deployment on this machine.
 *
 * @throws UserError where none runs, or its edge is shut
 */
export async function localFaultTarget(asked: string, cwd: string): Promise<FaultTarget> {
  const { deployment, folder } = await liveTarget(asked, cwd);
  const { publicFaults, url } = deployment;
  if (!publicFaults) throw shutEdge(url, 'start it with: npx ts-node tools/local.ts <topology> --public-faults');
  const topology = currentTopology(folder, deployment);
  return { topology, key: readKey(folder), ...atEdge(topology, url) };
}

/** @param url without a final slash */
export function atEdge(topology: Topology, url: string): Pick<FaultTarget, 'entries' | 'through'> {
  return {
    entries: Object.values(topology.services).filter(({ edge }) => edge),
    through: async (entry, work) => work(url + edgePrefix(topology, entry)),
  };
}

export function shutEdge(where: string, remedy: string): UserError {
  return new UserError({ where, problem: 'itineraries and overlays are switched off at the edge', remedy });
}
