import { Fn, type Stack } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as elb from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { Construct, type IDependable } from 'constructs';
import { PORTS, RESERVED_PATHS } from '../model/contract';
import { edgePrefix } from '../model/slice';
import type { Service, Topology } from '../model/topology';
import { type Network, NOWHERE } from './network';
import { idOf, type SharedValue } from './shared-value';

export interface EdgeProps {
  readonly topology: Topology;
  readonly network: Network;
  readonly clients: readonly string[];
  readonly certificate: string | null;
  readonly groups: ReadonlyMap<string, SharedValue>;
  /** Stack of the rules of a service's security group. */
  readonly ruleScope: (service: Service) => Stack;
  readonly hosts: (service: Service) => readonly { readonly instanceId: string; readonly ready: IDependable }[];
}

/** One edge service as the balancer and its metrics know it. */
export interface EdgeTarget {
  readonly service: Service;
  readonly targetGroup: elb.CfnTargetGroup;
  /** Value of the metrics' dimension `TargetGroup`: the last part of its ARN. */
  readonly metricName: string;
}

/** The balancer before the edge services: the only thing that the internet reaches, and only the given clients. */
export class Edge extends Construct {
  readonly url: string;
  readonly balancer: elb.CfnLoadBalancer;
  /** Value of the metrics' dimension `LoadBalancer`: the end of its ARN. */
  readonly metricName: string;
  readonly targets: readonly EdgeTarget[];

  constructor(scope: Construct, id: string, props: EdgeProps) {
    super(scope, id);
    const { topology, network, certificate } = props;
    const scheme = certificate === null ? 'http' : 'https';
    const members = this.members(props);
    this.balancer = new elb.CfnLoadBalancer(this, 'Balancer', {
      type: 'application',
      scheme: 'internet-facing',
      ipAddressType: 'ipv4',
      subnets: [...network.publicSubnetIds],
      securityGroups: [members],
      loadBalancerAttributes: [
        { key: 'idle_timeout.timeout_seconds', value: '60' },
        { key: 'routing.http.drop_invalid_header_fields.enabled', value: 'true' },
        { key: 'deletion_protection.enabled', value: 'false' },
      ],
    });
    this.balancer.addResourceDependency(network.internetRoute);
    this.metricName = Fn.select(1, Fn.split('loadbalancer/', this.balancer.ref));
    this.url = `${scheme}://${this.balancer.attrDnsName}`;
    this.targets = Object.values(topology.services)
      .filter(({ edge }) => edge)
      .map((service) => {
        const targetGroup = this.targetGroup(service, props);
        return { service, targetGroup, metricName: Fn.select(5, Fn.split(':', targetGroup.ref)) };
      });
    this.listen(props);
  }

  private members({ topology, network, clients, certificate, groups, ruleScope }: EdgeProps): string {
    const ports = certificate === null ? [80] : [80, 443];
    const members = new ec2.CfnSecurityGroup(this, 'Members', {
      vpcId: network.vpcId,
      groupDescription: `Balancer of ${topology.name}`,
      securityGroupIngress: clients.flatMap((cidrIp) =>
        ports.map((port) => ({ ipProtocol: 'tcp', fromPort: port, toPort: port, cidrIp, description: 'Clients' })),
      ),
      securityGroupEgress: [NOWHERE],
    });
    const port = { ipProtocol: 'tcp', fromPort: PORTS.edge, toPort: PORTS.edge };
    for (const service of Object.values(topology.services)) {
      if (!service.edge) continue;
      const scope = ruleScope(service);
      const group = (groups.get(service.name) as SharedValue)(scope);
      const description = `Balancer to ${service.name}`;
      new ec2.CfnSecurityGroupIngress(scope, `InEDGETO${idOf(service.name)}`, {
        ...port,
        groupId: group,
        sourceSecurityGroupId: members.attrGroupId,
        description,
      });
      new ec2.CfnSecurityGroupEgress(scope, `OutEDGETO${idOf(service.name)}`, {
        ...port,
        groupId: members.attrGroupId,
        destinationSecurityGroupId: group,
        description,
      });
    }
    return members.attrGroupId;
  }

  private targetGroup(service: Service, { network, hosts }: EdgeProps): elb.CfnTargetGroup {
    const machines = hosts(service);
    const group = new elb.CfnTargetGroup(this, `Targets-${service.name}`, {
      vpcId: network.vpcId,
      targetType: 'instance',
      protocol: 'HTTP',
      port: PORTS.edge,
      healthCheckPath: RESERVED_PATHS.ready,
      healthCheckIntervalSeconds: 10,
      healthCheckTimeoutSeconds: 3,
      healthyThresholdCount: 2,
      unhealthyThresholdCount: 2,
      targets: machines.map(({ instanceId }) => ({ id: instanceId, port: PORTS.edge })),
      targetGroupAttributes: [
        { key: 'deregistration_delay.timeout_seconds', value: '15' },
        { key: 'load_balancing.algorithm.type', value: 'least_outstanding_requests' },
      ],
    });
    // A host that replaces another one takes its place here only once it is ready.
    for (const { ready } of machines) group.node.addDependency(ready);
    return group;
  }

  private listen({ topology, certificate }: EdgeProps): void {
    const [only] = this.targets;
    const forward = (target: EdgeTarget) => ({
      type: 'forward',
      targetGroupArn: target.targetGroup.ref,
    });
    const prefixed = this.targets.filter(({ service }) => edgePrefix(topology, service) !== '');
    const action: elb.CfnListener.ActionProperty =
      only && prefixed.length === 0
        ? forward(only)
        : {
            type: 'fixed-response',
            fixedResponseConfig: {
              statusCode: '404',
              contentType: 'application/json',
              messageBody: JSON.stringify({ error: { kind: 'NOT_FOUND', message: 'the path names no edge service' } }),
            },
          };
    const listener = new elb.CfnListener(this, 'Listener', {
      loadBalancerArn: this.balancer.ref,
      ...(certificate === null
        ? { port: 80, protocol: 'HTTP' }
        : {
            port: 443,
            protocol: 'HTTPS',
            certificates: [{ certificateArn: certificate }],
            sslPolicy: 'ELBSecurityPolicy-TLS13-1-2-2021-06',
          }),
      defaultActions: [action],
    });
    prefixed.forEach((target, index) => {
      const prefix = edgePrefix(topology, target.service);
      new elb.CfnListenerRule(this, `Rule-${target.service.name}`, {
        listenerArn: listener.ref,
        priority: index + 1,
        conditions: [{ field: 'path-pattern', pathPatternConfig: { values: [prefix, `${prefix}/*`] } }],
        actions: [forward(target)],
      });
    });
    if (certificate === null) return;
    new elb.CfnListener(this, 'Redirect', {
      loadBalancerArn: this.balancer.ref,
      port: 80,
      protocol: 'HTTP',
      defaultActions: [
        { type: 'redirect', redirectConfig: { protocol: 'HTTPS', port: '443', statusCode: 'HTTP_301' } },
      ],
    });
  }
}
