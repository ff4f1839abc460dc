import test from 'ava';
import type { Template } from 'aws-cdk-lib/assertions';
import { loadTopology } from '../../../lib/model/load-topology';
import { type Resource, resources, synthesise, topologyOf } from './synthesise';

const shop = synthesise(loadTopology('shop'), { faults: 'true', email: 'who@example.com' }).template;

/** Ids of all resources that CloudFormation deletes after the one given: those that it refers to, on whatever way. */
function deletedAfter(template: Template, id: string): ReadonlySet<string> {
  const all = template.toJSON().Resources as Readonly<Record<string, Resource>>;
  const found = new Set<string>();
  const visit = (from: string): void => {
    const { DependsOn = [], Properties } = all[from] as Resource;
    const text = JSON.stringify(Properties ?? {});
    const named = [
      ...[DependsOn].flat(),
      ...[...text.matchAll(/\{"Ref":"(\w+)"\}|\{"Fn::GetAtt":\["(\w+)"/g)].map(([, ref, got]) => ref ?? got ?? ''),
    ];
    for (const each of named) {
      if (!(each in all) || found.has(each)) continue;
      found.add(each);
      visit(each);
    }
  };
  visit(id);
  return found;
}

/** Each resource of the first type goes before one (or every one) of the second. */
const ORDER: readonly (readonly [first: string, then: string, why: string])[] = [
  ['AWS::ServiceDiscovery::Instance', 'AWS::ServiceDiscovery::Service', 'a service with instances can not be deleted'],
  ['AWS::ServiceDiscovery::Instance', 'AWS::EC2::Instance', 'callers look for a machine until it is deregistered'],
  ['AWS::ServiceDiscovery::Service', 'AWS::ServiceDiscovery::PrivateDnsNamespace', 'a namespace must be empty'],
  ['AWS::ServiceDiscovery::PrivateDnsNamespace', 'AWS::EC2::VPC', "the zone is the network's"],
  ['AWS::ElasticLoadBalancingV2::Listener', 'AWS::ElasticLoadBalancingV2::TargetGroup', 'a group in use stays'],
  ['AWS::ElasticLoadBalancingV2::Listener', 'AWS::ElasticLoadBalancingV2::LoadBalancer', 'it is a part of it'],
  ['AWS::ElasticLoadBalancingV2::TargetGroup', 'AWS::EC2::Instance', 'targets drain before they end'],
  ['AWS::ElasticLoadBalancingV2::LoadBalancer', 'AWS::EC2::VPCGatewayAttachment', 'its addresses hold the gateway'],
  ['AWS::EC2::Instance', 'AWS::IAM::InstanceProfile', 'it acts by it to its end'],
  ['AWS::EC2::Instance', 'AWS::EC2::VPCEndpoint', 'it talks through it to its end'],
  ['AWS::EC2::Instance', 'AWS::EC2::Subnet', 'it stands in it'],
  ['AWS::EC2::Instance', 'AWS::EC2::SecurityGroup', 'a group in use stays'],
  ['AWS::EC2::SecurityGroupIngress', 'AWS::EC2::SecurityGroup', 'groups that name each other stay'],
  ['AWS::EC2::SecurityGroupEgress', 'AWS::EC2::SecurityGroup', 'groups that name each other stay'],
  ['AWS::EC2::VPCEndpoint', 'AWS::EC2::VPC', 'a network must be empty'],
  ['AWS::EC2::SecurityGroup', 'AWS::EC2::VPC', 'a network must be empty'],
  ['AWS::EC2::Subnet', 'AWS::EC2::VPC', 'a network must be empty'],
  ['AWS::EC2::VPCGatewayAttachment', 'AWS::EC2::VPC', 'a network must be empty'],
  ['AWS::EC2::RouteTable', 'AWS::EC2::VPC', 'a network must be empty'],
  ['AWS::IAM::InstanceProfile', 'AWS::IAM::Role', 'a role in a profile stays'],
  ['AWS::IAM::Role', 'AWS::SecretsManager::Secret', 'it may read it'],
];

for (const [first, then, why] of ORDER) {
  test(`destroy takes each ${first} before its ${then}: ${why}`, (t) => {
    const later = Object.keys(resources(shop, then));
    const ids = Object.keys(resources(shop, first));
    t.true(ids.length > 0 && later.length > 0);
    for (const id of ids) {
      const after = deletedAfter(shop, id);
      t.true(
        later.some((each) => after.has(each)),
        id,
      );
    }
  });
}

test('each registration ends before the Cloud Map service, the namespace and the machine that it is of', (t) => {
  for (const [id, { Properties }] of Object.entries(resources(shop, 'AWS::ServiceDiscovery::Instance'))) {
    const after = deletedAfter(shop, id);
    t.true(after.has(Properties.ServiceId['Fn::GetAtt'][0]), id);
    t.true(after.has(Properties.InstanceAttributes.AWS_INSTANCE_IPV4['Fn::GetAtt'][0]), id);
    t.true(after.has(Object.keys(resources(shop, 'AWS::ServiceDiscovery::PrivateDnsNamespace'))[0] ?? ''), id);
  }
});

test('nothing is kept, and no host can make the log group again that goes with the stack', (t) => {
  const all = shop.toJSON().Resources as Record<string, { DeletionPolicy?: string; Type: string }>;
  for (const [id, { DeletionPolicy = 'Delete' }] of Object.entries(all)) t.is(DeletionPolicy, 'Delete', id);
  t.false(JSON.stringify(resources(shop, 'AWS::IAM::Role')).includes('logs:CreateLogGroup'));
});

test('of nested stacks, those with hosts go before those with their Cloud Map services', (t) => {
  const services = Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`s${i}`, { edge: i === 0 }]));
  const { template } = synthesise(topologyOf({ services }));
  const stacks = Object.keys(resources(template, 'AWS::CloudFormation::Stack'));
  const [hosts, entries] = [/^Hosts/, /^Services/].map((kind) => stacks.filter((id) => kind.test(id)));
  t.true((hosts?.length ?? 0) > 0 && (entries?.length ?? 0) > 0);
  const after = new Set(hosts?.flatMap((id) => [...deletedAfter(template, id)]));
  for (const id of entries ?? []) t.true(after.has(id), id);
  const namespace = Object.keys(resources(template, 'AWS::ServiceDiscovery::PrivateDnsNamespace'))[0] ?? '';
  for (const id of entries ?? []) t.true(deletedAfter(template, id).has(namespace), id);
});
