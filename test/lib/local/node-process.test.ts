import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { startNodeProcess } from '../../../lib/local/node-process';
import { StartError } from '../../../lib/local/start-error';

/** Runs a program in place of the node's. */
function start(t: ExecutionContext, program: string, options: { nodes?: number; startTimeoutMs?: number } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'microcosm-process-'));
  const file = join(folder, 'program.cjs');
  writeFileSync(file, program);
  const lines: string[] = [];
  const node = startNodeProcess({
    name: 'a-1',
    bundle: { file, flags: [] },
    variables: { MICROCOSM_INSTANCE: 'a-1' },
    nodes: 1,
    startTimeoutMs: 60_000,
    onStderr: (line) => lines.push(line),
    ...options,
  });
  t.teardown(() => {
    node.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  return { ...node, lines };
}

test('a process is ready when each of its nodes has said so', async (t) => {
  const program = `for (const instance of ['a-1', 'a-2']) process.send({ kind: 'ready', instance }); process.send('noise')`;
  const { ready } = start(t, program, { nodes: 2 });
  t.deepEqual(
    (await ready).map(({ instance }) => instance),
    ['a-1', 'a-2'],
  );
});

test('it gets its own variables and none of the same names that the launcher has', async (t) => {
  process.env.MICROCOSM_SLICE = 'of the launcher';
  t.teardown(() => void delete process.env.MICROCOSM_SLICE);
  const { ready } = start(
    t,
    `const { MICROCOSM_INSTANCE: own, MICROCOSM_SLICE: other } = process.env; process.send({ kind: 'ready', own, other })`,
  );
  t.deepEqual((await ready) as readonly unknown[], [{ kind: 'ready', own: 'a-1' }]);
});

test('what it says on stderr once it is ready is told line by line, without control characters', async (t) => {
  const { ready, exited, lines, stderr } = start(
    t,
    `process.send({ kind: 'ready' }, () => process.stderr.write('on\\x1b[31me\\nt', () => process.stderr.write('wo\\nrest')))`,
  );
  await ready;
  // Nothing keeps the program but its channel to us, which it does not listen to.
  await exited;
  t.deepEqual(lines, ['on\ufffd[31me', 'two']);
  t.is(stderr(), 'rest');
});

test('a process that ends before it is ready fails with its code and what it said', async (t) => {
  const { ready } = start(t, `process.stderr.write('no such slice\\n'); process.exitCode = 3`);
  const error = await t.throwsAsync(ready, { instanceOf: StartError });
  t.is(error.message, 'a-1: ended with code 3 before it was ready; it said:\nno such slice');
});

test('a process that hangs in its start is ended', async (t) => {
  const { ready, exited } = start(t, 'setInterval(() => {}, 1000)', { startTimeoutMs: 300 });
  const error = await t.throwsAsync(ready, { instanceOf: StartError });
  t.is(error.message, 'a-1: was not ready within 0.3 s and said nothing');
  t.deepEqual(await exited, { code: null, signal: 'SIGKILL' });
});
