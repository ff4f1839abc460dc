import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { askControl } from '../../lib/local/control-client';
import { startDnsServer } from '../../lib/local/dns-server';
import { ENVIRONMENT, type ReadyMessage } from '../../lib/model/contract';
import type { Event } from '../../lib/model/event';
import { resolve } from '../../lib/model/resolve';
import { sliceOf } from '../../lib/model/slice';
import { send } from './mesh';

const topology = resolve(
  {
    services: {
      web: { edge: true, calls: ['back'] },
      back: {
        endpoints: {
          'GET /': { latencyMs: 5, steps: [{ send: 'back POST /later' }] },
          'POST /later': { latencyMs: 30 },
        },
      },
    },
  },
  'main',
);

interface Program {
  readonly child: ChildProcess;
  readonly stderr: () => string;
  readonly ready: (count: number) => Promise<readonly ReadyMessage[]>;
  readonly exit: Promise<number | null>;
}

function run(t: ExecutionContext, environment: Record<string, string>): Program {
  const child = spawn(process.execPath, ['-r', 'ts-node/register', join(__dirname, '../../service/main.ts')], {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  let stderr = '';
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  const messages: ReadyMessage[] = [];
  child.on('message', (message) => messages.push(message as ReadyMessage));
  // 'close' does not come after a disconnect.
  const exit = Promise.all([once(child, 'exit'), once(child.stderr as Readable, 'end')]).then(
    ([[code]]) => code as number | null,
  );
  t.teardown(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  return {
    child,
    stderr: () => stderr,
    exit,
    ready: async (count) => {
      while (messages.length < count) {
        await Promise.race([
          once(child, 'message'),
          exit.then((code) => Promise.reject(new Error(`ended with ${code}: ${stderr}`))),
        ]);
      }
      return messages;
    },
  };
}

async function folderWithSlices(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'microcosm-main-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  for (const service of Object.keys(topology.services)) {
    await writeFile(join(folder, `${service}.json`), JSON.stringify(sliceOf(topology, service)));
  }
  return folder;
}

async function readEvents(path: string): Promise<readonly Event[]> {
  return (await readFile(path, 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Event);
}

test('a wrong environment is refused with every variable by its name, and exit code 2', async (t) => {
  const program = run(t, { [ENVIRONMENT.meshPort]: '99999', [ENVIRONMENT.clock]: 'sundial' });
  t.is(await program.exit, 2);
  for (const name of ['slice', 'instance', 'log', 'address', 'meshPort', 'clock'] as const) {
    t.true(program.stderr().includes(ENVIRONMENT[name]), name);
  }
});

test('a taken port ends the program with a readable line', async (t) => {
  const folder = await folderWithSlices(t);
  const environment = (port: string, instance: string) => ({
    [ENVIRONMENT.slice]: join(folder, 'back.json'),
    [ENVIRONMENT.instance]: instance,
    [ENVIRONMENT.log]: join(folder, `${instance}.log`),
    [ENVIRONMENT.address]: '127.0.0.1',
    [ENVIRONMENT.meshPort]: port,
  });
  const [{ meshPort } = { meshPort: 0 }] = await run(t, environment('0', 'back-1')).ready(1);
  const second = run(t, environment(String(meshPort), 'back-2'));
  t.is(await second.exit, 1);
  t.regex(second.stderr(), /^listen EADDRINUSE.*\n$/);
});

for (const ending of ['SIGTERM', 'disconnect'] as const) {
  test(`many nodes in one process find each other by DNS, and ${ending} ends them with no event lost`, async (t) => {
    const folder = await folderWithSlices(t);
    const dns = await startDnsServer({ topology: 'main' });
    t.teardown(() => dns.close());
    const inline = ['web-1', 'back-1', 'back-2'].map((instance) => ({
      slice: join(folder, `${instance.split('-')[0]}.json`),
      instance,
      log: join(folder, `${instance}.log`),
      address: '127.0.0.1',
      meshPort: '0',
      edgePort: '0',
      resolver: dns.address,
      clock: 'machine',
    }));
    await writeFile(join(folder, 'inline.json'), JSON.stringify(inline));
    const program = run(t, { [ENVIRONMENT.inline]: join(folder, 'inline.json') });
    const ready = await program.ready(3);
    for (const { instance, service, meshPort } of ready) dns.register(instance, service, '127.0.0.1', meshPort);
    const port = ready.find(({ service }) => service === 'web')?.edgePort ?? 0;

    const replies = await Promise.all(Array.from({ length: 50 }, () => send(port)));
    t.true(replies.every(({ status }) => status === 200));
    t.deepEqual((await send(port, { path: '/readyz' })).json.unresolved, []);
    if (ending === 'SIGTERM') program.child.kill('SIGTERM');
    else program.child.disconnect();
    t.is(await program.exit, 0);

    let queued = 0;
    for (const { instance } of inline) {
      const events = await readEvents(join(folder, `${instance}.log`));
      t.is(events[0]?.event, 'SERVICE_UP');
      const down = events.at(-1);
      t.is(down?.event, 'SERVICE_DOWN');
      const requests = events.filter(({ run }) => run === 'adhoc');
      // Every number is there, up to the last one reported.
      t.deepEqual(
        requests.map(({ seq }) => seq).sort((a, b) => a - b),
        Array.from({ length: down?.runs?.adhoc ?? 0 }, (_, i) => i + 1),
      );
      const spans = new Map<string, number>();
      for (const { requestId = '' } of requests) spans.set(requestId, (spans.get(requestId) ?? 0) + 1);
      for (const last of requests.filter(({ spanEvents }) => spanEvents !== undefined)) {
        t.is(spans.get(last.requestId ?? ''), last.spanEvents);
        spans.delete(last.requestId ?? '');
      }
      t.is(spans.size, 0);
      queued += requests.filter(({ event, via }) => event === 'RESULT_PRODUCED' || via === 'queue').length > 0 ? 1 : 0;
    }
    t.is(queued, 3);
  });
}

test('a killed process loses no more than its last moments, and no half line but the last', async (t) => {
  const folder = await folderWithSlices(t);
  const log = join(folder, 'back-1.log');
  const program = run(t, {
    [ENVIRONMENT.slice]: join(folder, 'back.json'),
    [ENVIRONMENT.instance]: 'back-1',
    [ENVIRONMENT.log]: log,
    [ENVIRONMENT.address]: '127.0.0.1',
    [ENVIRONMENT.meshPort]: '0',
  });
  const [{ meshPort } = { meshPort: 0 }] = await program.ready(1);
  const first = await send(meshPort, { path: '/later', method: 'POST' });
  for (let i = 0; i < 5; i++) await send(meshPort, { path: '/later', method: 'POST' });
  // Written within moments, though nobody asks for it.
  const ofFirst = async () => (await readFile(log, 'utf8')).split(`"requestId":"${first.json.requestId}"`).length - 1;
  while ((await ofFirst()) < 3) await wait(10);
  program.child.kill('SIGKILL');
  await program.exit;
  const lines = (await readFile(log, 'utf8')).split('\n');
  const whole = lines.slice(0, -1).map((line) => JSON.parse(line) as Event);
  t.is(whole.filter(({ requestId }) => requestId === first.json.requestId).length, 3);
});

test('a node that is given a file for live changes keeps them there, and starts again from it', async (t) => {
  const folder = await folderWithSlices(t);
  const [key, liveSlice] = [join(folder, 'key'), join(folder, 'live.json')];
  const scope = { key: 'ab'.repeat(32), topology: 'main' };
  await writeFile(key, scope.key, { mode: 0o600 });
  const settings = {
    [ENVIRONMENT.slice]: join(folder, 'back.json'),
    [ENVIRONMENT.instance]: 'back-1',
    [ENVIRONMENT.log]: join(folder, 'back-1.log'),
    [ENVIRONMENT.address]: '127.0.0.1',
    [ENVIRONMENT.meshPort]: '0',
    [ENVIRONMENT.key]: key,
    [ENVIRONMENT.liveSlice]: liveSlice,
  };
  const slice = { ...sliceOf(topology, 'back'), epoch: 3 };
  const epochOf = async (port: number | undefined) =>
    (await askControl(port ?? null, 'GET /slice', scope)).body.slice.epoch;

  const first = run(t, settings);
  const [ready] = await first.ready(1);
  t.is(await epochOf(ready?.controlPort ?? undefined), 0);
  t.is((await askControl(ready?.controlPort ?? null, 'PUT /slice', scope, { epoch: 3, slice })).status, 200);
  first.child.kill('SIGKILL');
  await first.exit;

  const [again] = await run(t, settings).ready(1);
  t.is(await epochOf(again?.controlPort ?? undefined), 3);
});
