import { createHash } from 'node:crypto';
import { instanceNames } from '../model/contract';
import type { Service, Topology } from '../model/topology';

/**
 * How many CloudFormation resources each part of a topology takes. The constructs and the plan are held to these
 * numbers by a test, so that the layout below can be worked out before anything is built.
 */
export const FOOTPRINT = {
  /** Wait handle, wait condition, host, registration, and the alarms that recover, reboot and report it. */
  replica: 7,
  /** Security group and Cloud Map service. */
  service: 2,
  /** Ingress at the callee and egress at the caller. */
  call: 2,
  /** Ingress from and egress of the balancer, target group, and the alarms on it. */
  edge: 6,
} as const;

/** CloudFormation's limits for one template, with room left for what this file does not count. */
export const STACK_BOUNDS = { resources: 440, parameters: 170, outputs: 170 } as const;

/** Which nested stack, if any, a part of the topology lives in. */
export interface Layout {
  readonly nested: boolean;
  /** How many nested stacks of each kind; 0 where everything fits into one stack. */
  readonly groups: { readonly members: number; readonly services: number; readonly hosts: number };
}

/** Everything in one stack where it fits, else nested stacks, with as many as the fullest one needs. */
export function layoutOf(topology: Topology): Layout {
  const services = Object.values(topology.services);
  const edges = services.filter(({ edge }) => edge).length;
  const total = services.reduce((sum, service) => sum + footprintOf(service), 0) + edges;
  if (total <= STACK_BOUNDS.resources - 60) return { nested: false, groups: { members: 0, services: 0, hosts: 0 } };
  const instances = services.flatMap(instancesOf);
  return {
    nested: true,
    groups: {
      members: fewest(
        services,
        (service) => service.name,
        (group) => group.length <= STACK_BOUNDS.outputs,
      ),
      services: fewest(services, (service) => service.name, servicesFit),
      hosts: fewest(instances, ({ instance }) => instance, hostsFit),
    },
  };
}

/**
 * The group that a name belongs to, by its hash: adding a service moves no other one, until the number of groups
 * doubles. A host that moves to another nested stack is replaced.
 */
export function groupOf(name: string, groups: number): number {
  return groups === 0 ? 0 : createHash('sha256').update(name).digest().readUInt32BE(0) % groups;
}

export function footprintOf(service: Service): number {
  return (
    FOOTPRINT.service +
    FOOTPRINT.call * service.callers.length +
    FOOTPRINT.replica * service.replicas +
    (service.edge ? FOOTPRINT.edge : 0)
  );
}

interface Instance {
  readonly instance: string;
  readonly service: Service;
}

export function instancesOf(service: Service): readonly Instance[] {
  return instanceNames(service.name, service.replicas).map((instance) => ({ instance, service }));
}

/** Rules name the security groups of callee and callers, each a parameter of the nested stack. */
function servicesFit(group: readonly Service[]): boolean {
  const parameters = new Set(group.flatMap((service) => [service.name, ...service.callers])).size;
  const resources = group.reduce((sum, service) => sum + 1 + FOOTPRINT.call * service.callers.length, 0);
  return (
    resources <= STACK_BOUNDS.resources && parameters <= STACK_BOUNDS.parameters && group.length <= STACK_BOUNDS.outputs
  );
}

/** A host names the security group and the Cloud Map service of its service. */
function hostsFit(group: readonly Instance[]): boolean {
  const parameters = 2 * new Set(group.map(({ service }) => service.name)).size;
  return FOOTPRINT.replica * group.length <= STACK_BOUNDS.resources && parameters <= STACK_BOUNDS.parameters;
}

/** The smallest power of two of groups in which every group fits; a single item that fits nowhere ends the search. */
function fewest<T>(items: readonly T[], nameOf: (item: T) => string, fits: (group: readonly T[]) => boolean): number {
  for (let groups = 1; ; groups *= 2) {
    const members: T[][] = Array.from({ length: groups }, () => []);
    for (const item of items) members[groupOf(nameOf(item), groups)]?.push(item);
    if (members.every((group) => group.length <= 1 || fits(group))) return groups;
  }
}
