import type { Stack } from 'aws-cdk-lib';
import * as servicediscovery from 'aws-cdk-lib/aws-servicediscovery';
import { Construct } from 'constructs';
import { DNS, namespace } from '../model/contract';
import type { Service, Topology } from '../model/topology';
import { idOf, type SharedValue, shareValue } from './shared-value';

export interface DiscoveryProps {
  readonly topology: Topology;
  readonly vpcId: string;
  /** Stack of a service's Cloud Map service. */
  readonly serviceScope: (service: Service) => Stack;
}

/**
 * The private DNS namespace. A service has SRV records alone: Cloud Map allows no A record beside them, and makes the A
 * record of each SRV target by itself.
 */
export class Discovery extends Construct {
  /** Cloud Map's id of each service. */
  readonly serviceIds: ReadonlyMap<string, SharedValue>;

  constructor(scope: Construct, id: string, { topology, vpcId, serviceScope }: DiscoveryProps) {
    super(scope, id);
    const zone = new servicediscovery.CfnPrivateDnsNamespace(this, 'Namespace', {
      name: namespace(topology.name),
      vpc: vpcId,
      properties: { dnsProperties: { soa: { ttl: DNS.negativeTtlSeconds } } },
    });
    this.serviceIds = new Map(
      Object.values(topology.services).map((service) => {
        const scope = serviceScope(service);
        const entry = new servicediscovery.CfnService(scope, `Discovery${idOf(service.name)}`, {
          name: service.name,
          namespaceId: zone.attrId,
          dnsConfig: { routingPolicy: 'MULTIVALUE', dnsRecords: [{ type: 'SRV', ttl: DNS.ttlSeconds }] },
        });
        return [service.name, shareValue(scope, `Entry${idOf(service.name)}`, entry.attrId)];
      }),
    );
  }
}
