import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { DNS, PORTS } from '../../../lib/model/contract';
import { loadTopology } from '../../../lib/model/load-topology';
import { hashValue } from '../../../lib/model/slice';
import { type Resource, resources, synthesise, target, topologyOf, userDataText } from './synthesise';

const shop = loadTopology('shop');
const { template, outdir } = synthesise(shop);
const hosts = resources(template, 'AWS::EC2::Instance');

function instanceOf({ Properties }: Resource): string {
  return Properties.Tags.find((entry: { Key: string }) => entry.Key === 'microcosm:instance').Value;
}

test('there is one machine a replica', (t) => {
  const expected = Object.values(shop.services).flatMap(({ name, replicas }) =>
    Array.from({ length: replicas }, (_, i) => `${name}-${i + 1}`),
  );
  t.deepEqual(Object.values(hosts).map(instanceOf).sort(), expected.sort());
});

test('replicas of a service are spread over both availability zones', (t) => {
  const subnets = Object.values(hosts)
    .filter((host) => instanceOf(host).startsWith('web-'))
    .map(({ Properties }) => target(Properties.SubnetId));
  t.is(new Set(subnets).size, 2);
});

test('machines demand session tokens for metadata, encrypt their disk, and have no key pair and no public address', (t) => {
  for (const { Properties } of Object.values(hosts)) {
    t.is(Properties.MetadataOptions.HttpTokens, 'required');
    t.true(Properties.BlockDeviceMappings[0].Ebs.Encrypted);
    t.is(Properties.KeyName, undefined);
    t.is(Properties.NetworkInterfaces, undefined);
  }
});

test('user data is small and names the slice of its own service', (t) => {
  for (const host of Object.values(hosts)) {
    const text = userDataText(host);
    t.true(text.length < 2_500, `${text.length}`);
    const key = /microcosm\/shop\/([0-9a-f]{64})\.json/.exec(text)?.[1];
    t.true(existsSync(join(outdir, 'slices', `${key}.json`)), instanceOf(host));
  }
  const slices = new Set(
    Object.values(hosts).map((host) => /shop\/([0-9a-f]{64})\.json/.exec(userDataText(host))?.[1]),
  );
  t.is(slices.size, Object.keys(shop.services).length);
});

test('a change to one service changes the machines of that service and no other resource', (t) => {
  const before = { services: { web: { edge: true, calls: ['a', 'b'] }, a: { replicas: 2, latencyMs: 1 }, b: {} } };
  const after = { services: { ...before.services, a: { replicas: 2, latencyMs: 2 } } };
  const [old, changed] = [before, after].map((spec) => synthesise(topologyOf(spec)).template.toJSON().Resources);
  const differing = [...new Set([...Object.keys(old), ...Object.keys(changed)])].filter(
    (id) => hashValue(old[id] ?? null) !== hashValue(changed[id] ?? null),
  );
  t.true(differing.length > 0);
  for (const id of differing) {
    const type = (old[id] ?? changed[id]).Type;
    if (type === 'AWS::Logs::LogGroup') continue; // its tag has the topology's hash
    t.regex(id, /^Hosta[12]/, `${type} ${id}`);
  }
  const machines = (template: Record<string, Resource>): string[] =>
    Object.keys(template).filter((id) => template[id]?.Type === 'AWS::EC2::Instance');
  const kept = machines(old).filter((id) => machines(changed).includes(id));
  t.deepEqual(kept.map((id) => /^Host([a-z]+\d)/.exec(id)?.[1]).sort(), ['b1', 'web1']);
});

test('more replicas leave the machines there are alone; a new call changes its two ends', (t) => {
  const machines = (spec: object): string[] =>
    Object.keys(resources(synthesise(topologyOf(spec)).template, 'AWS::EC2::Instance'));
  const services = { web: { edge: true, calls: ['a'] }, a: {}, b: {}, c: {} };
  const before = machines({ services });
  const scaled = machines({ services: { ...services, a: { replicas: 3 } } });
  t.deepEqual(
    before.filter((id) => !scaled.includes(id)),
    [],
  );
  const rerouted = machines({ services: { ...services, web: { edge: true, calls: ['a', 'b'] } } });
  const kept = before.filter((id) => rerouted.includes(id)).map((id) => /^Host([a-z]+)1/.exec(id)?.[1] ?? id);
  t.deepEqual(kept.sort(), ['a', 'c']);
});

test('another program, another image or another instance type makes other machines', (t) => {
  const small = topologyOf({ services: { web: { edge: true } } });
  const large = topologyOf({ services: { web: { edge: true, aws: { instanceType: 'c7g.large' } } } });
  const id = (...[topology, context, options]: Parameters<typeof synthesise>): string =>
    Object.keys(resources(synthesise(topology, context, options).template, 'AWS::EC2::Instance'))[0] as string;
  const ids = [
    id(small),
    id(small, {}, { program: 'other' }),
    id(small, { image: 'ami-0123456789abcdef0' }),
    id(small, { image: 'latest' }),
    id(large),
  ];
  t.is(new Set(ids).size, ids.length);
  t.is(id(small), ids[0] ?? 'none');
});

test('a machine is registered, and takes its place at the balancer, only after it has signalled', (t) => {
  const registrations = Object.values(resources(template, 'AWS::ServiceDiscovery::Instance'));
  const waits = resources(template, 'AWS::CloudFormation::WaitCondition');
  t.is(registrations.length, Object.keys(hosts).length);
  for (const { Properties, DependsOn } of registrations) {
    const [wait] = (DependsOn ?? []).filter((id) => id in waits);
    const machine = target(Properties.InstanceAttributes.AWS_INSTANCE_IPV4);
    t.deepEqual([...(waits[wait ?? '']?.DependsOn ?? [])], [machine]);
    t.is(instanceOf(hosts[machine] as Resource), Properties.InstanceId);
    t.is(Properties.InstanceAttributes.AWS_INSTANCE_PORT, String(PORTS.mesh));
    t.true(userDataText(hosts[machine] as Resource).includes(target(waits[wait as string]?.Properties.Handle)));
  }
  const [group] = Object.values(resources(template, 'AWS::ElasticLoadBalancingV2::TargetGroup')) as [Resource];
  const targets = group.Properties.Targets.map(({ Id }: { Id: unknown }) => target(Id));
  t.deepEqual(targets.map((id: string) => instanceOf(hosts[id] as Resource)).sort(), ['web-1', 'web-2']);
  t.is((group.DependsOn ?? []).filter((id) => id in waits).length, 2);
});

test('deletion ends a registration before its Cloud Map service and its machine', (t) => {
  const services = resources(template, 'AWS::ServiceDiscovery::Service');
  for (const { Properties } of Object.values(resources(template, 'AWS::ServiceDiscovery::Instance'))) {
    t.true(target(Properties.ServiceId) in services);
    t.true(target(Properties.InstanceAttributes.AWS_INSTANCE_IPV4) in hosts);
  }
  for (const { Properties } of Object.values(services)) {
    t.deepEqual(Properties.DnsConfig.DnsRecords, [{ TTL: DNS.ttlSeconds, Type: 'SRV' }]);
    t.is(Properties.DnsConfig.RoutingPolicy, 'MULTIVALUE');
  }
});

test('each machine is recovered, rebooted, and named when it is gone', (t) => {
  const alarms = Object.values(resources(template, 'AWS::CloudWatch::Alarm')).filter(
    ({ Properties }) => Properties.Namespace === 'AWS/EC2',
  );
  t.is(alarms.length, 3 * Object.keys(hosts).length);
  const web1 = alarms.filter(({ Properties }) => Properties.AlarmName.startsWith('shop web-1 '));
  const actions = web1.map(({ Properties }) => JSON.stringify(Properties.AlarmActions ?? []));
  t.true(actions.some((text) => text.includes(':ec2:recover')));
  t.true(actions.some((text) => text.includes(':ec2:reboot')));
  t.is(web1.find(({ Properties }) => Properties.AlarmName.endsWith('gone'))?.Properties.TreatMissingData, 'breaching');
});
