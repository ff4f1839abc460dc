import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_INSTANCE_TYPE } from '../../lib/aws/instance-types';
import { calleesByService } from '../../lib/model/call-graph';
import {
  graphParameterName,
  instanceName,
  logGroupName,
  PORTS,
  RESERVED_PATHS,
  stackName,
} from '../../lib/model/contract';
import { loadTopology } from '../../lib/model/load-topology';
import { hashValue, sliceOf } from '../../lib/model/slice';
import type { Topology } from '../../lib/model/topology';
import { type Finished, ROOT, succeed, tool } from './command';
import { ACCOUNT, type Emulator, REGION, startEmulator } from './emulator';
import { GAPS, LEFT_BEHIND, PROPERTY_GAPS } from './emulator-gaps';
import type { ProofGroup, Scene } from './proof';
import { python } from './python';

const shop = loadTopology('shop', { cwd: ROOT });
const CLIENT_RANGE = '203.0.113.7/32';
const BUCKET = `cdk-hnb659fds-assets-${ACCOUNT}-${REGION}`;
const USER_DATA_BYTES = 16_384;

interface Deployed {
  readonly emulator: Emulator;
  readonly found: Found;
  /** Folder of the assembly that was deployed. */
  readonly output: string;
}

/** As `inspect-deployment.py` prints it. */
interface Found {
  readonly status: string;
  readonly outputs: Readonly<Record<string, string>>;
  readonly hosts: readonly {
    readonly id: string;
    readonly type: string;
    readonly image: string;
    readonly subnet: string;
    readonly groups: readonly string[];
    readonly tags: Readonly<Record<string, string>>;
    readonly userData: string;
  }[];
  readonly targets: readonly {
    readonly port: number;
    readonly healthPath: string;
    readonly members: readonly { readonly id: string; readonly port: number }[];
  }[];
  readonly balancers: readonly string[];
  readonly groups: readonly {
    readonly id: string;
    readonly description: string;
    readonly ingress: readonly {
      readonly protocol: string;
      readonly fromPort: number;
      readonly toPort: number;
      readonly groups: readonly string[];
      readonly ranges: readonly string[];
    }[];
  }[];
  readonly subnets: Readonly<Record<string, boolean>>;
  readonly natGateways: number;
  readonly endpoints: readonly string[];
  readonly logGroups: readonly { readonly name: string; readonly retention: number | null }[];
  readonly parameters: Readonly<Record<string, string>>;
  readonly assets: readonly {
    readonly key: string;
    readonly json?: unknown;
    readonly files?: readonly string[];
  }[];
}

let emulator: Emulator | undefined;
let deployed: Deployed | undefined;

const CDK = join(ROOT, 'node_modules', '.bin', 'cdk');

/** Asks the emulator what it holds, by one of the scripts beside this file. */
async function inspect(script: string, env: Emulator['env']): Promise<Finished> {
  const all = [join(ROOT, 'test', 'aws', script), stackName('shop'), BUCKET];
  return succeed(join(await python(), 'python'), all, { env });
}

const output = mkdtempSync(join(tmpdir(), 'microcosm-cdk-'));

async function deploy({ note }: Scene): Promise<void> {
  emulator = await startEmulator();
  const app = `node -r ts-node/register ${join('test', 'aws', 'emulated-app.ts')}`;
  const common = ['-c', 'topology=shop', '-c', `clients=${CLIENT_RANGE}`, '-c', 'faults=true', '--output', output];
  const { env } = emulator;
  // Nothing but the product's own command line, except that the app is followed by what the emulator needs.
  await succeed(CDK, ['bootstrap', `aws://${ACCOUNT}/${REGION}`, '--app', app, ...common], { env });
  await succeed(CDK, ['deploy', '--app', output, '--method', 'direct'], { env });
  const { stdout } = await inspect('inspect-deployment.py', env);
  deployed = { emulator, found: JSON.parse(stdout), output };
  assert.equal(deployed.found.status, 'CREATE_COMPLETE');
  const unknown = emulator
    .log()
    .split('\n')
    .filter((line) => /No Moto CloudFormation support for (?!AWS::S3::BucketPolicy)|Traceback/.test(line));
  assert.deepEqual([...new Set(unknown)], [], 'the emulator lacks what the table of its gaps does not name');
  for (const { type, attribute, what } of GAPS) note(`gap: ${type}${attribute ? `.${attribute}` : ''}: ${what}`);
  for (const what of PROPERTY_GAPS) note(`gap: ${what}`);
  note('gap: AWS::S3::BucketPolicy of the bootstrap stack is not made');
}

function withDeployment(prove: (deployed: Deployed, scene: Scene) => void | Promise<void>) {
  return async (scene: Scene): Promise<void> => {
    if (!deployed) throw new Error('the deployment failed');
    await prove(deployed, scene);
  };
}

function hostsAreTheTopology({ found }: Deployed): void {
  for (const service of Object.values(shop.services)) {
    const hosts = found.hosts.filter(({ tags }) => tags['microcosm:service'] === service.name);
    const names = Array.from({ length: service.replicas }, (_, index) => instanceName(service.name, index + 1));
    assert.deepEqual(hosts.map(({ tags }) => tags['microcosm:instance']).sort(), names.sort());
    for (const host of hosts) {
      assert.equal(host.type, service.instanceType ?? DEFAULT_INSTANCE_TYPE);
      assert.match(host.image, /^ami-/);
      assert.equal(found.subnets[host.subnet], false, 'hosts stand in private subnets');
      assert.equal(host.groups.length, 1);
    }
  }
  assert.equal(found.hosts.length, replicas(shop));
  assert.equal(found.natGateways, 0);
}

/** A host's user data, and the files that it fetches: its own slice, and programs that are all there. */
function hostsFetchTheirOwn({ found }: Deployed): void {
  const asset = (path: string) => {
    const [bucket, ...key] = path.split('/');
    assert.equal(bucket, BUCKET);
    const item = found.assets.find((each) => each.key === key.join('/'));
    assert.ok(item, `${path} is not in the bucket`);
    return item;
  };
  for (const { tags, userData } of found.hosts) {
    const service = shop.services[tags['microcosm:service'] ?? ''];
    assert.ok(service);
    assert.ok(Buffer.byteLength(userData) <= USER_DATA_BYTES);
    assert.ok(userData.includes(`INSTANCE='${tags['microcosm:instance']}'`));
    assert.ok(userData.includes(`EDGE=${service.edge ? 1 : 0} LOG_GROUP='${logGroupName('shop')}'`));
    assert.ok(userData.includes(`AWS_DEFAULT_REGION='${REGION}'`));
    const [files = '', slice = ''] = [...userData.matchAll(/^fetch '([^']+)'/gm)].map(([, path]) => path ?? '');
    assert.deepEqual(asset(slice).json, JSON.parse(JSON.stringify(sliceOf(shop, service.name))));
    assert.ok(userData.includes(`GRAPH_PARAMETER='${graphParameterName('shop')}'`));
    const names = asset(files).files ?? [];
    for (const name of ['node.js', 'setup.sh', 'contract.sh', 'microcosm.service', 'agent.json']) {
      assert.ok(names.includes(name), `${name} is not among the host's files`);
    }
  }
}

function edgeHostsAreTheTargets({ found }: Deployed): void {
  const edges = Object.values(shop.services).filter(({ edge }) => edge);
  assert.equal(found.targets.length, edges.length);
  const members = found.targets.flatMap((target) => {
    assert.equal(target.healthPath, RESERVED_PATHS.ready);
    return target.members.map(({ id, port }) => `${id}:${port}`);
  });
  const expected = found.hosts
    .filter(({ tags }) => shop.services[tags['microcosm:service'] ?? '']?.edge)
    .map(({ id }) => `${id}:${PORTS.edge}`);
  assert.deepEqual(members.sort(), expected.sort());
}

function rulesAreTheCalls({ found }: Deployed): void {
  const groupOf = new Map<string, string>();
  for (const { tags, groups } of found.hosts) {
    const service = tags['microcosm:service'] ?? '';
    const known = groupOf.get(service);
    assert.ok(known === undefined || known === groups[0], `hosts of ${service} share a security group`);
    groupOf.set(service, groups[0] ?? '');
  }
  const balancer = found.groups.find(({ description }) => description === 'Balancer of shop');
  assert.ok(balancer);
  assert.deepEqual(
    balancer.ingress.map(({ fromPort, toPort, ranges }) => [fromPort, toPort, ranges]),
    [[80, 80, [CLIENT_RANGE]]],
  );
  const names = new Map([...groupOf].map(([service, group]) => [group, service]));
  names.set(balancer.id, 'BALANCER');
  for (const service of Object.values(shop.services)) {
    const group = found.groups.find(({ id }) => id === groupOf.get(service.name));
    const admitted = group?.ingress.flatMap(({ protocol, fromPort, toPort, groups, ranges }) => {
      assert.deepEqual([protocol, ranges], ['tcp', []]);
      assert.equal(fromPort, toPort);
      return groups.map((id) => `${names.get(id)}:${fromPort}`);
    });
    const expected = [
      ...service.callers.map((caller) => `${caller}:${PORTS.mesh}`),
      ...(service.edge ? [`BALANCER:${PORTS.edge}`] : []),
    ];
    assert.deepEqual(admitted?.sort(), expected.sort(), `callers of ${service.name}`);
  }
}

function logsParametersOutputs({ found }: Deployed): void {
  assert.deepEqual(found.logGroups, [{ name: logGroupName('shop'), retention: 30 }]);
  const { [graphParameterName('shop')]: graph = '', ...others } = found.parameters;
  assert.deepEqual(Object.keys(others), ['/cdk-bootstrap/hnb659fds/version']);
  const calls = found.assets.find(({ key }) => `${BUCKET}/${key}` === graph);
  assert.deepEqual(calls?.json, calleesByService(shop), 'the parameter leads to the calls of the whole topology');
  assert.equal(found.outputs.TopologyHash, hashValue(shop));
  assert.equal(found.outputs.LogGroup, logGroupName('shop'));
  assert.equal(found.balancers.length, 1);
  assert.equal(found.outputs.EdgeUrl, `http://${found.balancers[0]}`);
}

/** Traffic can't reach the emulator's balancer, which is but a name: so it is sent to nobody, at an address of its own. */
async function loadFindsTheStack({ emulator: { env } }: Deployed, { cleanup }: Scene): Promise<void> {
  const cwd = mkdtempSync(join(tmpdir(), 'microcosm-'));
  cleanup(() => rmSync(cwd, { recursive: true, force: true }));
  const file = join(ROOT, 'topologies', 'shop.ts');
  const args = ['--aws', '--requests', '3', '--rate', '100', '--timeout', '1s', '--json'];

  const elsewhere = await tool('load', [file, ...args, '--as', 'blue'], { cwd, env });
  assert.equal(elsewhere.code, 2);
  assert.match(elsewhere.stderr, /Microcosm-blue: there is no such stack in eu-central-1/);

  const folder = join(cwd, 'topologies');
  mkdirSync(folder);
  const other = join(folder, 'shop.json');
  writeFileSync(other, JSON.stringify({ name: 'shop', services: { web: { edge: true } } }));
  const changed = await tool('load', [other, ...args], { cwd, env });
  assert.equal(changed.code, 2);
  assert.match(changed.stderr, /the file says something else than what is deployed as shop in eu-central-1/);

  const nowhere = await tool('load', [file, ...args, '--url', 'http://127.0.0.1:9'], { cwd, env });
  assert.equal(nowhere.code, 1, nowhere.stderr);
  const { run, url } = JSON.parse(nowhere.stdout);
  assert.equal(url, 'http://127.0.0.1:9');

  // The uploaded manifest and events of the client are read by a machine that has no part in the run.
  const away = mkdtempSync(join(tmpdir(), 'microcosm-'));
  cleanup(() => rmSync(away, { recursive: true, force: true }));
  const check = await tool('check', [run, '--json', '--wait', '0'], { cwd: away, env });
  assert.notEqual(check.code, 2, check.stderr);
  assert.match(check.stderr, /word from after the run's end of .*web-1/);
  const unknown = await tool('timeline', ['shop-20261121t054429z-zzzz'], { cwd: away, env });
  assert.equal(unknown.code, 2);
  assert.ok(unknown.stderr.includes(run), `names the runs that exist: ${unknown.stderr}`);
  const missing = await tool('timeline', ['cart-20261121t054429z-zzzz'], { cwd: away, env });
  assert.match(missing.stderr, /\/microcosm\/cart: there is no such log group/);
}

/** The key itself the emulator's stack does not make; which machine is which instance it tells. */
async function faultFindsTheHosts({ emulator: { env }, found }: Deployed): Promise<void> {
  const { code, stdout, stderr } = await tool('fault', ['list', 'shop', '--aws', '--json'], { env });
  assert.equal(code, 0, stderr);
  const commands = JSON.parse(stdout) as readonly string[];
  const told = commands.map((line) => [line.split('# ')[1], / --target (i-[0-9a-f]+) /.exec(line)?.[1]]);
  const expected = found.hosts.map(({ id, tags }) => [tags['microcosm:instance'], id]);
  assert.deepEqual(told.sort(), expected.sort());
}

/** What the emulator can delete must all be gone, the log with it; only the bootstrap bucket stays. */
async function destroyLeavesNothing({ emulator: { env }, output }: Deployed, { note }: Scene): Promise<void> {
  await succeed(CDK, ['destroy', '--force', '--app', output], { env });
  const left = JSON.parse((await inspect('left-behind.py', env)).stdout);
  for (const what of LEFT_BEHIND) note(`gap: the emulator leaves ${what} (${left[what]?.length ?? 0})`);
  assert.deepEqual(
    Object.keys(left).filter((what) => !LEFT_BEHIND.includes(what)),
    [],
    JSON.stringify(left),
  );
}

function replicas({ services }: Topology): number {
  return Object.values(services).reduce((sum, service) => sum + service.replicas, 0);
}

export const deploymentProofs: ProofGroup = {
  title: "cdk bootstrap and cdk deploy -c topology=shop against an emulator of AWS's APIs (moto)",
  proofs: [
    { title: 'cdk bootstrap and cdk deploy make the stack', run: deploy },
    { title: 'there is one private host for each replica, and no NAT', run: withDeployment(hostsAreTheTopology) },
    {
      title: 'user data names the host, its slice and programs that are there',
      run: withDeployment(hostsFetchTheirOwn),
    },
    {
      title: "the balancer's targets are the edge's hosts at the edge port",
      run: withDeployment(edgeHostsAreTheTargets),
    },
    { title: 'each service admits its declared callers and nobody else', run: withDeployment(rulesAreTheCalls) },
    {
      title: 'log group, parameters and outputs are what the commands look for',
      run: withDeployment(logsParametersOutputs),
    },
    {
      title: 'load --aws finds the edge, refuses another topology, and puts its events beside the nodes',
      run: withDeployment(loadFindsTheStack),
    },
    { title: 'fault --aws finds the machine of every instance', run: withDeployment(faultFindsTheHosts) },
    {
      title: 'cdk destroy ends the stack, its hosts, its network and its log',
      run: withDeployment(destroyLeavesNothing),
    },
  ],
  async close() {
    await emulator?.stop();
    rmSync(output, { recursive: true, force: true });
  },
};
