import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Deployment } from '../../lib/model/deployment';

const ROOT = join(__dirname, '..', '..');
const cwd = mkdtempSync(join(tmpdir(), 'microcosm-local-'));
const TOPOLOGY = join(cwd, 'duo.json');
writeFileSync(
  TOPOLOGY,
  JSON.stringify({
    services: {
      web: { edge: true, endpoints: { 'GET /items/:id': { calls: ['store'] }, 'POST /items': { calls: ['store'] } } },
      admin: { edge: true, calls: ['store'] },
      store: { replicas: 2 },
    },
  }),
);
test.after.always(() => rmSync(cwd, { recursive: true, force: true }));

function start(t: ExecutionContext, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(
    process.execPath,
    ['-r', join(ROOT, 'bin', 'typescript.cjs'), join(ROOT, 'tools', 'local.ts'), ...args],
    { cwd, env: { ...process.env, TS_NODE_PROJECT: join(ROOT, 'tsconfig.json'), npm_command: '', ...env } },
  );
  t.teardown(() => child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({ code, signal, stdout, stderr }));
  return { child, ended };
}

/** The first line that the command prints, or an error where it ends before. */
async function firstLine({ child, ended }: ReturnType<typeof start>): Promise<string> {
  const line = once(createInterface({ input: child.stdout }), 'line').then(([text]) => text as string);
  const early = ended.then(({ code, stderr }) => Promise.reject(new Error(`ended with ${code}: ${stderr}`)));
  early.catch(() => {});
  return Promise.race([line, early]);
}

async function startedDeployment(command: ReturnType<typeof start>): Promise<Deployment> {
  return JSON.parse(await firstLine(command)) as Deployment;
}

function alive({ instances }: Deployment): readonly string[] {
  return instances
    .filter(({ pid }) => {
      try {
        process.kill(pid, 0);
        return true;
      } catch {
        return false;
      }
    })
    .map(({ instance }) => instance);
}

/** Processes that are not our children can only be looked for. */
async function untilGone(t: ExecutionContext, deployment: Deployment) {
  for (let i = 0; i < 600 && alive(deployment).length > 0; i++) await wait(50);
  t.deepEqual(alive(deployment), []);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test.serial(`${signal} ends the command well and every process with it`, async (t) => {
    const command = start(t, [TOPOLOGY, '--json']);
    const deployment = await startedDeployment(command);
    t.is(deployment.pid, command.child.pid ?? 0);
    t.is((await fetch(`${deployment.url}/web/items/7`)).status, 200);
    // Under npx the terminal and npx both send the signal: twice at once is one request.
    command.child.kill(signal);
    command.child.kill(signal);
    t.like(await command.ended, { code: 0, stderr: '' });
    t.deepEqual(alive(deployment), []);
  });
}

test.serial('nodes end when the launcher is killed', async (t) => {
  const command = start(t, [TOPOLOGY, '--json']);
  const deployment = await startedDeployment(command);
  t.is(alive(deployment).length, 4);
  command.child.kill('SIGKILL');
  await command.ended;
  await untilGone(t, deployment);
});

test.serial('it ends with the npx that started it', async (t) => {
  const bin = join(ROOT, 'node_modules', '.bin', 'ts-node');
  const script = `'${bin}' '${join(ROOT, 'tools', 'local.ts')}' '${TOPOLOGY}' --json; true`;
  // As npx does: a process that is killed, a shell that nobody tells, and the command.
  const npx = spawn(
    process.execPath,
    ['-e', `require('child_process').spawn('sh', ['-c', ${JSON.stringify(script)}], { stdio: 'inherit' })`],
    { cwd, env: { ...process.env, TS_NODE_PROJECT: join(ROOT, 'tsconfig.json'), npm_command: 'exec' } },
  );
  t.teardown(() => npx.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: npx.stdout }), 'line');
  const deployment = JSON.parse(line) as Deployment;
  npx.kill('SIGKILL');
  await untilGone(t, deployment);
});

test.serial('a second Ctrl-C ends what does not want to', async (t) => {
  const slow = join(cwd, 'slow.json');
  writeFileSync(slow, JSON.stringify({ services: { web: { edge: true, latencyMs: 60_000, deadlineMs: 120_000 } } }));
  const command = start(t, [slow, '--json']);
  const deployment = await startedDeployment(command);
  const pending = fetch(deployment.url);
  await untilBusy(deployment);
  command.child.kill('SIGINT');
  // What comes sooner is the same key press, which npx has handed on.
  await wait(1_500);
  command.child.kill('SIGINT');
  t.like(await command.ended, { code: 0 });
  t.deepEqual(alive(deployment), []);
  t.is((await pending).status, 502);
});

/** The node logs the request that it has received within milliseconds. */
async function untilBusy({ id }: Deployment) {
  const log = join(cwd, '.microcosm', 'deployments', id, 'logs', 'web-1.log');
  while (!readFileSync(log, 'utf8').includes('REQUEST_RECEIVED')) await wait(10);
}

test.serial(
  'it prints where the edge is, a curl for each endpoint, the instances, and how to send traffic',
  async (t) => {
    const command = start(t, [TOPOLOGY]);
    await firstLine(command);
    // As when the terminal is closed.
    command.child.kill('SIGHUP');
    const { stdout } = await command.ended;
    const [, url] = /^duo is up at (http:\/\/127\.0\.0\.1:\d+)$/m.exec(stdout) ?? [];
    t.truthy(url);
    t.true(
      stdout.includes(`  curl ${url}/web/items/1\n  curl -X POST ${url}/web/items\n  curl ${url}/admin/\n`),
      stdout,
    );
    t.regex(stdout, /^ {2}store-2 +\d+ +\d+$/m);
    t.true(stdout.includes(`Traffic: npx ts-node tools/load.ts ${TOPOLOGY}\n`));
  },
);

test.serial('a taken port is a fault of the user, in one line', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const { code, stdout, stderr } = await start(t, [TOPOLOGY, '--port', String(port)]).ended;
  t.is(code, 2);
  t.is(stdout, '');
  t.regex(
    stderr,
    /^port \d+: another program listens on 127\.0\.0\.1:\d+; give another --port, or none for a free one\n$/,
  );
});

test.serial('a port that is none is refused', async (t) => {
  const { code, stderr } = await start(t, [TOPOLOGY, '--port', '70000']).ended;
  t.is(code, 2);
  t.regex(stderr, /a port is a whole number from 0/);
});
