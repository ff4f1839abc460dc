import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { HOST, HOST_BOUNDS } from '../../../lib/aws/host';
import { writeHostFiles } from '../../../lib/aws/host-files';
import { QUOTAS } from '../../../lib/aws/limits';
import { calleesByService } from '../../../lib/model/call-graph';
import { ENVIRONMENT, graphParameterName, HOST_TAGS, PORTS, STACK_OUTPUTS } from '../../../lib/model/contract';
import { loadTopology } from '../../../lib/model/load-topology';
import { KEY_TEXT } from '../../../lib/model/token';
import { type Resource, resources, synthesise, target, topologyOf, userDataText } from './synthesise';

const shop = loadTopology('shop');
const OPERATOR = 'arn:aws:iam::123456789012:role/operator';
const closed = synthesise(shop).template;
const { template: open, outdir } = synthesise(shop, { faults: 'true', operator: OPERATOR });
const [secretId] = Object.keys(resources(open, 'AWS::SecretsManager::Secret'));
const hosts = Object.values(resources(open, 'AWS::EC2::Instance'));
const endpoint = (of: typeof open): Resource | undefined =>
  Object.values(resources(of, 'AWS::EC2::VPCEndpoint')).find(({ Properties }) =>
    JSON.stringify(Properties.ServiceName).includes('.secretsmanager'),
  );

test('without the switch there is no secret, no endpoint for it, no leave to read one, and no word of it to a host', (t) => {
  const text = JSON.stringify(closed.toJSON());
  t.deepEqual(resources(closed, 'AWS::SecretsManager::Secret'), {});
  t.deepEqual(resources(closed, 'AWS::SSM::Parameter'), {});
  t.false(/GRAPH_PARAMETER|ssm:GetParameter|PUBLIC_FAULTS/.test(text));
  t.is(endpoint(closed), undefined);
  t.false(/secretsmanager/i.test(text));
  t.false(text.includes('FAULT_KEY_ARN'));
  t.deepEqual(closed.findOutputs(STACK_OUTPUTS.faultKey), {});
});

test('Secrets Manager makes the key, of the characters that nodes take, and the template holds none', (t) => {
  const [secret, ...others] = Object.values(resources(open, 'AWS::SecretsManager::Secret'));
  t.deepEqual(others, []);
  const { GenerateSecretString: made, SecretString, Name } = secret?.Properties ?? {};
  t.is(SecretString, undefined);
  t.is(Name, undefined, 'a name could still be taken by a secret that waits for its deletion');
  t.true(made.ExcludeUppercase && made.ExcludePunctuation);
  const left = [...'0123456789abcdefghijklmnopqrstuvwxyz'].filter((each) => !made.ExcludeCharacters.includes(each));
  t.is(left.join(''), '0123456789abcdef');
  t.regex(left.join('').repeat(made.PasswordLength / left.length), KEY_TEXT);
});

test("the hosts' role may read this secret, by this action, and through this endpoint only", (t) => {
  const [role] = Object.values(resources(open, 'AWS::IAM::Role'));
  const concerning = role?.Properties.Policies[0].PolicyDocument.Statement.filter((statement: object) =>
    JSON.stringify(statement).includes('secretsmanager'),
  );
  t.deepEqual(concerning, [{ Action: 'secretsmanager:GetSecretValue', Effect: 'Allow', Resource: { Ref: secretId } }]);
  const { PolicyDocument, PrivateDnsEnabled } = endpoint(open)?.Properties ?? {};
  t.true(PrivateDnsEnabled);
  t.is(PolicyDocument.Statement.length, 1);
  t.like(PolicyDocument.Statement[0], { Action: 'secretsmanager:GetSecretValue', Resource: { Ref: secretId } });
});

test('an operator that is named keeps everybody but the hosts and itself from reading', (t) => {
  const [policy] = Object.values(resources(open, 'AWS::SecretsManager::ResourcePolicy'));
  t.is(target(policy?.Properties.SecretId), secretId ?? '');
  const [roleId] = Object.keys(resources(open, 'AWS::IAM::Role'));
  t.deepEqual(policy?.Properties.ResourcePolicy.Statement, [
    {
      Effect: 'Deny',
      Principal: '*',
      Action: 'secretsmanager:GetSecretValue',
      Resource: '*',
      Condition: { ArnNotEquals: { 'aws:PrincipalArn': [{ 'Fn::GetAtt': [roleId, 'Arn'] }, OPERATOR] } },
    },
  ]);
  const unnamed = synthesise(topologyOf({ services: { web: { edge: true } } }), { faults: true }).template;
  t.deepEqual(resources(unnamed, 'AWS::SecretsManager::ResourcePolicy'), {});
});

test('hosts are told which secret, never what is in it, and are made once the endpoint is there', (t) => {
  const [endpointId] =
    Object.entries(resources(open, 'AWS::EC2::VPCEndpoint')).find(([, each]) => each === endpoint(open)) ?? [];
  for (const host of hosts) {
    t.true(userDataText(host).includes(`FAULT_KEY_ARN='{"Ref":"${secretId}"}'`));
    t.true(host.DependsOn?.includes(endpointId ?? ''));
  }
  t.is(target(open.findOutputs(STACK_OUTPUTS.faultKey)[STACK_OUTPUTS.faultKey]?.Value), secretId ?? '');
  t.false(JSON.stringify(open.toJSON()).includes('{{resolve:secretsmanager'));
});

test('switching live faults on makes other machines, since a machine is never changed', (t) => {
  const before = Object.keys(resources(closed, 'AWS::EC2::Instance'));
  const after = Object.keys(resources(open, 'AWS::EC2::Instance'));
  t.deepEqual(
    before.filter((id) => after.includes(id)),
    [],
  );
});

test('the control port is open in no security group', (t) => {
  for (const type of ['AWS::EC2::SecurityGroup', 'AWS::EC2::SecurityGroupIngress']) {
    const text = JSON.stringify(resources(open, type));
    t.false(new RegExp(`Port":${PORTS.control}\\b`).test(text), type);
  }
});

test('the node gets the key as a credential of its unit, and a control interface at the known port', (t) => {
  const folder = writeHostFiles(outdir, { program: '' }).folder;
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const settings = read('faults.conf');
  t.true(settings.includes(`\nLoadCredential=key:${HOST.key}\n`));
  t.true(settings.includes(`\nEnvironment=${ENVIRONMENT.key}=%d/key\n`));
  t.true(settings.includes(`\nEnvironment=${ENVIRONMENT.controlPort}=${PORTS.control}\n`));
  t.true(settings.includes(`\nEnvironment=${ENVIRONMENT.liveSlice}=`));
  t.false(read('microcosm.service').includes(ENVIRONMENT.key));
});

/** Each machine with the instance that it bears. */
function machines(spec: object, context: object): readonly string[] {
  const { template } = synthesise(topologyOf(spec), { faults: 'true', ...context });
  return Object.entries(resources(template, 'AWS::EC2::Instance')).map(([id, { Properties }]) => {
    const tags: readonly { Key: string; Value: string }[] = Properties.Tags;
    return `${tags.find(({ Key }) => Key === HOST_TAGS.instance)?.Value} ${id}`;
  });
}

test('a parameter of a name that stays leads to the calls of the whole topology, and hosts may read it', (t) => {
  const [[id, parameter] = [], ...others] = Object.entries(resources(open, 'AWS::SSM::Parameter'));
  t.deepEqual(others, []);
  const { Name, Value, Tier = 'Standard' } = parameter?.Properties ?? {};
  t.is(Name, graphParameterName('shop'));
  t.is(Tier, 'Standard');
  const [, file = ''] = /AWS::Region}.*\/microcosm\/shop\/([0-9a-f]+\.json)"/.exec(JSON.stringify(Value)) ?? [];
  t.deepEqual(
    JSON.parse(readFileSync(join(outdir, 'graphs', file), 'utf8')),
    JSON.parse(JSON.stringify(calleesByService(shop))),
  );
  const [role] = Object.values(resources(open, 'AWS::IAM::Role'));
  const read = role?.Properties.Policies[0].PolicyDocument.Statement.find(
    ({ Action }: { Action: unknown }) => Action === 'ssm:GetParameter',
  );
  t.true(JSON.stringify(read.Resource).endsWith(`:parameter${Name}"]]}`), JSON.stringify(read.Resource));
  for (const host of hosts) {
    t.true(userDataText(host).includes(`GRAPH_PARAMETER='${Name}'`));
    t.true(host.DependsOn?.includes(id ?? ''));
  }
});

test('calls that others make change the parameter and no host that they do not concern', (t) => {
  const services = { web: { edge: true, calls: ['a'] }, a: { calls: ['b'] }, b: {}, c: {} };
  const more = { ...services, b: { calls: ['c', 'd'] }, d: {} };
  const value = (spec: object): unknown =>
    Object.values(resources(synthesise(topologyOf(spec), { faults: 'true' }).template, 'AWS::SSM::Parameter'))[0]
      ?.Properties.Value;
  t.notDeepEqual(value({ services }), value({ services: more }));
  const [before, after] = [machines({ services }, {}), machines({ services: more }, {})];
  const kept = before.filter((each) => after.includes(each)).map((each) => each.split(' ')[0]);
  t.deepEqual(kept.sort(), ['a-1', 'web-1']);
});

test('the edge is told that it is open only where it is, and no other host is', (t) => {
  const spec = { services: { web: { edge: true, calls: ['a'] }, a: {} } };
  const [shut, opened] = [machines(spec, {}), machines(spec, { publicFaults: 'true' })];
  t.deepEqual(
    shut.filter((each) => !opened.includes(each)).map((each) => each.split(' ')[0]),
    ['web-1'],
  );
  const { template } = synthesise(topologyOf(spec), { faults: 'true', publicFaults: 'true' });
  const told = Object.values(resources(template, 'AWS::EC2::Instance')).map(userDataText);
  t.is(told.filter((text) => text.includes(' PUBLIC_FAULTS=on')).length, 1);
  t.is(template.findOutputs(STACK_OUTPUTS.publicFaults)[STACK_OUTPUTS.publicFaults]?.Value, 'on');
  t.deepEqual(open.findOutputs(STACK_OUTPUTS.publicFaults), {});
  t.false(hosts.some((host) => userDataText(host).includes('PUBLIC_FAULTS')));
});

test('a host looks for changed calls by a timer, so seldom that all hosts of a topology may', (t) => {
  const folder = writeHostFiles(outdir, { program: '' }).folder;
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  t.true(read('faults.conf').includes(`\nEnvironment=${ENVIRONMENT.graph}=${HOST.graph}\n`));
  const timer = read('microcosm-graph.timer');
  t.true(timer.includes(`\nOnUnitInactiveSec=${HOST_BOUNDS.graphSeconds}\n`));
  t.true(QUOTAS.cloudMapInstancesPerNamespace / HOST_BOUNDS.graphSeconds < 20, 'half of 40 reads a second');
});
