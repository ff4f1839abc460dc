import { instanceNames } from '../model/contract';
import type { Topology } from '../model/topology';
import type { Balancer } from './balancer';
import type { DnsServer } from './dns-server';
import type { Supervised } from './supervise';

/** All instances of a deployment listen here. */
export const HOST = '127.0.0.1';

/** An instance as its launcher knows it; ports are 0 until it is up. */
export interface Instance {
  readonly instance: string;
  readonly service: string;
  pid: number;
  meshPort: number;
  edgePort: number | null;
  controlPort: number | null;
  restarts: number;
}

/** One process, and whom it plays. */
export interface Unit {
  readonly supervised: Supervised;
  readonly group: readonly Instance[];
}

export function instancesOf(topology: Topology): readonly Instance[] {
  return Object.values(topology.services).flatMap(({ name, replicas }) =>
    instanceNames(name, replicas).map((instance) => newInstance(name, instance)),
  );
}

export function newInstance(service: string, instance: string): Instance {
  return { instance, service, pid: 0, meshPort: 0, edgePort: null, controlPort: null, restarts: 0 };
}

/** Lets others find it. */
export function enlist({ instance, service, meshPort, edgePort }: Instance, dns: DnsServer, balancer: Balancer): void {
  dns.register(instance, service, HOST, meshPort);
  if (edgePort !== null) balancer.register(instance, service, HOST, edgePort);
}
