import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { HOST } from '../../../lib/aws/host';
import { writeHostFiles } from '../../../lib/aws/host-files';
import { ENVIRONMENT, PORTS, STACK_OUTPUTS } from '../../../lib/model/contract';
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
