import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { KEY_RECIPE } from '../../lib/aws/fault-key';
import { HOST } from '../../lib/aws/host';
import { writeHostFiles } from '../../lib/aws/host-files';
import { userData } from '../../lib/aws/user-data';
import { calleesByService } from '../../lib/model/call-graph';
import { graphParameterName, logGroupName, PORTS, RESERVED_PATHS } from '../../lib/model/contract';
import { resolve } from '../../lib/model/resolve';
import { sliceOf } from '../../lib/model/slice';
import { KEY_TEXT } from '../../lib/model/token';
import { checkAgentConfiguration } from './agent-rules';
import { type BootedHost, bootHost, hostNetwork, hostTree } from './booted-host';
import { command, ROOT, succeed } from './command';
import { type Cluster, eventsOf, onHost } from './host-cluster';
import {
  allOfItConforms,
  itineraryIsCarriedOut,
  newCallsAreKnown,
  overlayStrikes,
  shutEdgeRefuses,
} from './host-faults';
import type { Signal, WorldSettings } from './host-world';
import type { ProofGroup, Scene } from './proof';
import { python, pythonModules } from './python';

const topology = resolve(
  {
    services: {
      web: { edge: true, calls: ['cart'] },
      desk: { edge: true, calls: ['web'] },
      cart: { replicas: 2 },
    },
  },
  'trio',
);
const WORLD = '10.77.0.1';
const TIME = '169.254.169.123';
const HOSTS = [
  { instance: 'web-1', service: 'web', address: '10.77.0.11' },
  { instance: 'cart-1', service: 'cart', address: '10.77.0.12' },
  // An edge that lets no itinerary and no overlay in.
  { instance: 'desk-1', service: 'desk', address: '10.77.0.14' },
] as const;
/** Its slice is no slice, so its node can't start. */
const BROKEN = { instance: 'cart-2', service: 'cart', address: '10.77.0.13' } as const;
const SIGNAL_MS = 240_000;

/** What dnf installs on Amazon Linux: Node, and the agent, whose control program only notes that it was asked. */
const DNF = `#!/bin/bash
set -e
echo "dnf $*" >>/var/log/dnf-stand-in
ln -sf /stand-in/node ${HOST.nodeBinary}
install -d "$(dirname ${HOST.agentControl})"
printf '#!/bin/bash\\necho "$*" >>/var/log/agent-stand-in\\n' >${HOST.agentControl}
chmod 0755 ${HOST.agentControl}
`;
const RPM = `#!/bin/bash
echo -n 1.300071.1
`;
const EMULATOR_PORT = 5000;
/** Files come over plain HTTP; all else is asked by the real program, of the emulator. */
const AWS = `#!/bin/bash
# aws s3 cp --only-show-errors s3://bucket/key file
if [[ $1 == s3 ]]; then exec curl --silent --fail --output "$5" "http://${WORLD}/s3/\${4#s3://}"; fi
export AWS_ENDPOINT_URL=http://${WORLD}:${EMULATOR_PORT} AWS_ACCESS_KEY_ID=host AWS_SECRET_ACCESS_KEY=host
PYTHONPATH=/stand-in/python exec python3 -m awscli "$@"
`;
const CLOUD_INIT = `[Unit]
Description=Runs the user data
After=network.target chrony.service
[Service]
Type=oneshot
ExecStart=/bin/bash /stand-in/user-data
StandardOutput=append:/var/log/user-data.log
StandardError=append:/var/log/user-data.log
`;
/** The host may not set the clock of the machine that it runs on: chronyd follows it without. */
const CHRONY_UNIT = `[Unit]
ConditionCapability=
[Service]
Type=simple
PIDFile=
ExecStart=
ExecStart=!/usr/sbin/chronyd -x -d
`;
const CHRONY = `server ${TIME} prefer iburst minpoll 0 maxpoll 1
driftfile /var/lib/chrony/chrony.drift
`;

const CALLS = calleesByService(topology);
/** Web calls nobody in the older one. */
const GRAPHS = { whole: CALLS, older: { ...CALLS, web: [] } };

let cluster: Cluster | undefined;
const undo: (() => void | Promise<void>)[] = [];

async function boot({ note }: Scene): Promise<void> {
  const tree = await hostTree();
  const folder = mkdtempSync(join(tmpdir(), 'microcosm-hosts-'));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  const prefix = `mc${process.pid}`;
  const all = [...HOSTS, BROKEN];
  const networks = Object.fromEntries(all.map(({ address }, index) => [`${prefix}h${index}`, `${address}/24`]));
  const network = await hostNetwork(prefix, [`${WORLD}/24`, `${TIME}/32`], networks);
  undo.push(network.remove);

  const objects = prepareObjects(folder);
  const zip = join(folder, 'host.zip');
  const files = writeHostFiles(folder).folder;
  await succeed('sh', ['-c', `cd ${files} && python3 -m zipfile -c ${zip} *`]);
  const settings: WorldSettings = {
    address: WORLD,
    topology: topology.name,
    meshPort: PORTS.mesh,
    readyPath: RESERVED_PATHS.ready,
    hosts: all,
    objects: { ...objects, 'assets/host.zip': zip },
  };
  const signals = await startWorld(network.center, settings);
  // Hosts share this machine's clock, and its time server calls that clock true.
  const server = [
    '-x',
    '-d',
    '-u',
    'root',
    'local stratum 1',
    'allow',
    `bindaddress ${TIME}`,
    'cmdport 0',
    'pidfile /run/time.pid',
  ];
  inNamespace(network.center, [
    'sh',
    '-c',
    'mount -t tmpfs none "$0/run" && exec chroot "$0" /usr/sbin/chronyd "$@"',
    tree,
    ...server,
  ]);

  const emulator = await startApis(network.center);
  const secret = await makeKey(emulator);
  const deployGraph: Cluster['deployGraph'] = async (which) => {
    const parameter = ['--name', graphParameterName(topology.name), '--value', `assets/${which}-graph.json`];
    await emulator('ssm', 'put-parameter', '--type', 'String', '--overwrite', ...parameter);
  };
  await deployGraph('older');
  const modules = await pythonModules();

  const hosts = new Map<string, BootedHost>();
  for (const [index, { instance, service }] of all.entries()) {
    const own = join(folder, instance);
    mkdirSync(own);
    const script = userData({
      region: 'eu-central-1',
      instance,
      service,
      topology: topology.name,
      edge: service !== 'cart',
      logGroup: logGroupName(topology.name),
      metricsNamespace: 'Microcosm/trio',
      files: 'assets/host.zip',
      slice: instance === BROKEN.instance ? 'assets/broken.json' : `assets/${service}.json`,
      faultKey: secret.arn,
      publicFaults: service !== 'desk',
      signalUrl: `http://${WORLD}/signal/${instance}`,
    });
    const host = await bootHost({
      name: instance,
      network: `${prefix}h${index}`,
      folder: own,
      mounts: { '/stand-in/node': process.execPath, '/stand-in/python': modules },
      files: {
        '/stand-in/user-data': script,
        '/usr/local/bin/dnf': DNF,
        '/usr/local/bin/rpm': RPM,
        '/usr/local/bin/aws': AWS,
        '/etc/resolv.conf': `nameserver ${WORLD}\n`,
        '/etc/chrony/chrony.conf': CHRONY,
        '/etc/systemd/system/chrony.service.d/stand-in.conf': CHRONY_UNIT,
        '/etc/systemd/system/user-data.service': CLOUD_INIT,
      },
    });
    undo.push(host.stop);
    hosts.set(instance, host);
    const { code, stderr } = await host.run('systemctl start --no-block user-data.service');
    assert.equal(code, 0, stderr);
  }
  const request: Cluster['request'] = async (asked = { instance: 'web-1', port: PORTS.edge, from: 'balancer' }) => {
    const { instance, port, path = `/${instance.split('-')[0]}/`, from, headers = {}, body } = asked;
    const index = all.findIndex((host) => host.instance === instance);
    const [place, address] =
      from === 'itself' ? [`${prefix}h${index}`, '127.0.0.1'] : [network.center, all[index]?.address];
    const args = ['netns', 'exec', place, 'curl', '--silent', '--max-time', '20', '--write-out', '\n%{http_code}'];
    for (const [name, value] of Object.entries(headers)) args.push('--header', `${name}: ${value}`);
    if (body !== undefined) args.push('--data-binary', '@-');
    const { stdout } = await command('ip', [...args, `http://${address}:${port}${path}`], { input: body ?? '' });
    const lines = stdout.split('\n');
    return { status: Number(lines.at(-1)), body: lines.slice(0, -1).join('\n') };
  };
  const ask: Cluster['ask'] = (instance, { purpose, body, key = secret.key }, from = instance) => {
    const index = all.findIndex((host) => host.instance === from);
    const question = { port: PORTS.control, purpose, body, scope: { key, topology: topology.name } };
    const program = [process.execPath, '-r', 'ts-node/register', join('test', 'aws', 'ask-control.ts')];
    return command('ip', ['netns', 'exec', `${prefix}h${index}`, ...program], { input: JSON.stringify(question) });
  };
  cluster = { topology, hosts, signals, request, ask, key: secret.key, deployGraph };
  note(`${all.length} hosts, each with systemd as process 1 in a network namespace of its own`);
}

type Emulator = (...args: readonly string[]) => Promise<string>;

/** The APIs that hosts ask, by an emulator; resolves to the `aws` command for them. */
async function startApis(network: string): Promise<Emulator> {
  const programs = await python();
  const log = inNamespace(
    network,
    [join(programs, 'python'), '-m', 'moto.server', '-H', WORLD, '-p', `${EMULATOR_PORT}`],
    'ignore',
  );
  log.stdout?.resume();
  const aws: Emulator = async (...args) => {
    const env = {
      AWS_ENDPOINT_URL: `http://${WORLD}:${EMULATOR_PORT}`,
      AWS_ACCESS_KEY_ID: 'proof',
      AWS_SECRET_ACCESS_KEY: 'proof',
    };
    const all = ['--region', 'eu-central-1', '--output', 'text', ...args];
    return (await succeed('ip', ['netns', 'exec', network, join(programs, 'aws'), ...all], { env })).stdout.trim();
  };
  await until('the emulator', async () => {
    const { code } = await command('ip', [
      'netns',
      'exec',
      network,
      'curl',
      '-sf',
      `http://${WORLD}:${EMULATOR_PORT}/moto-api/`,
    ]);
    return code === 0 ? true : undefined;
  });
  return aws;
}

/** A secret as the stack has it made. */
async function makeKey(aws: Emulator): Promise<{ readonly arn: string; readonly key: string }> {
  const { passwordLength, excludeCharacters } = KEY_RECIPE;
  const recipe = ['--exclude-uppercase', '--exclude-punctuation', '--no-require-each-included-type'];
  const made = [
    'get-random-password',
    '--password-length',
    `${passwordLength}`,
    '--exclude-characters',
    excludeCharacters,
  ];
  const key = await aws('secretsmanager', ...made, ...recipe, '--query', 'RandomPassword');
  assert.match(key, KEY_TEXT);
  const arn = await aws('secretsmanager', 'create-secret', '--name', 'key', '--secret-string', key, '--query', 'ARN');
  return { arn, key };
}

function prepareObjects(folder: string): Record<string, string> {
  const objects: Record<string, string> = {};
  for (const [name, value] of [
    ['web', sliceOf(topology, 'web')],
    ['cart', sliceOf(topology, 'cart')],
    ['desk', sliceOf(topology, 'desk')],
    ['whole-graph', GRAPHS.whole],
    ['older-graph', GRAPHS.older],
    ['broken', { no: 'slice' }],
  ] as const) {
    const path = join(folder, `${name}.json`);
    writeFileSync(path, JSON.stringify(value));
    objects[`assets/${name}.json`] = path;
  }
  return objects;
}

function inNamespace(network: string, args: readonly string[], stderr: 'inherit' | 'ignore' = 'inherit'): ChildProcess {
  const child = spawn('ip', ['netns', 'exec', network, ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', stderr] });
  undo.push(() => void child.kill('SIGKILL'));
  return child;
}

async function startWorld(network: string, settings: WorldSettings): Promise<readonly Signal[]> {
  const signals: Signal[] = [];
  const program = [process.execPath, '-r', 'ts-node/register', join('test', 'aws', 'host-world.ts')];
  const child = inNamespace(network, [...program, JSON.stringify(settings)]);
  await new Promise<void>((ready, failed) => {
    child.on('close', (code) => failed(new Error(`the hosts' world ended with ${code}`)));
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const said = JSON.parse(line);
      if (said.listening) ready();
      else signals.push(said);
    });
  });
  return signals;
}

function withCluster(prove: (cluster: Cluster, scene: Scene) => Promise<void>) {
  return async (scene: Scene): Promise<void> => {
    if (!cluster) throw new Error('the hosts were not booted');
    await prove(cluster, scene);
  };
}

async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined, ms = SIGNAL_MS): Promise<T> {
  for (const deadline = performance.now() + ms; performance.now() < deadline; ) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`in vain: ${what}`);
}

async function signalsWhenReady({ hosts, signals }: Cluster): Promise<void> {
  for (const { instance } of HOSTS) {
    const signal = await until(`a signal of ${instance}`, () =>
      signals.find((each) => each.instance === instance),
    ).catch(async (error) => {
      const { stdout = '' } =
        (await hosts.get(instance)?.run('cat /var/log/user-data.log; systemctl status microcosm chrony')) ?? {};
      throw new Error(`${(error as Error).message}\n${stdout}`);
    });
    assert.equal(signal.status, 'SUCCESS', signal.reason);
    assert.equal(signal.readyStatus, 200, 'the node answered its readiness check when the signal came');
    assert.equal(signals.filter((each) => each.instance === instance).length, 1);
  }
}

async function serves({ hosts, request }: Cluster, { note }: Scene): Promise<void> {
  const { status, body } = await request();
  assert.equal(status, 200, body);
  const { service, instance, responses } = JSON.parse(body);
  assert.deepEqual([service, instance], ['web', 'web-1']);
  assert.equal(responses[0].service, 'cart');
  const { stdout } = await onHost(
    hosts,
    'web-1',
    `ps -o user= -C node-24,node,MainThread; systemctl show -P User microcosm`,
  );
  assert.match(stdout, /microcosm/);
  const configuration = JSON.parse((await onHost(hosts, 'web-1', `cat ${HOST.configFolder}/agent.json`)).stdout);
  assert.deepEqual(checkAgentConfiguration(configuration), []);
  const asked = await onHost(hosts, 'web-1', 'cat /var/log/dnf-stand-in /var/log/agent-stand-in');
  note(asked.stdout.trim().replaceAll('\n', '; '));
}

async function clockIsChronys({ hosts }: Cluster, { note }: Scene): Promise<void> {
  for (const { instance } of HOSTS) {
    const clock = await until(
      `a CLOCK of ${instance}`,
      async () => {
        const events = await eventsOf(hosts, instance);
        return events.findLast(({ event, clock }) => event === 'CLOCK' && clock?.boundMs != null)?.clock;
      },
      180_000,
    );
    assert.equal(clock.source, 'chrony');
    assert.equal(clock.referenceId, 'A9FEA97B');
    assert.ok(clock.boundMs !== null && clock.boundMs > 0 && clock.boundMs < 1_000, `${clock.boundMs} ms`);
    note(`${instance}: ${clock.boundMs} ms by chrony, stratum ${clock.stratum}`);
  }
}

async function keyIsTheNodesAlone({ hosts, key }: Cluster, { note }: Scene): Promise<void> {
  for (const { instance } of HOSTS) {
    const file = await onHost(hosts, instance, `stat --format '%U %a' ${HOST.key}; cat ${HOST.key}`);
    assert.deepEqual(file.stdout.trim().split('\n'), ['root 400', key]);
    const shown = await onHost(
      hosts,
      instance,
      'cat /proc/$(systemctl show -P MainPID microcosm)/environ | tr "\\0" "\\n" | grep MICROCOSM_KEY; stat --format "%U %a" /run/credentials/microcosm.service/key',
    );
    note(`${instance}: ${shown.stdout.trim().replaceAll('\n', ', ')}`);
    const other = await onHost(
      hosts,
      instance,
      `runuser -u nobody -- cat ${HOST.key} /run/credentials/microcosm.service/key`,
    );
    assert.notEqual(other.code, 0);
    assert.equal(other.stdout, '');
    // The pattern comes from the file, so that the search itself shows it to nobody.
    const search = `grep --recursive --count --binary-files=text --file=${HOST.key}`;
    const places = '/var/log /etc/systemd /opt/microcosm /run/log /proc/[0-9]*/cmdline /proc/[0-9]*/environ';
    const traces = await onHost(
      hosts,
      instance,
      `${search} ${places} 2>/dev/null | grep --invert-match ":0$"; journalctl --no-pager | ${search} -`,
    );
    assert.equal(traces.stdout.trim(), '0', 'the key stands in no log, no unit, no command line and no variable');
  }
}

async function controlIsOnLoopback({ hosts, ask, key }: Cluster): Promise<void> {
  const { stdout } = await onHost(
    hosts,
    'web-1',
    `ss --listening --tcp --numeric --no-header 'sport = :${PORTS.control}'`,
  );
  assert.match(stdout, new RegExp(`127\\.0\\.0\\.1:${PORTS.control}`));
  assert.equal(stdout.trim().split('\n').length, 1, stdout);
  const { stdout: answer, stderr } = await ask('web-1', { purpose: 'GET /state' });
  assert.equal(JSON.parse(answer || '{}').body?.instance, 'web-1', stderr);
  const wrong = await ask('web-1', { purpose: 'GET /state', key: 'f'.repeat(64) });
  assert.equal(JSON.parse(wrong.stdout).status, 403);
  const { code } = await onHost(
    hosts,
    'cart-1',
    `curl --silent --max-time 3 http://${HOSTS[0].address}:${PORTS.control}/state`,
  );
  assert.notEqual(code, 0, 'another host can not even connect');
  assert.ok(!stdout.includes(key));
}

/** Before the node is killed: the next proof finds it again. */
async function changeIsTaken({ ask }: Cluster): Promise<void> {
  const own = sliceOf(topology, 'cart');
  const rule = { id: 'live', fault: { type: 'latency', args: { delay: 5 } }, at: 'before', source: 'live' };
  const slice = { ...own, epoch: 1, service: { ...own.service, faults: [rule] } };
  const { stdout, stderr } = await ask('cart-1', { purpose: 'PUT /slice', body: { epoch: 1, slice, by: 'a proof' } });
  assert.equal(JSON.parse(stdout || '{}').status, 200, stdout + stderr);
}

async function killedIsRestarted({ hosts, request, ask }: Cluster): Promise<void> {
  const before = (await onHost(hosts, 'cart-1', 'systemctl show -P MainPID microcosm')).stdout.trim();
  // Of 0 it would end this program and all that it started.
  assert.match(before, /^[1-9]\d*$/);
  await onHost(hosts, 'cart-1', `kill -9 ${before}`);
  await until(
    'another process',
    async () => {
      const { stdout } = await onHost(hosts, 'cart-1', 'systemctl show -P MainPID microcosm');
      return stdout.trim() !== before && stdout.trim() !== '0' ? true : undefined;
    },
    120_000,
  );
  const up = await until(
    'SERVICE_UP of the second process',
    async () => {
      const ups = (await eventsOf(hosts, 'cart-1')).filter(({ event }) => event === 'SERVICE_UP');
      return ups[1];
    },
    120_000,
  );
  assert.equal(up.detail?.restarts, 1);
  const answer = await until(
    'an answer through the new process',
    async () => {
      const { status, body } = await request();
      return status === 200 ? body : undefined;
    },
    120_000,
  );
  assert.ok(answer.includes('cart-1'));
  const { body } = JSON.parse((await ask('cart-1', { purpose: 'GET /slice' })).stdout);
  assert.deepEqual([body.slice.epoch, body.slice.service.faults[0].id], [1, 'live']);
}

async function stopIsClean({ hosts }: Cluster): Promise<void> {
  const { code, stderr } = await onHost(hosts, 'cart-1', 'systemctl stop microcosm');
  assert.equal(code, 0, stderr);
  const { stdout } = await onHost(
    hosts,
    'cart-1',
    'systemctl show -P ActiveState -P Result -P ExecMainStatus microcosm',
  );
  assert.deepEqual(stdout.trim().split('\n').sort(), ['0', 'inactive', 'success']);
  const events = await eventsOf(hosts, 'cart-1');
  assert.equal(events.at(-1)?.event, 'SERVICE_DOWN');
}

async function failureIsSignalled({ signals }: Cluster, { note }: Scene): Promise<void> {
  const signal = await until('a signal of the broken host', () =>
    signals.find(({ instance }) => instance === BROKEN.instance),
  );
  assert.equal(signal.status, 'FAILURE');
  assert.notEqual(signal.readyStatus, 200);
  assert.match(signal.reason, /^cart-2, phase ready: the node said: MICROCOSM_SLICE: .* is no slice of a topology/);
  assert.match(signal.reason, /readiness check, asked for \d+ s, ended with 1$/);
  assert.equal(signals.filter(({ instance }) => instance === BROKEN.instance).length, 1);
  note(signal.reason);
}

export const hostProofs: ProofGroup = {
  title: 'The set-up script and the unit on booted hosts; stand-ins for dnf, S3 and the metadata service only',
  proofs: [
    { title: 'hosts boot and run their user data', run: boot },
    { title: 'a host signals success once, when its node is ready', run: withCluster(signalsWhenReady) },
    { title: 'the edge host serves, and finds its callee by name', run: withCluster(serves) },
    { title: "CLOCK events carry chrony's bound", run: withCluster(clockIsChronys) },
    {
      title: "the key of live faults goes from Secrets Manager to root's file and to the node, and nowhere else",
      run: withCluster(keyIsTheNodesAlone),
    },
    { title: 'the control interface answers on loopback, to the key alone', run: withCluster(controlIsOnLoopback) },
    {
      title: 'an itinerary is carried out over the hosts, at an edge that is open and with a token',
      run: withCluster(itineraryIsCarriedOut),
    },
    { title: "an overlay strikes the request's own flow, and no other", run: withCluster(overlayStrikes) },
    {
      title: 'an edge that is shut lets neither in, and says who asked; from the host itself both pass',
      run: withCluster(shutEdgeRefuses),
    },
    {
      title: 'a host learns of the calls that a deployment adds elsewhere, by its timer',
      run: withCluster(newCallsAreKnown),
    },
    { title: 'what the hosts have logged of it conforms to the topology', run: withCluster(allOfItConforms) },
    { title: 'a node takes a live change', run: withCluster(changeIsTaken) },
    {
      title: 'a killed node is started again, says so, and keeps the live change',
      run: withCluster(killedIsRestarted),
    },
    { title: 'a stop is clean: the last event is SERVICE_DOWN', run: withCluster(stopIsClean) },
    { title: 'a host whose node cannot start signals failure with its reason', run: withCluster(failureIsSignalled) },
  ],
  async close() {
    for (const last of undo.reverse()) await last();
  },
};
