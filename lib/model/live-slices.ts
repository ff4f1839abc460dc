import { type TopologyEdit, withGraph } from './edit-topology';
import { hashValue, type Slice, sliceOf } from './slice';
import type { Topology } from './topology';
import { UserError } from './user-error';
import { topologyFaults } from './written-topology';

/** Slices of running services by name, as live changes have left them. */
export type LiveSlices = Readonly<Record<string, Slice>>;

/** What an edit makes of the slices that run. */
export interface SliceChange {
  /** Above that of every slice that ran. */
  readonly epoch: number;
  /** The new slices; those of all other services stay. */
  readonly slices: readonly Slice[];
}

/** The topology that the slices make; number and size of hosts, which no slice tells, are those deployed. */
export function topologyOf(deployed: Topology, running: LiveSlices): Topology {
  const services = Object.values(deployed.services).map((service) => {
    const { name, replicas, instanceType } = service;
    const own = { replicas, ...(instanceType !== undefined && { instanceType }) };
    return [name, { ...running[name]?.service, ...own }] as const;
  });
  return withGraph({ ...deployed, services: Object.fromEntries(services) } as Topology);
}

/**
 * Edits what runs. The whole new topology is validated; each service whose slice differs then gets a slice of the next epoch.
 *
 * @param running the slice of every service
 * @param now milliseconds since 1970: rules that are over by then are left out
 * @returns undefined where the edit changes nothing
 * @throws UserError where the topology would have a fault
 */
export function changeSlices(
  deployed: Topology,
  running: LiveSlices,
  edit: TopologyEdit,
  now: number,
): SliceChange | undefined {
  const after = edit(pruned(topologyOf(deployed, running), now));
  const faults = topologyFaults(after);
  if (faults.length > 0)
    throw new UserError(faults.map((fault) => ({ ...fault, where: `${after.name}: ${fault.where}` })));
  const old = Object.values(running);
  const epoch = 1 + Math.max(...old.map((slice) => slice.epoch));
  const slices = old.flatMap((slice): readonly Slice[] => {
    const { callers: _were, role: _was, ...own } = slice.service;
    const { callers: _are, role: _is, ...next } = sliceOf(after, slice.service.name).service;
    // Who calls a service and which role follows from that is for its launcher: a node acts on neither.
    if (hashValue(own) === hashValue(next)) return [];
    return [{ ...slice, epoch, service: { ...slice.service, ...next } }];
  });
  return slices.length === 0 ? undefined : { epoch, slices };
}

function pruned(topology: Topology, now: number): Topology {
  return {
    ...topology,
    services: Object.fromEntries(
      Object.entries(topology.services).map(([name, service]) => [
        name,
        {
          ...service,
          faults: service.faults.filter(({ expiresAt }) => expiresAt === undefined || Date.parse(expiresAt) > now),
        },
      ]),
    ),
  };
}
