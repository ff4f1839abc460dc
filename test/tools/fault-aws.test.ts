import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, connect as openSocket, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { askControl, readKey } from '../../lib/local/control-client';
import { type LocalRun, launch } from '../../lib/local/launch';
import { HEADERS, ITINERARY, PORTS, STACK_OUTPUTS, stackName } from '../../lib/model/contract';
import { loadTopology } from '../../lib/model/load-topology';
import { hashValue } from '../../lib/model/slice';
import { signToken } from '../../lib/model/token';
import { fakeCloudFormation } from '../support/fake-cloudformation';
import { outcome } from '../support/tool';

const ROOT = join(__dirname, '..', '..');
const SECRET = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:key-AbCdEf';

interface World {
  readonly run: LocalRun;
  readonly key: string;
  fault(args: readonly string[], environment?: Readonly<Record<string, string>>): Promise<Ended>;
  /** `tools/load.ts` with the same topology. */
  load(args: readonly string[]): Promise<Ended>;
  /** A tool, without waiting for its end. */
  start(name: 'fault' | 'load', args: readonly string[]): ChildProcess;
  /** Each call of the `aws` command. */
  calls(): readonly (readonly string[])[];
  /** Processes of the `aws` command and its plugin that there are still. */
  left(): readonly number[];
  readonly environment: Readonly<Record<string, string>>;
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Options {
  readonly faultKey?: string;
  readonly plugin?: boolean;
  readonly nested?: boolean;
  /** Leads every session to this port instead. */
  readonly leadsTo?: number;
  /** How long the `aws` command takes no interrupt before its plugin is there. */
  readonly slowMs?: number;
  readonly publicFaults?: boolean;
  /** Instances without a session. */
  readonly unreachable?: readonly string[];
}

const SCENARIOS = {
  teapot: {
    load: { phases: [{ rate: 20, for: '10m' }] },
    steps: [
      { at: '0s', name: 'teapot', fault: { service: 'web', type: 'error', at: 'before', args: { status: 418 } } },
    ],
  },
  growth: { steps: [{ at: '1s', name: 'grow', scale: { service: 'web', replicas: 3 } }] },
};

/** A topology that runs here, behind a stack and an `aws` command that make it look like one on AWS. */
async function world(t: ExecutionContext, options: Options = {}): Promise<World> {
  const { faultKey = SECRET, plugin = true, nested = false, unreachable = [], leadsTo, slowMs = 0 } = options;
  const { publicFaults = false } = options;
  const cwd = mkdtempSync(join(tmpdir(), 'microcosm-fault-'));
  t.teardown(() => rmSync(cwd, { recursive: true, force: true }));
  const file = join(cwd, 'pair.json');
  const services = { web: { edge: true, replicas: 2, calls: ['back'] }, back: {} };
  writeFileSync(file, JSON.stringify({ name: 'pair', services, scenarios: SCENARIOS }));
  const topology = loadTopology(file);
  const run = await launch(topology, { cwd, publicFaults });
  t.teardown(() => run.kill());
  const key = readKey(run.folder);

  const hosts = run.deployment.instances.map((each, index) => ({ ...each, machine: `i-0abc${index}` }));
  const outputs = {
    [STACK_OUTPUTS.logGroup]: '/microcosm/pair',
    [STACK_OUTPUTS.edgeUrl]: run.url,
    [STACK_OUTPUTS.topologyHash]: hashValue(topology),
    ...(faultKey !== '' && { [STACK_OUTPUTS.faultKey]: faultKey }),
    ...(publicFaults && { [STACK_OUTPUTS.publicFaults]: 'on' }),
  };
  const endpoint = await fakeCloudFormation(t, { name: stackName('pair'), outputs, hosts, nested });

  const programs = join(cwd, 'programs');
  mkdirSync(programs);
  const aws = join(programs, 'aws');
  const standIn = join(ROOT, 'test', 'support', 'aws-stand-in.js');
  writeFileSync(aws, `#!/bin/sh\nexec ${process.execPath} ${standIn} "$@"\n`);
  chmodSync(aws, 0o755);
  const log = join(cwd, 'aws.log');
  for (const path of [log, `${log}.pids`]) writeFileSync(path, '');
  const ports = Object.fromEntries(
    hosts
      .filter(({ instance }) => !unreachable.includes(instance))
      .map(({ machine, controlPort, meshPort }) => [
        machine,
        { [PORTS.control]: leadsTo ?? controlPort, [PORTS.mesh]: meshPort },
      ]),
  );
  const settings = join(cwd, 'stand-in.json');
  writeFileSync(settings, JSON.stringify({ secret: SECRET, key, ports, log, plugin, slowMs, owner: process.pid }));

  const environment = {
    PATH: `${programs}:${process.env.PATH}`,
    AWS_STAND_IN: settings,
    AWS_ENDPOINT_URL_CLOUDFORMATION: endpoint,
    // Nobody listens there: what would be uploaded stays here.
    AWS_ENDPOINT_URL_CLOUDWATCH_LOGS: 'http://127.0.0.1:1',
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    TS_NODE_PROJECT: join(ROOT, 'tsconfig.json'),
  };
  const tool = (name: string, args: readonly string[], more = {}): Promise<Ended> =>
    new Promise((resolve) => {
      const child = execFile(
        process.execPath,
        ['-r', join(ROOT, 'bin', 'typescript.cjs'), join(ROOT, 'tools', name), ...args],
        { cwd, env: { ...environment, ...more } },
        (_, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
      );
    });
  const fault: World['fault'] = ([action = '', ...args], more) => tool('fault.ts', [action, file, ...args], more);
  const start: World['start'] = (name, args) => {
    const words = name === 'fault' ? [args[0] as string, file, ...args.slice(1)] : [file, ...args];
    const command = ['-r', join(ROOT, 'bin', 'typescript.cjs'), join(ROOT, 'tools', `${name}.ts`), ...words];
    const child = spawn(process.execPath, command, { cwd, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
    t.teardown(() => child.kill('SIGKILL'));
    return child;
  };
  const load: World['load'] = (args) => tool('load.ts', [file, ...args]);
  const calls = () => linesOf(log).map((line) => JSON.parse(line) as readonly string[]);
  const left = () => linesOf(`${log}.pids`).map(Number).filter(lives);
  return { run, key, fault, start, load, calls, left, environment };
}

const ADD = ['add', '--service', 'web', '--type', 'error', '--arg', 'status=418', '--for', '5m', '--id', 'teapot'];

test('--start opens sessions, does the work through them and ends them; the key is in nothing that is printed or run', async (t) => {
  const { run, key, fault, calls } = await world(t);
  const added = await fault([...ADD, '--aws', '--start', '--json']);
  t.is(added.code, 0, added.stderr);
  const report = JSON.parse(added.stdout);
  t.like(report, {
    epoch: 1,
    instances: [
      { instance: 'web-1', taken: true },
      { instance: 'web-2', taken: true },
    ],
  });
  t.is((await fetch(run.url)).status, 418);

  const listed = await fault(['list', '--aws', '--start']);
  t.is(listed.code, 0, listed.stderr);
  t.regex(listed.stdout, /web \(epoch 1\)\n {2}teapot: error status=418 before, \d+ s left\n/);

  const cleared = await fault(['clear', '--all', '--aws', '--start']);
  t.is(cleared.code, 0, cleared.stderr);
  t.regex(cleared.stdout, /^epoch 2: clear all\n {2}web: all 2 instances took it\n/);
  t.is((await fetch(run.url)).status, 200);

  for (const { stdout, stderr } of [added, listed, cleared]) t.false((stdout + stderr).includes(key));
  t.false(JSON.stringify(calls()).includes(key));
  const sessions = calls().filter(([service]) => service === 'ssm');
  // Three instances tell what they run and two take it, twice; three are listed.
  t.is(sessions.length, 2 * (3 + 2) + 3);
  for (const args of sessions) {
    const { localPortNumber } = JSON.parse(args.at(-1) ?? '{}');
    t.false(await isOpen(Number(localPortNumber[0])), 'a session is left');
  }
});

test('without --start the exact commands are printed; with them under way --forwarded does the work', async (t) => {
  const { run, fault, calls, environment } = await world(t, { nested: true });
  const first = await freePorts(4);
  const printed = await fault(['list', '--aws', '--first-port', String(first)]);
  t.is(printed.code, 0, printed.stderr);
  const commands = printed.stdout.trim().split('\n');
  const instances = run.deployment.instances.map(({ instance }) => instance).sort();
  t.deepEqual(
    commands.map((line) => line.split('# ')[1]),
    instances,
  );
  t.true(
    commands[0]?.startsWith(
      'aws ssm start-session --region eu-central-1 --target i-0abc2 --document-name AWS-StartPortForwardingSession ' +
        `--parameters '{"portNumber":["${PORTS.control}"],"localPortNumber":["${first}"]}'`,
    ),
    commands[0],
  );
  t.deepEqual(calls(), [], 'nothing is run, and the key is not read');

  for (const command of commands) {
    const child = spawn('sh', ['-c', command], {
      env: environment,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.teardown(() => process.kill(-(child.pid as number), 'SIGINT'));
    await new Promise((resolve) => child.stdout.once('data', resolve));
  }
  const listed = await fault(['list', '--aws', '--forwarded', '--first-port', String(first), '--json']);
  t.is(listed.code, 0, listed.stderr + listed.stdout);
  t.deepEqual(
    JSON.parse(listed.stdout).map(({ instance, state }: { instance: string; state: object }) => [instance, !!state]),
    instances.map((instance) => [instance, true]),
  );
  const shifted = await fault(['list', '--aws', '--forwarded', '--first-port', String(first + 1), '--json']);
  t.is(shifted.code, 1);
  t.regex(shifted.stdout, /its port leads to web-1/);
});

test('an instance that has no session is reported, and the others take the change', async (t) => {
  const { run, key, fault } = await world(t, { unreachable: ['web-2'] });
  const keyFile = join(run.folder, 'copy');
  writeFileSync(keyFile, key, { mode: 0o600 });
  const added = await fault([...ADD, '--aws', '--start'], { MICROCOSM_KEY: keyFile });
  t.is(added.code, 1, added.stderr);
  t.regex(added.stdout, /1 of 2 instances took it\n {2}web-2 did not: can't be reached: .*TargetNotConnected/);
  const { controlPort = null } = run.deployment.instances.find(({ instance }) => instance === 'web-1') ?? {};
  const { body } = await askControl(controlPort, 'GET /state', { key, topology: 'pair' });
  t.is(body.epoch, 1);
  const none = await fault(['connect', 'web', 'nobody', '--aws', '--start'], { MICROCOSM_KEY: keyFile });
  t.is(none.code, 2);
  t.regex(none.stderr, /there is no service "nobody"/);
});

test('a command that is interrupted leaves no session behind', async (t) => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => sockets.push(socket.on('error', () => {})));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const { start, calls, left } = await world(t, { leadsTo: (silent.address() as AddressInfo).port });
  const child = start('fault', ['list', '--aws', '--start']);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  // Each session's port is tried once, then asked through.
  while (sockets.length < 6 && child.exitCode === null) await delay(50);
  child.kill('SIGINT');
  t.is(await ended, 130);
  t.is(calls().filter(([service]) => service === 'ssm').length, 3);
  while (left().length > 0) await delay(50);
  t.pass();
});

test('a session that is not there yet when its command is interrupted does not come after it', async (t) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const { start, calls, left } = await world(t, { slowMs: 700 });
    const child = start('fault', ['list', '--aws', '--start']);
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    while (calls().filter(([service]) => service === 'ssm').length < 3 && child.exitCode === null) await delay(20);
    child.kill(signal);
    t.is(await ended, { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal]);
    while (left().length > 0) await delay(50);
  }
});

test('a scenario that is interrupted twice during its first step leaves no session behind', async (t) => {
  const { start, calls, left } = await world(t, { slowMs: 2_000 });
  const child = start('load', ['--aws', '--scenario', 'teapot']);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  while (calls().filter(([service]) => service === 'ssm').length < 3 && child.exitCode === null) await delay(20);
  child.kill('SIGINT');
  while (child.exitCode === null) {
    // Two at one time count as one.
    await delay(600);
    child.kill('SIGINT');
  }
  t.is(await ended, 130);
  while (left().length > 0) await delay(50);
});

test('what is missing is said in one line: switch, secret, command, plugin', async (t) => {
  const off = await world(t, { faultKey: '' });
  const switchedOff = await off.fault(['list', '--aws']);
  t.is(switchedOff.code, 2);
  t.is(
    switchedOff.stderr,
    'pair: live faults are switched off in this deployment; deploy it again with -c faults=true\n',
  );
  const { fault } = await world(t, { faultKey: `${SECRET}-of-another`, plugin: false });
  const unread = await fault(['list', '--aws', '--start']);
  t.is(unread.code, 2);
  t.regex(unread.stderr, /^arn:aws:\S+: can't be read: .*AccessDenied.*; have secretsmanager:GetSecretValue allowed/);
  const keyFile = join(off.run.folder, 'key');
  const plugin = await fault(['list', '--aws', '--start', '--key-file', keyFile]);
  t.is(plugin.code, 2);
  t.regex(plugin.stderr, /^session-manager-plugin: is not installed; .*\n$/);
  const command = await fault(['list', '--aws', '--start'], { PATH: '/nowhere' });
  t.is(command.code, 2);
  t.regex(command.stderr, /^aws: there is no such command; install the AWS CLI/);
  const both = await fault(['list', '--aws', '--start', '--forwarded']);
  t.is(both.code, 2);
  const without = await fault(['list', '--start']);
  t.is(without.code, 2);
  t.regex(without.stderr, /^--start: goes with --aws only; /);
});

function linesOf(path: string): readonly string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}

/** One that nobody has waited for yet does not. */
function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = `/proc/${pid}/stat`;
  return !existsSync(stat) || !/\) Z /.test(readFileSync(stat, 'utf8'));
}

/** Resolves once the text stands on the command's stderr, or with its end. */
function said(child: ChildProcess, text: string): Promise<void> {
  let all = '';
  return new Promise((resolve) => {
    child.stderr?.on('data', (chunk) => {
      all += chunk;
      if (all.includes(text)) resolve();
    });
    child.once('close', () => resolve());
  });
}

/** The first of so many ports in a row that are free, below those that systems give away by themselves. */
async function freePorts(count: number): Promise<number> {
  for (let first = 20_000 + (process.pid % 10_000); ; first += count) {
    const ports = Array.from({ length: count }, (_, index) => first + index);
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return first;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
      .once('error', () => resolve(false))
      .listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = openSocket(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

test('a scenario raises its faults on AWS through sessions, and refuses what takes a deployment', async (t) => {
  const { run, fault, load, start } = await world(t);
  const refused = await load(['--aws', '--scenario', 'growth', '--duration', '2s']);
  t.is(refused.code, 2);
  t.regex(refused.stderr, /grow changes the topology, .*npx cdk deploy -c topology=/);

  const child = start('load', ['--aws', '--scenario', 'teapot', '--json']);
  const played = outcome(child);
  await said(child, 'teapot: ');
  await delay(2_000);
  child.kill('SIGINT');
  const { code, stdout, stderr } = await played;
  t.is(code, 0, stderr);
  t.regex(stderr, /teapot: web error status=418 before \(epoch 1, 2 instances/);
  t.true(JSON.parse(stdout).figures.statuses['418'] > 0);
  t.is((await fetch(run.url)).status, 200);
  t.regex((await fault(['list', '--aws', '--start'])).stdout, /web \(epoch 2\)\n$/);
});

test('a scenario with faults is refused before any traffic where live faults are switched off', async (t) => {
  const { load } = await world(t, { faultKey: '' });
  const refused = await load(['--aws', '--scenario', 'teapot']);
  t.is(refused.code, 2);
  t.regex(refused.stderr, /live faults are switched off in this deployment; deploy it again with -c faults=true/);
});

/** A file of JSON in the world's folder, by its path. */
function written(name: string, value: object, { run }: World): string {
  const path = join(run.folder, name);
  writeFileSync(path, JSON.stringify(value));
  return path;
}

const STOPS = {
  designation: 'web',
  faults: { before: [{ type: 'latency', args: { delay: 30 } }] },
  payload: { designation: 'back' },
};
const TEAPOT = [{ service: 'back', type: 'error', at: 'before', args: { status: 418 } }];

test('where the edge is shut, an itinerary goes through a session to a host, and nothing else lets it in', async (t) => {
  const shut = await world(t);
  const { run, key, fault, load, calls, left } = shut;
  const file = written('itinerary.json', STOPS, shut);
  const overlay = written('overlay.json', TEAPOT, shut);
  for (const args of [
    ['itinerary', file],
    ['token', '--body', file],
    ['overlay', overlay],
  ]) {
    const { code, stderr } = await fault([...args, '--aws']);
    t.is(code, 2);
    t.regex(
      stderr,
      /^pair: itineraries and overlays are switched off at the edge; .*-c faults=true -c publicFaults=true/,
    );
  }
  t.is((await load(['--aws', '--overlay', overlay, '--requests', '1'])).code, 2);
  t.deepEqual(calls(), [], 'the key is not even read');
  const body = readFileSync(file, 'utf8');
  const token = signToken(key, { purpose: 'itinerary', topology: 'pair', body }, Date.now() + 60_000);
  const headers = { 'content-type': ITINERARY.contentType, [HEADERS.token]: token };
  t.is((await fetch(run.url, { method: 'POST', headers, body })).status, 403);

  const sent = await fault(['itinerary', file, '--aws', '--start', '--json']);
  t.is(sent.code, 0, sent.stderr);
  t.like(JSON.parse(sent.stdout), { status: 200, answer: { error: null } });
  t.true(JSON.parse(sent.stdout).tookMs >= 30);
  while (left().length > 0) await delay(50);
  const beyond = { designation: 'back', payload: { designation: 'web' } };
  const refused = await fault(['itinerary', written('beyond.json', beyond, shut), '--aws', '--start']);
  t.is(refused.code, 2);
  t.regex(refused.stderr, /declares no call from back to web/);
});

test('a token, or a header, for a port that leads past the edge comes with the command that opens it', async (t) => {
  const shut = await world(t);
  const { run, fault } = shut;
  const web = run.deployment.instances.find(({ instance }) => instance === 'web-1');
  const port = String(web?.meshPort);
  const file = written('itinerary.json', STOPS, shut);
  const made = await fault(['token', '--body', file, '--aws', '--forwarded', '--first-port', port]);
  t.is(made.code, 0, made.stderr);
  t.regex(
    made.stderr,
    /^Beside it: aws ssm start-session .*"portNumber":\["8080"\],"localPortNumber":\["\d+"\].* # web-1\n$/,
  );
  const answer = await new Promise((resolve) =>
    execFile('sh', ['-c', `${made.stdout.trim()} -s`], (_, out) => resolve(out)),
  );
  t.is(answer, '{"error":null}');
  const header = await fault(['overlay', written('overlay.json', TEAPOT, shut), '--aws', '--forwarded']);
  const baggage = header.stdout.replace('baggage: ', '').trim();
  t.is((await fetch(`http://127.0.0.1:${port}/`, { headers: { baggage } })).status, 502);
  t.is((await fetch(run.url, { headers: { baggage } })).status, 403);
});

test('where the edge is open, itineraries and overlays go to it, and no session is opened', async (t) => {
  const open = await world(t, { publicFaults: true });
  const { fault, load, calls } = open;
  const file = written('itinerary.json', STOPS, open);
  const sent = await fault(['itinerary', file, '--aws']);
  t.is(sent.code, 0, sent.stderr);
  t.regex(sent.stdout, /^200 after \d+ ms: \{"error":null\}\nTimeline: .* --topology pair --region eu-central-1 /);
  const overlay = written('overlay.json', TEAPOT, open);
  const run = await load(['--aws', '--overlay', overlay, '--requests', '3', '--rate', '50', '--json']);
  t.is(run.code, 0, run.stderr);
  t.deepEqual(JSON.parse(run.stdout).figures.statuses, { '502': 3 });
  const nowhere = await fault(['itinerary', file, '--aws', '--url', 'http://127.0.0.1:9']);
  t.is(nowhere.code, 1);
  t.regex(nowhere.stdout, /^no answer: .*, after \d+ ms\n/);
  t.deepEqual(
    calls().filter(([service]) => service === 'ssm'),
    [],
  );
});
