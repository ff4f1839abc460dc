import { stackName } from '../model/contract';
import type { Topology } from '../model/topology';
import type { Fault } from '../model/user-error';
import { FOOTPRINT, layoutOf } from './footprint';
import { HOST_BOUNDS } from './host';
import { DEFAULT_INSTANCE_TYPE } from './instance-types';
import { findLimitFaults, QUOTAS } from './limits';
import { HOURS_PER_MONTH, INSTANCE_TYPES, PRICE_BASIS, PRICES, type Price, SOURCES, type Source } from './pricing';

/** What a deployment of a topology would make, touch and cost; worked out without the CDK. */
export interface Plan {
  readonly stack: string;
  readonly instances: number;
  /** Of CloudFormation, by type; without those of nested stacks. */
  readonly resources: Readonly<Record<string, number>>;
  readonly resourceCount: number;
  readonly nestedStacks: number;
  readonly perService: number;
  readonly perReplica: number;
  /** Quotas that this topology uses noticeably; `over` where the default does not suffice. */
  readonly quotas: readonly QuotaUse[];
  /** What makes a deployment impossible. */
  readonly faults: readonly Fault[];
  readonly cost: Cost;
}

export interface QuotaUse {
  readonly name: string;
  readonly used: number;
  /** What an account has by default. */
  readonly limit: number;
  readonly over: boolean;
  readonly remedy: string;
}

export interface Cost {
  readonly items: readonly CostItem[];
  readonly hourlyUsd: number;
  /** Instance types that the table has no price for. */
  readonly unpriced: readonly string[];
  /** What the prices are of. */
  readonly basis: string;
  /** Where each was read, by the name that the items have for it. */
  readonly sources: Readonly<Record<Source, string>>;
}

export interface CostItem {
  readonly what: string;
  readonly count: number;
  readonly hourlyUsd: number;
  readonly source: Source;
}

/** Constants of the stack, held to the stack itself by a test. */
const FIXED = {
  interfaceEndpoints: 4,
  keyEndpoints: 1,
  metricFilters: 5,
  queries: 5,
  topologyAlarms: 3,
  edgeAlarms: 3,
  hostAlarms: 3,
};

/** Settings that bring resources and cost of their own. */
export interface PlanOptions {
  /** Live faults switched on: a secret, an endpoint to read it through, and a parameter. @default false */
  readonly faults?: boolean;
}

export function planOf(topology: Topology, { faults = false }: PlanOptions = {}): Plan {
  const services = Object.values(topology.services);
  const instances = services.reduce((sum, { replicas }) => sum + replicas, 0);
  const edges = services.filter(({ edge }) => edge).length;
  const calls = services.reduce((sum, { callers }) => sum + callers.length, 0);
  const alarms = FIXED.hostAlarms * instances + FIXED.edgeAlarms * edges + FIXED.topologyAlarms;
  const endpoints = FIXED.interfaceEndpoints + (faults ? FIXED.keyEndpoints : 0);
  const { nested, groups } = layoutOf(topology);
  const resources = {
    'AWS::CloudFormation::WaitCondition': instances,
    'AWS::CloudFormation::WaitConditionHandle': instances,
    'AWS::CloudWatch::Alarm': alarms,
    'AWS::CloudWatch::Dashboard': 1,
    'AWS::EC2::Instance': instances,
    'AWS::EC2::InternetGateway': 1,
    'AWS::EC2::Route': 1,
    'AWS::EC2::RouteTable': 2,
    'AWS::EC2::SecurityGroup': services.length + 2,
    'AWS::EC2::SecurityGroupEgress': calls + edges,
    'AWS::EC2::SecurityGroupIngress': calls + edges,
    'AWS::EC2::Subnet': 4,
    'AWS::EC2::SubnetRouteTableAssociation': 4,
    'AWS::EC2::VPC': 1,
    'AWS::EC2::VPCEndpoint': endpoints + 1,
    'AWS::EC2::VPCGatewayAttachment': 1,
    'AWS::ElasticLoadBalancingV2::Listener': 1,
    'AWS::ElasticLoadBalancingV2::ListenerRule': edges > 1 ? edges : 0,
    'AWS::ElasticLoadBalancingV2::LoadBalancer': 1,
    'AWS::ElasticLoadBalancingV2::TargetGroup': edges,
    'AWS::IAM::InstanceProfile': 1,
    'AWS::IAM::Role': 1,
    'AWS::Logs::LogGroup': 1,
    'AWS::Logs::MetricFilter': FIXED.metricFilters,
    'AWS::Logs::QueryDefinition': FIXED.queries,
    'AWS::SSM::Parameter': faults ? 1 : 0,
    'AWS::SecretsManager::Secret': faults ? 1 : 0,
    'AWS::ServiceDiscovery::Instance': instances,
    'AWS::ServiceDiscovery::PrivateDnsNamespace': 1,
    'AWS::ServiceDiscovery::Service': services.length,
  };
  return {
    stack: stackName(topology.name),
    instances,
    resources,
    resourceCount: Object.values(resources).reduce((sum, count) => sum + count, 0),
    nestedStacks: nested ? groups.members + groups.services + groups.hosts : 0,
    perService: FOOTPRINT.service,
    perReplica: FOOTPRINT.replica,
    quotas: quotas(topology, instances, alarms),
    faults: findLimitFaults(topology),
    cost: cost(topology, { instances, alarms, endpoints, secrets: faults ? 1 : 0, parameters: faults ? 1 : 0 }),
  };
}

function quotas(topology: Topology, instances: number, alarms: number): readonly QuotaUse[] {
  const services = Object.values(topology.services);
  const use = (name: string, used: number, limit: number, remedy: string): QuotaUse => {
    return { name, used, limit, over: used > limit, remedy };
  };
  const raise = (service: string): string => `ask for more under Service Quotas, ${service}`;
  const vcpus = services.reduce((sum, { instanceType = DEFAULT_INSTANCE_TYPE, replicas }) => {
    return sum + replicas * (INSTANCE_TYPES[instanceType]?.vcpus ?? 2);
  }, 0);
  const mostCallers = Math.max(...services.map(({ callers }) => callers.length));
  const mostCallees = Math.max(...services.map(({ callees }) => callees.length + 1));
  return [
    use('vCPUs of running on-demand standard instances', vcpus, QUOTAS.standardVcpus, `${raise('EC2')}: L-1216C47A`),
    use('rules of one security group', Math.max(mostCallers, mostCallees), QUOTAS.securityGroupRules, raise('VPC')),
    use('security groups of the Region', services.length + 2, QUOTAS.securityGroupsPerRegion, raise('VPC')),
    use('network interfaces of the Region', instances + 6, QUOTAS.networkInterfacesPerRegion, raise('VPC')),
    use('instances of a Cloud Map namespace', instances, QUOTAS.cloudMapInstancesPerNamespace, 'split the topology'),
    use('alarms of the Region', alarms, QUOTAS.alarmsPerRegion, raise('CloudWatch')),
  ];
}

type Counted = 'instances' | 'alarms' | 'endpoints' | 'secrets' | 'parameters';

function cost(
  topology: Topology,
  { instances, alarms, endpoints, secrets, parameters }: Readonly<Record<Counted, number>>,
): Cost {
  const services = Object.values(topology.services);
  const types = new Map<string, number>();
  for (const { instanceType = DEFAULT_INSTANCE_TYPE, replicas } of services) {
    types.set(instanceType, (types.get(instanceType) ?? 0) + replicas);
  }
  const hourly = (what: string, count: number, { usd, source }: Price, hours = 1): CostItem => {
    return { what, count, hourlyUsd: (count * usd) / hours, source };
  };
  const monthly = (what: string, count: number, price: Price): CostItem => hourly(what, count, price, HOURS_PER_MONTH);
  const volume = { ...PRICES.volumeGibMonth, usd: HOST_BOUNDS.volumeGib * PRICES.volumeGibMonth.usd };
  // Duration and failures by service (failures once there are any), three of the topology, CPU and memory by host.
  const metrics = 2 * services.length + 3 + 2 * instances;
  const items = [
    ...[...types].flatMap(([type, count]) => {
      const known = Object.hasOwn(INSTANCE_TYPES, type) ? INSTANCE_TYPES[type] : undefined;
      return known ? [hourly(type, count, known.hourly)] : [];
    }),
    monthly(`gp3 volume of ${HOST_BOUNDS.volumeGib} GiB`, instances, volume),
    hourly('load balancer', 1, PRICES.loadBalancerHour),
    hourly('capacity unit of it', 1, PRICES.loadBalancerUnitHour),
    hourly('public address', 2, PRICES.publicAddressHour),
    hourly('interface endpoint', endpoints, PRICES.interfaceEndpointHour),
    monthly('alarm', alarms, PRICES.alarmMonth),
    monthly('custom metric', metrics, PRICES.metricMonth),
    monthly('registration with Cloud Map', instances, PRICES.registrationMonth),
    monthly('private hosted zone', 1, PRICES.hostedZoneMonth),
    monthly('dashboard', 1, PRICES.dashboardMonth),
    ...(secrets === 0 ? [] : [monthly('secret', secrets, PRICES.secretMonth)]),
    ...(parameters === 0 ? [] : [monthly('standard parameter', parameters, PRICES.parameterMonth)]),
  ];
  return {
    items,
    hourlyUsd: items.reduce((sum, { hourlyUsd }) => sum + hourlyUsd, 0),
    unpriced: [...types.keys()].filter((type) => !Object.hasOwn(INSTANCE_TYPES, type)),
    basis: PRICE_BASIS,
    sources: SOURCES,
  };
}

/** The plan as text, a line each. */
export function describePlan(plan: Plan): string {
  const usd = (amount: number, digits = 4): string => `${amount.toFixed(digits)} $/h`;
  const { cost } = plan;
  // A line is ingested, and passes an endpoint on its way.
  const perGb = PRICES.logGb.usd + PRICES.interfaceEndpointGb.usd;
  const lines = [
    `${plan.stack}: ${plan.instances} hosts, ${plan.resourceCount} resources` +
      (plan.nestedStacks > 0 ? ` in ${plan.nestedStacks} nested stacks` : ''),
    `  ${plan.perService} resources a service, ${FOOTPRINT.call} a call, ${plan.perReplica} a replica`,
    '',
    'Resources',
    ...Object.entries(plan.resources)
      .filter(([, count]) => count > 0)
      .map(([type, count]) => `  ${String(count).padStart(6)}  ${type}`),
    '',
    'Quotas (what an account has by default)',
    ...plan.quotas.map(({ name, used, limit, over, remedy }) => {
      return `  ${String(used).padStart(6)} of ${limit} ${name}${over ? ` — too few: ${remedy}` : ''}`;
    }),
    '',
    `Cost (${cost.basis}; where each price was read stands below)`,
    ...cost.items.map(
      ({ what, count, hourlyUsd, source }) => `  ${usd(hourlyUsd)}  ${source.padEnd(7)}  ${count} × ${what}`,
    ),
    `  ${usd(cost.hourlyUsd)}  in all, besides ${perGb.toFixed(2)} $ for each GB of log and the traffic itself`,
    ...Object.entries(cost.sources).map(([name, text]) => `    ${name.padEnd(7)}  ${text}`),
    '    AWS itself was not asked: see https://aws.amazon.com/pricing for what holds today',
    ...cost.unpriced.map((type) => `  no price is known for ${type}: its hosts are not in the sum`),
  ];
  return `${lines.join('\n')}\n`;
}
