import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ENVIRONMENT, type ReadyMessage } from '../../../lib/model/contract';
import { resolve } from '../../../lib/model/resolve';
import { sliceOf } from '../../../lib/model/slice';
import type { TopologySpec } from '../../../lib/model/spec';
import { send } from '../mesh';

/** Asks a node in a process of its own once; how the process ended, what the caller saw, and the node's log. */
async function crashed(t: ExecutionContext, args: object) {
  const spec = { services: { web: { edge: true, faults: [{ type: 'crash', at: 'before', args }] } } } as TopologySpec;
  const folder = await mkdtemp(join(tmpdir(), 'microcosm-crash-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const slice = join(folder, 'web.json');
  const log = join(folder, 'web-1.log');
  await writeFile(slice, JSON.stringify(sliceOf(resolve(spec, 'crash'), 'web')));
  const child = spawn(process.execPath, ['-r', 'ts-node/register', join(__dirname, '../../../service/main.ts')], {
    env: {
      PATH: process.env.PATH,
      [ENVIRONMENT.slice]: slice,
      [ENVIRONMENT.instance]: 'web-1',
      [ENVIRONMENT.log]: log,
      [ENVIRONMENT.address]: '127.0.0.1',
      [ENVIRONMENT.meshPort]: '0',
      [ENVIRONMENT.edgePort]: '0',
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const exit = once(child, 'exit');
  const [ready] = (await once(child, 'message')) as [ReadyMessage];
  const seen = await send(ready.edgePort as number).then(
    ({ status }) => status,
    ({ code }: NodeJS.ErrnoException) => code,
  );
  const [code, signal] = await exit;
  return { seen, code, signal, log: await readFile(log, 'utf8') };
}

test('a crash ends the process with its exit code, its event on disk before', async (t) => {
  const { seen, code, signal, log } = await crashed(t, { exitCode: 7 });
  t.is(seen, 'ECONNRESET');
  t.is(code, 7);
  t.is(signal, null);
  t.regex(log, /FAULT_INJECTED.*"type":"crash".*"args":\{"exitCode":7\}/);
  t.notRegex(log, /SERVICE_DOWN/);
});

test('a crash by a signal leaves no time for anything, and its event is on disk', async (t) => {
  const { seen, code, signal, log } = await crashed(t, { signal: 'SIGKILL' });
  t.is(seen, 'ECONNRESET');
  t.is(code, null);
  t.is(signal, 'SIGKILL');
  t.regex(log, /FAULT_INJECTED/);
});

test('a crash by SIGTERM is a stop in good order', async (t) => {
  const { seen, code, log } = await crashed(t, { signal: 'SIGTERM' });
  t.is(seen, 200);
  t.is(code, 0);
  t.regex(log, /SERVICE_DOWN/);
});
