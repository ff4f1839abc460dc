import { execFileSync } from 'node:child_process';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { LOG_BUFFER_CHARACTERS, type LogFileOwner, openLogFile } from '../../../service/log/log-file';

async function path(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'microcosm-log-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'a.log');
}

const QUIET: LogFileOwner = { ahead: () => '', written: () => {} };

test('lines come out whole and in order, however many wait', async (t) => {
  const file = await path(t);
  const log = openLogFile(file, QUIET);
  const lines = Array.from({ length: 50_000 }, (_, i) => `line ${i} é\n`);
  for (const line of lines) t.true(log.append(line));
  await log.close();
  t.is(await readFile(file, 'utf8'), lines.join(''));
});

test('what does not fit the buffer is refused, and taken again once there is room', async (t) => {
  const file = await path(t);
  const log = openLogFile(file, QUIET);
  const line = `${'x'.repeat(1_048_575)}\n`;
  let taken = 0;
  // The first lines leave with a write under way; no more than the buffer waits behind it.
  while (log.append(line)) taken += 1;
  t.true(taken * line.length <= LOG_BUFFER_CHARACTERS + 2 * line.length);
  await log.flush();
  t.true(log.append(line));
  await log.close();
  t.is((await readFile(file)).length, (taken + 1) * line.length);
});

test('a dying process writes out what waits', async (t) => {
  const file = await path(t);
  const module = join(__dirname, '../../../service/log/log-file.ts');
  const program = `
    const { openLogFile } = require(${JSON.stringify(module)});
    const log = openLogFile(${JSON.stringify(file)}, { ahead: () => '', written: () => {} });
    process.on('exit', () => log.flushSync());
    log.append('before the crash\\n');
    throw new Error('crash');
  `;
  t.throws(() => execFileSync(process.execPath, ['-r', 'ts-node/register', '-e', program], { stdio: 'ignore' }));
  t.is(await readFile(file, 'utf8'), 'before the crash\n');
});

test('lines that the disk refuses are counted', async (t) => {
  let full: Awaited<ReturnType<typeof open>> | undefined;
  try {
    full = await open('/dev/full', 'a');
  } catch {
    t.pass('there is no /dev/full on this system');
    return;
  }
  await full.close();
  let lost = 0;
  const log = openLogFile('/dev/full', {
    ...QUIET,
    written: (lines) => {
      lost += lines;
    },
  });
  for (let i = 0; i < 7; i++) log.append('line\n');
  await log.close();
  t.is(lost, 7);
});
