import type { Topology } from '../model/topology';
import { type Fault, UserError } from '../model/user-error';
import { DEFAULT_INSTANCE_TYPE, INSTANCE_TYPE_GRAMMAR } from './instance-types';

/** Quotas of an account, as AWS grants them by default. */
export const QUOTAS = {
  /** Inbound, and again outbound, rules of one security group. */
  securityGroupRules: 60,
  securityGroupsPerRegion: 2_500,
  /** Rules of a listener besides its default. */
  listenerRules: 100,
  targetsPerLoadBalancer: 1_000,
  cloudMapInstancesPerService: 1_000,
  cloudMapInstancesPerNamespace: 2_000,
  alarmsPerRegion: 5_000,
  networkInterfacesPerRegion: 5_000,
  /** vCPUs of running on-demand standard instances (quota L-1216C47A) of a new account. */
  standardVcpus: 5,
  /** Characters of user data before its base64 encoding. */
  userDataBytes: 16_384,
  queryDefinitions: 1_000,
  /** A private subnet of this network. */
  addressesPerSubnet: 16_379,
} as const;

/** Egress rules that every host has besides those to its callees: HTTPS to the network's endpoints. */
const OWN_EGRESS_RULES = 1;

/**
 * What of a topology can't be deployed, each fault with the limit and the remedy. Quotas that are merely likely to need a
 * raise (vCPUs, alarms) are the plan's business.
 */
export function findLimitFaults(topology: Topology): readonly Fault[] {
  const faults: Fault[] = [];
  const services = Object.values(topology.services);
  const add = (where: string, problem: string, remedy: string): void => void faults.push({ where, problem, remedy });
  for (const { name, callers, callees, edge, replicas, instanceType } of services) {
    const where = `services.${name}`;
    const { securityGroupRules, cloudMapInstancesPerService, targetsPerLoadBalancer } = QUOTAS;
    if (callers.length > securityGroupRules) {
      add(
        where,
        `${callers.length} services call it, but a security group takes ${securityGroupRules} inbound rules`,
        'put a service between some callers and it, or split it',
      );
    }
    if (callees.length + OWN_EGRESS_RULES > securityGroupRules) {
      add(
        where,
        `it calls ${callees.length} services, but a security group takes ${securityGroupRules} outbound rules, ` +
          `${OWN_EGRESS_RULES} of which its host needs itself`,
        'call some of them through another service',
      );
    }
    if (replicas > cloudMapInstancesPerService) {
      add(
        `${where}.replicas`,
        `${replicas} is more than the ${cloudMapInstancesPerService} instances that a Cloud Map service takes`,
        'use fewer replicas or split the service',
      );
    }
    if (edge && replicas > targetsPerLoadBalancer) {
      add(
        `${where}.replicas`,
        `${replicas} is more than the ${targetsPerLoadBalancer} targets that a load balancer takes`,
        'use fewer replicas',
      );
    }
    if (instanceType !== undefined && !INSTANCE_TYPE_GRAMMAR.test(instanceType)) {
      add(
        `${where}.aws.instanceType`,
        `${JSON.stringify(instanceType)} is no instance type`,
        `write one as ${DEFAULT_INSTANCE_TYPE}`,
      );
    }
  }
  const edges = services.filter(({ edge }) => edge);
  if (edges.length > QUOTAS.listenerRules) {
    add(
      'services',
      `${edges.length} are edge services, but a listener takes ${QUOTAS.listenerRules} rules`,
      'put some behind a common edge service',
    );
  }
  const instances = services.reduce((sum, { replicas }) => sum + replicas, 0);
  if (instances > QUOTAS.cloudMapInstancesPerNamespace) {
    add(
      'services',
      `${instances} instances are more than the ${QUOTAS.cloudMapInstancesPerNamespace} that a Cloud Map namespace takes`,
      'use fewer replicas, or split the topology into several',
    );
  }
  if (edges.length === 0) {
    add(
      'services',
      'none is an edge, so nothing could reach the topology',
      'set edge: true on the service that users call',
    );
  }
  return faults;
}

export function checkLimits(topology: Topology): void {
  const faults = findLimitFaults(topology);
  if (faults.length > 0) throw new UserError(faults);
}
