import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Deployment } from '../../lib/model/deployment';
import { loadTopology } from '../../lib/model/load-topology';
import { hashValue } from '../../lib/model/slice';
import { refusedPort } from '../support/refused-port';

const ROOT = join(__dirname, '..', '..');

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves once the text stands on stderr. */
  said(text: string): Promise<void>;
}

function load(t: ExecutionContext, cwd: string, ...args: string[]): Running {
  const child = spawn(
    process.execPath,
    ['-r', join(ROOT, 'bin', 'typescript.cjs'), join(ROOT, 'tools', 'load.ts'), ...args],
    { cwd, env: { ...process.env, TS_NODE_PROJECT: join(ROOT, 'tsconfig.json') }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  t.teardown(() => child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return {
    child,
    ended: once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr })),
    said: (text) =>
      new Promise((settle) => {
        const look = () => {
          if (stderr.includes(text)) settle();
        };
        child.stderr?.on('data', look);
        look();
      }),
  };
}

async function serve(t: ExecutionContext, listener: RequestListener): Promise<{ url: string; server: Server }> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

function workFolder(t: ExecutionContext): string {
  const cwd = mkdtempSync(join(tmpdir(), 'microcosm-load-'));
  t.teardown(() => rmSync(cwd, { recursive: true, force: true }));
  mkdirSync(join(cwd, 'topologies'));
  writeTopology(cwd, 3);
  return cwd;
}

function writeTopology(cwd: string, weight: number): void {
  const services = { web: { edge: true, endpoints: { 'GET /a': { weight }, 'GET /b': { weight: 1 } } } };
  writeFileSync(join(cwd, 'topologies', 'tiny.json'), JSON.stringify({ services }));
}

/** What the launcher leaves of a deployment whose edge is at the URL. */
function recordDeployment(cwd: string, url: string): Deployment {
  const topology = loadTopology('tiny', { cwd });
  const deployment: Deployment = {
    id: 'tiny-20261121t080000z-aaaa',
    topology,
    topologyHash: hashValue(topology),
    startTime: '2026-11-21T08:00:00.000Z',
    stopTime: null,
    pid: process.pid,
    url,
    resolver: '127.0.0.1:1',
    publicFaults: false,
    controlPort: null,
    instances: [],
  };
  const folder = join(cwd, '.microcosm', 'deployments', deployment.id);
  mkdirSync(join(folder, 'logs'), { recursive: true });
  writeFileSync(join(folder, 'deployment.json'), JSON.stringify(deployment));
  writeFileSync(join(folder, 'logs', 'web-1.log'), '');
  return deployment;
}

function onlyRun(cwd: string): string {
  const [run, ...others] = readdirSync(join(cwd, '.microcosm', 'runs'));
  if (run === undefined || others.length > 0) throw new Error('there is not exactly one run');
  return run;
}

const ok: RequestListener = (_request, response) => response.end('ok');

test('drives a URL of no deployment, and says that only the client sees it', async (t) => {
  const cwd = workFolder(t);
  const paths = new Set<string | undefined>();
  const { url } = await serve(t, (request, response) => {
    paths.add(request.url);
    response.end('ok');
  });
  const { code, stdout, stderr } = await load(
    t,
    cwd,
    `${url}/base?x=1`,
    '--rate',
    '100',
    '--requests',
    '20',
    '--seed',
    'abc',
  ).ended;
  t.is(code, 0, stderr);
  const run = onlyRun(cwd);
  t.true(run.startsWith('external-'));
  t.true(stderr.includes(`run ${run}, seed abc`));
  t.true(stdout.includes(run));
  t.true(stdout.includes('200: 20'));
  t.true(stdout.includes("the client's view only"));
  t.true(stdout.includes(`npx ts-node tools/timeline.ts ${run}`));
  t.true(
    stdout.split('\n').every((line) => line.length <= 80),
    stdout,
  );
  t.deepEqual([...paths], ['/base?x=1']);
});

test('finds the live deployment by name, by id and by URL, and links its logs', async (t) => {
  const cwd = workFolder(t);
  const { url } = await serve(t, ok);
  const { id, topologyHash } = recordDeployment(cwd, url);
  const results = await Promise.all(
    ['tiny', 'topologies/tiny.json', id, url].map(
      (asked) => load(t, cwd, asked, '-r', '100', '-n', '10', '--json').ended,
    ),
  );
  for (const { code, stdout, stderr } of results) {
    t.is(code, 0, stderr);
    const result = JSON.parse(stdout);
    t.like(result, { topology: 'tiny', url, finished: true, total: { sent: 10, answered: 10 } });
    t.true(result.run.startsWith('tiny-'));
    t.true(readdirSync(result.folder).includes('web-1.log'));
    const [start] = readFileSync(join(result.folder, 'manifest.jsonl'), 'utf8').split('\n');
    t.like(JSON.parse(start ?? ''), { deployment: id, topologyHash });
  }
});

test('refuses a topology whose file has changed since the start, but not its URL', async (t) => {
  const cwd = workFolder(t);
  const { url } = await serve(t, ok);
  recordDeployment(cwd, url);
  writeTopology(cwd, 4);
  const [byName, byUrl] = await Promise.all([
    load(t, cwd, 'tiny').ended,
    load(t, cwd, url, '-r', '100', '-n', '5').ended,
  ]);
  t.is(byName.code, 2);
  t.regex(byName.stderr, /^tiny: the file has changed since .*; restart it \(npx ts-node tools\/local\.ts tiny\)/);
  t.is(byUrl.code, 0, byUrl.stderr);
});

test('a topology that does not run is told with the command that starts it', async (t) => {
  const { code, stderr, stdout } = await load(t, workFolder(t), 'tiny').ended;
  t.is(code, 2);
  t.is(stdout, '');
  t.is(stderr, 'tiny: is not running here; start it in another terminal with: npx ts-node tools/local.ts tiny\n');
});

test('all wrong options are told at once, a line each', async (t) => {
  const { code, stderr } = await load(
    t,
    workFolder(t),
    'tiny',
    '--rate',
    'x',
    '--duration',
    '3',
    '--timeout',
    '-',
    '--arrivals',
    'no',
    '-n',
    '0',
  ).ended;
  t.is(code, 2);
  for (const option of ['--rate', '--duration', '--timeout', '--arrivals', '--requests']) {
    t.regex(stderr, new RegExp(`^${option}: .+; .+$`, 'm'));
  }
  t.notRegex(stderr, /^\s+at /m);
});

test('ends with 1 where not one request is answered', async (t) => {
  const cwd = workFolder(t);
  const url = `http://127.0.0.1:${await refusedPort(t)}`;
  const { code, stdout } = await load(t, cwd, url, '-r', '100', '-n', '5').ended;
  t.is(code, 1);
  t.true(stdout.includes('CONNECT: 5'));
});

test('Ctrl-C ends the run with its summary and its end record', async (t) => {
  const cwd = workFolder(t);
  const { url, server } = await serve(t, ok);
  const running = load(t, cwd, url, '--rate', '50', '--duration', '1h');
  await once(server, 'request');
  running.child.kill('SIGINT');
  const { code, stdout, stderr } = await running.ended;
  t.is(code, 0, stderr);
  t.true(stdout.includes('ended before its time'));
  const records = readFileSync(join(cwd, '.microcosm', 'runs', onlyRun(cwd), 'manifest.jsonl'), 'utf8')
    .trim()
    .split('\n');
  t.like(JSON.parse(records[1] ?? ''), { record: 'end', finished: false });
});

test('a second Ctrl-C leaves at once and keeps the events', async (t) => {
  const cwd = workFolder(t);
  const { url, server } = await serve(t, () => undefined);
  const running = load(t, cwd, url, '--rate', '50', '--duration', '1h', '--timeout', '1h');
  await once(server, 'request');
  running.child.kill('SIGINT');
  await running.said('ending the run');
  // What comes sooner is the same key press, which npx has handed on.
  await wait(700);
  running.child.kill('SIGINT');
  t.is((await running.ended).code, 130);
  const folder = join(cwd, '.microcosm', 'runs', onlyRun(cwd));
  t.true(readFileSync(join(folder, 'client.log'), 'utf8').includes('REQUEST_SENT'));
  t.false(readFileSync(join(folder, 'manifest.jsonl'), 'utf8').includes('"record":"end"'));
});
