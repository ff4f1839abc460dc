import { createHash } from 'node:crypto';
import type { Service, Topology } from './topology';

/**
 * What a node is given of its topology: enough to serve, and nothing that changes when an unrelated service does.
 */
export interface Slice {
  readonly topology: string;
  readonly seed: string;
  readonly epoch: number;
  readonly service: SlicedService;
  /** Path prefix under which the balancer reaches this service: empty with one edge service, else `/<service>`. */
  readonly edgePrefix: string;
}

/** A service without what concerns its launcher alone: another number of replicas changes no node. */
export type SlicedService = Omit<Service, 'replicas' | 'instanceType'>;

/** The slice of one service, at epoch 0: as deployed. */
export function sliceOf(topology: Topology, serviceName: string): Slice {
  const service = Object.hasOwn(topology.services, serviceName) ? topology.services[serviceName] : undefined;
  if (!service) throw new Error(`topology ${topology.name} has no service ${serviceName}`);
  const { replicas: _replicas, instanceType: _instanceType, ...sliced } = service;
  return {
    topology: topology.name,
    seed: topology.seed,
    epoch: 0,
    service: sliced,
    edgePrefix: edgePrefix(topology, service),
  };
}

/** With several edge services the balancer tells them apart by the first path segment, the service's name. */
export function edgePrefix(topology: Topology, service: Service): string {
  const edges = Object.values(topology.services).filter(({ edge }) => edge).length;
  return service.edge && edges > 1 ? `/${service.name}` : '';
}

/** First 16 hexadecimal digits of the SHA-256 of the value's canonical JSON (keys sorted, no white space). */
export function hashValue(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex').slice(0, 16);
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
