import type { Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import { PORTS } from '../model/contract';
import type { Service, Topology } from '../model/topology';
import type { Network } from './network';
import { idOf, type SharedValue, shareValue } from './shared-value';

export interface MembersProps {
  readonly topology: Topology;
  readonly network: Network;
  /** Stack of a service's security group. */
  readonly groupScope: (service: Service) => Stack;
  /** Stack of the rules that admit a service's callers. */
  readonly ruleScope: (service: Service) => Stack;
}

/**
 * The network policy, which is the topology: a security group per service, and for each declared call one rule that lets
 * the caller out and one that lets it in, at the mesh port. The rules are resources of their own because two services
 * that call each other would else make a cycle. Besides, a host may speak HTTPS: its subnet's routes end at the
 * network's own endpoints, so that reaches AWS's services and nothing else. Name look-ups and the time service
 * are link-local, which no security group filters.
 */
export function makeMembers({
  topology,
  network,
  groupScope,
  ruleScope,
}: MembersProps): ReadonlyMap<string, SharedValue> {
  const services = Object.values(topology.services);
  const groups = new Map(
    services.map((service) => {
      const scope = groupScope(service);
      const group = new ec2.CfnSecurityGroup(scope, `Members${idOf(service.name)}`, {
        vpcId: network.vpcId,
        groupDescription: `Hosts of ${service.name} in ${topology.name}`,
        securityGroupEgress: [
          {
            ipProtocol: 'tcp',
            fromPort: 443,
            toPort: 443,
            cidrIp: '0.0.0.0/0',
            description: 'Endpoints of the network',
          },
        ],
      });
      return [service.name, shareValue(scope, `Group${idOf(service.name)}`, group.attrGroupId)];
    }),
  );
  const mesh = { ipProtocol: 'tcp', fromPort: PORTS.mesh, toPort: PORTS.mesh };
  for (const callee of services) {
    const scope = ruleScope(callee);
    const calleeGroup = (groups.get(callee.name) as SharedValue)(scope);
    for (const caller of callee.callers) {
      const callerGroup = (groups.get(caller) as SharedValue)(scope);
      const call = `${idOf(caller)}TO${idOf(callee.name)}`;
      const description = `${caller} calls ${callee.name}`;
      new ec2.CfnSecurityGroupIngress(scope, `In${call}`, {
        ...mesh,
        groupId: calleeGroup,
        sourceSecurityGroupId: callerGroup,
        description,
      });
      new ec2.CfnSecurityGroupEgress(scope, `Out${call}`, {
        ...mesh,
        groupId: callerGroup,
        destinationSecurityGroupId: calleeGroup,
        description,
      });
    }
  }
  return groups;
}
