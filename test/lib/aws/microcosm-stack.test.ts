import { mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { App } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { layoutOf } from '../../../lib/aws/footprint';
import { writeHostFiles } from '../../../lib/aws/host-files';
import { IMAGES } from '../../../lib/aws/images';
import { MicrocosmStack } from '../../../lib/aws/microcosm-stack';
import { QUERIES } from '../../../lib/aws/saved-queries';
import { acknowledge } from '../../../lib/aws/security-checks';
import { readSettings } from '../../../lib/aws/settings';
import { DNS, PORTS, RESERVED_PATHS } from '../../../lib/model/contract';
import { loadTopology } from '../../../lib/model/load-topology';
import { hashValue, sliceOf } from '../../../lib/model/slice';
import { UserError } from '../../../lib/model/user-error';
import { type Resource, resources, synthesise, target, topologyOf } from './synthesise';

const shop = loadTopology('shop');
const { template, stack, outdir } = synthesise(shop);
const small = topologyOf({ services: { web: { edge: true, deadlineMs: 4_000 } } });
const two = topologyOf({ services: { web: { edge: true }, api: { edge: true } } });
const only = (of: typeof template, type: string): Resource => {
  const [first, ...others] = Object.values(resources(of, type));
  if (!first || others.length > 0) throw new Error(`${others.length + 1} of ${type}`);
  return first;
};

test('the stack is bound to no account and no Region, and is called after the topology', (t) => {
  t.is(stack.stackName, 'Microcosm-shop');
  t.true(stack.environment.includes('unknown-account/unknown-region'));
  t.falsy(stack.terminationProtection);
  const renamed = synthesise(shop, { as: 'shop-2' });
  t.is(renamed.stack.stackName, 'Microcosm-shop-2');
  t.is(only(renamed.template, 'AWS::Logs::LogGroup').Properties.LogGroupName, '/microcosm/shop-2');
  const seeds = readdirSync(join(renamed.outdir, 'slices')).map(
    (name) => JSON.parse(readFileSync(join(renamed.outdir, 'slices', name), 'utf8')).seed,
  );
  t.deepEqual([...new Set(seeds)], ['shop'], 'another name must draw the same');
});

test('the slices that are deployed are those that the check expects', (t) => {
  const deployed = readdirSync(join(outdir, 'slices')).map((name) =>
    hashValue(JSON.parse(readFileSync(join(outdir, 'slices', name), 'utf8'))),
  );
  t.deepEqual(
    deployed.sort(),
    Object.keys(shop.services)
      .map((name) => hashValue(sliceOf(shop, name)))
      .sort(),
  );
});

test('the outputs say where the edge, the log and the dashboard are, and what to run next', (t) => {
  const outputs = template.findOutputs('*');
  t.deepEqual(
    Object.keys(outputs).sort(),
    ['Clients', 'DashboardUrl', 'EdgeUrl', 'LoadCommand', 'LogGroup', 'TimelineCommand', 'TopologyHash'].sort(),
  );
  t.is(outputs.TopologyHash?.Value, hashValue(shop));
  t.regex(outputs.LoadCommand?.Value, /tools\/load\.ts shop --aws/);
  t.regex(outputs.Clients?.Value, /nobody/);
});

test('the balancer asks the edge port whether it is ready, drains for 15 s, and prefers idle hosts', (t) => {
  const { Properties } = only(template, 'AWS::ElasticLoadBalancingV2::TargetGroup');
  t.like(Properties, { Port: PORTS.edge, Protocol: 'HTTP', HealthCheckPath: RESERVED_PATHS.ready });
  const attributes = Object.fromEntries(
    Properties.TargetGroupAttributes.map(({ Key, Value }: { Key: string; Value: string }) => [Key, Value]),
  );
  t.is(attributes['deregistration_delay.timeout_seconds'], '15');
  t.is(attributes['load_balancing.algorithm.type'], 'least_outstanding_requests');
});

test('one edge service takes all paths; several are told apart by their first segment', (t) => {
  t.deepEqual(resources(template, 'AWS::ElasticLoadBalancingV2::ListenerRule'), {});
  t.is(only(template, 'AWS::ElasticLoadBalancingV2::Listener').Properties.DefaultActions[0].Type, 'forward');
  const several = synthesise(two).template;
  const rules = Object.values(resources(several, 'AWS::ElasticLoadBalancingV2::ListenerRule'));
  const paths = rules.map(({ Properties }) => Properties.Conditions[0].PathPatternConfig.Values);
  t.deepEqual(paths, [
    ['/web', '/web/*'],
    ['/api', '/api/*'],
  ]);
  const [fallback] = only(several, 'AWS::ElasticLoadBalancingV2::Listener').Properties.DefaultActions;
  t.is(fallback.FixedResponseConfig.StatusCode, '404');
});

test('a certificate brings HTTPS and redirects HTTP', (t) => {
  const certificate = 'arn:aws:acm:eu-central-1:123456789012:certificate/6c5f9a7e-0000-4000-8000-000000000000';
  const { template } = synthesise(small, { certificate, clients: '0.0.0.0/0' });
  const listeners = Object.values(resources(template, 'AWS::ElasticLoadBalancingV2::Listener'));
  const byPort = new Map(listeners.map(({ Properties }) => [Properties.Port, Properties]));
  t.is(byPort.get(443).Certificates[0].CertificateArn, certificate);
  t.is(byPort.get(80).DefaultActions[0].RedirectConfig.Protocol, 'HTTPS');
  t.true(JSON.stringify(template.findOutputs('EdgeUrl')).includes('https://'));
});

test('the stack owns the log group: retention, deletion, an index on the run', (t) => {
  const group = Object.values(template.findResources('AWS::Logs::LogGroup'))[0];
  t.is(group?.DeletionPolicy, 'Delete');
  t.is(group?.Properties.RetentionInDays, 30);
  t.deepEqual(group?.Properties.FieldIndexPolicies, [{ Fields: ['run', 'traceId'] }]);
  const week = synthesise(small, { retention: '7' }).template;
  t.is(only(week, 'AWS::Logs::LogGroup').Properties.RetentionInDays, 7);
});

test('the namespace forgets what does not exist as soon as the contract says', (t) => {
  const { Properties } = only(template, 'AWS::ServiceDiscovery::PrivateDnsNamespace');
  t.is(Properties.Name, `shop.${DNS.suffix}`);
  t.is(Properties.Properties.DnsProperties.SOA.TTL, DNS.negativeTtlSeconds);
});

test("hosts read their own topology's files, write their own log, and nothing else of the account", (t) => {
  const { Properties } = only(template, 'AWS::IAM::Role');
  const statements = Properties.Policies[0].PolicyDocument.Statement;
  const actions = statements.flatMap(({ Action }: { Action: string | string[] }) => Action);
  t.false(actions.some((action: string) => action.includes('*')));
  const read = statements.find(({ Action }: { Action: unknown }) => Action === 's3:GetObject');
  t.true(JSON.stringify(read.Resource).includes('/microcosm/shop/*'));
  const put = statements.find(({ Action }: { Action: unknown }) => Action === 'cloudwatch:PutMetricData');
  t.deepEqual(put.Condition, { StringEquals: { 'cloudwatch:namespace': 'Microcosm/shop' } });
});

test('alarms are mailed where an address is given, and there is no topic where none is', (t) => {
  t.deepEqual(resources(template, 'AWS::SNS::Topic'), {});
  const { template: mailed } = synthesise(small, { email: 'who@example.com' });
  const [topic] = Object.keys(resources(mailed, 'AWS::SNS::Topic'));
  for (const { Properties } of Object.values(resources(mailed, 'AWS::CloudWatch::Alarm'))) {
    t.true(
      Properties.AlarmActions.some((action: unknown) => target(action) === topic),
      Properties.AlarmName,
    );
  }
});

test('the p99 alarm stands at half of the longest deadline, the silence alarm at half a host', (t) => {
  const alarms = Object.values(resources(synthesise(small).template, 'AWS::CloudWatch::Alarm'));
  const named = (name: string) => alarms.find(({ Properties }) => Properties.AlarmName === `small ${name}`)?.Properties;
  t.is(named('web p99').Threshold, 2);
  t.like(named('silent'), { Threshold: 15, TreatMissingData: 'breaching', ComparisonOperator: 'LessThanThreshold' });
});

test("saved queries and metric filters read the stack's own log group", (t) => {
  const [group] = Object.keys(resources(template, 'AWS::Logs::LogGroup'));
  const queries = Object.values(resources(template, 'AWS::Logs::QueryDefinition'));
  t.is(queries.length, 5);
  for (const { Properties } of queries) t.deepEqual(Properties.LogGroupNames.map(target), [group]);
  for (const { Properties } of Object.values(resources(template, 'AWS::Logs::MetricFilter'))) {
    t.is(target(Properties.LogGroupName), group ?? '');
  }
});

test('a topology of many services has metrics of its whole instead of a thousand of its parts', (t) => {
  const services = Object.fromEntries(Array.from({ length: 201 }, (_, i) => [`s${i}`, { edge: i === 0 }]));
  const filters = Object.values(resources(synthesise(topologyOf({ services })).template, 'AWS::Logs::MetricFilter'));
  t.true(filters.every(({ Properties }) => Properties.MetricTransformations[0].Dimensions === undefined));
});

test('images come from the table by Region and processor; a Region that it lacks is refused', (t) => {
  const mapping = Object.values(template.findMappings('*'))[0] as Record<string, Record<string, string>>;
  t.is(mapping['eu-central-1']?.arm64, IMAGES.byRegion['eu-central-1']?.arm64 ?? '');
  const types = topologyOf({ services: { web: { edge: true, aws: { instanceType: 'c6i.large' } } } });
  const image = only(synthesise(types).template, 'AWS::EC2::Instance').Properties.ImageId;
  t.deepEqual(image['Fn::FindInMap'].slice(1), [{ Ref: 'AWS::Region' }, 'x8664']);
  const error = t.throws(() => synthesise(small, {}, { region: 'mars-north-1' }), { instanceOf: UserError });
  t.regex(error.message, /^mars-north-1: the image table of .* lacks this Region; .*-c image=/);
  t.notThrows(() => synthesise(small, { image: 'ami-0123456789abcdef0' }, { region: 'mars-north-1' }));
  const rule = template.toJSON().Rules.RegionHasImage;
  t.deepEqual(rule.Assertions[0].Assert['Fn::Contains'][0], Object.keys(IMAGES.byRegion));
});

test('cdk-nag finds nothing that is not acknowledged, and the acknowledged findings are there', (t) => {
  for (const topology of [shop, two]) {
    for (const [email, faults] of [
      [undefined, true],
      ['who@example.com', false],
    ] as const) {
      const app = new App({ outdir: mkdtempSync(join(tmpdir(), 'microcosm-nag-')) });
      const settings = readSettings((key) => ({ topology: 'x', email, faults, publicFaults: faults })[key]);
      const hostFiles = writeHostFiles(app.outdir, { program: '' });
      const checked = new MicrocosmStack(app, { topology, settings, hostFiles });
      t.true(new AwsSolutionsChecks(app).validateScope(app).violations.length >= 5);
      acknowledge(checked, { topology: topology.name, email: email !== undefined, imageTable: true, faults });
      const { violations } = new AwsSolutionsChecks(app).validateScope(app);
      t.deepEqual(
        violations.map(({ ruleName }) => ruleName),
        [],
      );
    }
  }
});

test('beyond one stack, nested stacks stay within the limits of each and refer to nothing they lack', (t) => {
  const services = Object.fromEntries(
    Array.from({ length: 120 }, (_, i) => [
      `s${i}`,
      {
        edge: i === 0,
        replicas: i === 7 ? 80 : 1,
        calls: [2 * i + 1, 2 * i + 2, 3 * i + 7]
          .filter((j) => j < 120)
          .map((j) => `s${j}`)
          .filter(unique),
      },
    ]),
  );
  const topology = topologyOf({ services });
  t.true(layoutOf(topology).nested);
  const { template, nested, outdir } = synthesise(topology);
  const all = [template, ...Object.values(nested)];
  t.is(all.flatMap((each) => Object.keys(resources(each, 'AWS::EC2::Instance'))).length, 199);
  for (const each of all) {
    const { Resources, Parameters = {}, Outputs = {}, Mappings = {} } = each.toJSON();
    t.true(Object.keys(Resources).length <= 500);
    t.true(Object.keys(Parameters).length <= 200);
    t.true(Object.keys(Outputs).length <= 200);
    const text = JSON.stringify(Resources);
    for (const [, name] of text.matchAll(/"Ref":"([^"]+)"/g)) {
      t.true(`${name}`.startsWith('AWS::') || `${name}` in Resources || `${name}` in Parameters, name);
    }
    for (const [, name] of text.matchAll(/"Fn::FindInMap":\["([^"]+)"/g)) t.true(`${name}` in Mappings, name);
  }
  for (const name of readdirSync(outdir).filter((file) => file.endsWith('.template.json'))) {
    t.true(statSync(join(outdir, name)).size < 1_000_000, name);
  }
});

function unique<T>(value: T, index: number, list: readonly T[]): boolean {
  return list.indexOf(value) === index;
}

test('the guide has the saved queries word for word, and every setting', (t) => {
  const guide = readFileSync('docs/aws.md', 'utf8');
  for (const query of Object.values(QUERIES)) t.true(guide.includes(`\n${query}\n`), query);
  for (const key of [
    'topology',
    'as',
    'image',
    'certificate',
    'clients',
    'email',
    'retention',
    'faults',
    'publicFaults',
    'operator',
  ]) {
    t.true(guide.includes(`\`-c ${key}=\``), key);
  }
});
