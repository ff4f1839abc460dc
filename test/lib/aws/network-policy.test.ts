import test from 'ava';
import { PORTS } from '../../../lib/model/contract';
import { loadTopology } from '../../../lib/model/load-topology';
import { type Resource, resources, synthesise, target, topologyOf } from './synthesise';

const shop = loadTopology('shop');
const { template } = synthesise(shop, { clients: '203.0.113.7/32' });
const ingress = Object.values(resources(template, 'AWS::EC2::SecurityGroupIngress'));
const egress = Object.values(resources(template, 'AWS::EC2::SecurityGroupEgress'));
const groups = resources(template, 'AWS::EC2::SecurityGroup');
const hosts = Object.values(resources(template, 'AWS::EC2::Instance'));

/** Logical id of the one security group that all hosts of a service have. */
function groupOf(service: string): string {
  const ids = hosts
    .filter(({ Properties }) => tag(Properties, 'microcosm:service') === service)
    .map(({ Properties }) => Properties.SecurityGroupIds.map(target));
  const [first] = ids[0] ?? [];
  if (!ids.every((list) => list.length === 1 && list[0] === first)) throw new Error(`hosts of ${service} differ`);
  return first as string;
}

function tag(properties: Resource['Properties'], key: string): string | undefined {
  return properties.Tags.find((entry: { Key: string }) => entry.Key === key)?.Value;
}

const names = Object.keys(shop.services);
const groupIds: ReadonlyMap<string, string> = new Map(names.map((name) => [name, groupOf(name)]));

test('each service has a security group of its own', (t) => {
  t.is(new Set(groupIds.values()).size, names.length);
});

test('for every ordered pair of services, the mesh port admits the one to the other exactly where it is declared', (t) => {
  let declared = 0;
  for (const caller of names) {
    for (const callee of names) {
      const isBetween = (rule: Resource, to: string, from: string): boolean =>
        target(rule.Properties.GroupId) === to && target(rule.Properties[from]) !== '';
      const admitted = ingress.filter(
        (rule) =>
          isBetween(rule, groupIds.get(callee) as string, 'SourceSecurityGroupId') &&
          target(rule.Properties.SourceSecurityGroupId) === groupIds.get(caller),
      );
      const letOut = egress.filter(
        (rule) =>
          isBetween(rule, groupIds.get(caller) as string, 'DestinationSecurityGroupId') &&
          target(rule.Properties.DestinationSecurityGroupId) === groupIds.get(callee),
      );
      const expected = shop.services[caller]?.callees.includes(callee) ? 1 : 0;
      declared += expected;
      t.is(admitted.length, expected, `${caller} into ${callee}`);
      t.is(letOut.length, expected, `${caller} out to ${callee}`);
      for (const { Properties } of [...admitted, ...letOut]) {
        t.like(Properties, { IpProtocol: 'tcp', FromPort: PORTS.mesh, ToPort: PORTS.mesh });
      }
    }
  }
  t.true(declared > 15);
});

test('the edge port of the edge service admits the balancer alone, and no other service has it open', (t) => {
  const atEdgePort = ingress.filter(({ Properties }) => Properties.FromPort === PORTS.edge);
  t.is(atEdgePort.length, 1);
  const [{ Properties }] = atEdgePort as [Resource];
  t.is(target(Properties.GroupId), groupIds.get('web') ?? 'none');
  const [balancer] = Object.values(resources(template, 'AWS::ElasticLoadBalancingV2::LoadBalancer')) as [Resource];
  t.is(target(Properties.SourceSecurityGroupId), target(balancer.Properties.SecurityGroups[0]));
});

test('hosts admit nothing but those rules, and send nothing but calls and HTTPS', (t) => {
  for (const [name, id] of groupIds) {
    const { Properties } = groups[id] as Resource;
    t.is(Properties.SecurityGroupIngress, undefined, name);
    t.is(Properties.SecurityGroupEgress.length, 1, name);
    t.like(Properties.SecurityGroupEgress[0], { IpProtocol: 'tcp', FromPort: 443, ToPort: 443 }, name);
  }
  const declared = names.reduce((sum, name) => sum + (shop.services[name]?.callers.length ?? 0), 0);
  t.is(ingress.length, declared + 1);
  t.is(egress.length, declared + 1);
});

test('the balancer admits the given ranges alone, and nobody where none is given', (t) => {
  const rulesOf = (of: typeof template): unknown =>
    Object.values(resources(of, 'AWS::EC2::SecurityGroup')).find(({ Properties }) =>
      Properties.GroupDescription.startsWith('Balancer'),
    )?.Properties.SecurityGroupIngress;
  t.like(rulesOf(template), [{ CidrIp: '203.0.113.7/32', FromPort: 80, ToPort: 80, IpProtocol: 'tcp' }]);
  const closed = synthesise(topologyOf({ services: { web: { edge: true } } })).template;
  t.deepEqual((rulesOf(closed) ?? []) as unknown[], []);
});

test('hosts stand in subnets without a way to the internet, and there is no NAT', (t) => {
  t.deepEqual(resources(template, 'AWS::EC2::NatGateway'), {});
  t.deepEqual(resources(template, 'AWS::EC2::EIP'), {});
  const routes = Object.values(resources(template, 'AWS::EC2::Route'));
  const associations = Object.values(resources(template, 'AWS::EC2::SubnetRouteTableAssociation'));
  const routed = new Set(routes.map(({ Properties }) => target(Properties.RouteTableId)));
  const open = new Set(
    associations
      .filter(({ Properties }) => routed.has(target(Properties.RouteTableId)))
      .map(({ Properties }) => target(Properties.SubnetId)),
  );
  t.is(open.size, 2);
  for (const { Properties } of hosts) t.false(open.has(target(Properties.SubnetId)));
  const [balancer] = Object.values(resources(template, 'AWS::ElasticLoadBalancingV2::LoadBalancer')) as [Resource];
  t.true(balancer.Properties.Subnets.every((subnet: unknown) => open.has(target(subnet))));
});

test('services that call each other make no cycle', (t) => {
  const both = topologyOf({ services: { a: { edge: true, calls: ['b'] }, b: { calls: ['a'] } } });
  const rules = resources(synthesise(both).template, 'AWS::EC2::SecurityGroupIngress');
  t.is(Object.keys(rules).length, 3);
});

test('names that differ in hyphens alone get resources of their own', (t) => {
  const alike = topologyOf({
    services: { 'a-b': { edge: true, calls: ['ab', 'a-b-1'] }, ab: { replicas: 2 }, 'a-b-1': {} },
  });
  const made = resources(synthesise(alike).template, 'AWS::EC2::SecurityGroup');
  t.is(Object.keys(made).length, 3 + 2);
});
