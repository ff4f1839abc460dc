import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import test from 'ava';
import { following, growingLogs, linesFrom } from '../support/growing-logs';
import { outcome } from '../support/tool';

interface Told {
  readonly flows: readonly { readonly traceId: string; readonly complete: boolean }[];
  readonly summary: Readonly<Record<string, unknown>>;
}

/** What a follower printed as JSON; every line of it is whole. */
function outputOf(stdout: string): Told {
  const lines = stdout.trimEnd().split('\n');
  const summary = JSON.parse(lines.pop() ?? '');
  return { flows: lines.map((line) => JSON.parse(line)), summary };
}

const JSON_LINES = ['--follow', '--format', 'json'];
const ALL_WELL = { ending: 'finished', givenUp: 0, waiting: 0, lateEvents: 0 };

test('nothing is lost or told twice where logs are renamed, removed, truncated and rewritten as they grow', async (t) => {
  const requests = 200;
  const { run, files, path, tool, begin, write, writeAll, flowsWithin, end } = growingLogs(t, {
    requests,
    byLines: true,
  });
  begin();
  const child = tool(t, 'timeline', run, ...JSON_LINES);
  const result = outcome(child);
  await following(child);
  const read = linesFrom(child, flowsWithin(0.5));
  writeAll(0, 0.5);
  await read;
  write('web-1.log', 0.5, 0.6);
  renameSync(path('web-1.log'), path('web-1.log.1'));
  write('web-1.log', 0.6, 1);
  write('web-2.log', 0.5, 1);
  rmSync(path('web-2.log'));
  truncateSync(path('catalog-1.log'));
  write('catalog-1.log', 0.5, 1);
  const before = readFileSync(path('carts-1.log'));
  writeFileSync(path('carts-1.log'), 'somebody was here\n');
  appendFileSync(path('carts-1.log'), before);
  write('carts-1.log', 0.5, 1);
  const touched = new Set(['web-1.log', 'web-2.log', 'catalog-1.log', 'carts-1.log']);
  for (const file of files) if (!touched.has(file)) write(file, 0.5, 1);
  end();
  const { code, stdout, stderr } = await result;
  t.is(code, 0, stderr);
  const { flows, summary } = outputOf(stdout);
  t.like(summary, { ...ALL_WELL, flows: requests });
  t.is(new Set(flows.map(({ traceId }) => traceId)).size, requests);
  t.true(flows.every(({ complete }) => complete));
});

test('a process that is started again is followed, in its old log and in a new one', async (t) => {
  const requests = 300;
  const crash = { atMs: 100_000, restartAfterMs: 3_000, lostTailMs: 0 };
  const { run, path, simulation, tool, begin, writeAll, end } = growingLogs(t, {
    requests,
    rate: 1,
    startAt: Date.now(),
    crashes: [
      { instance: 'web-1', ...crash },
      { instance: 'carts-1', ...crash },
    ],
  });
  begin();
  const child = tool(t, 'timeline', run, ...JSON_LINES);
  const result = outcome(child);
  await following(child);
  writeAll(0, 0.4);
  await linesFrom(child, 20);
  // The successor of carts-1 begins a file of its own, under the same name.
  const lines = simulation.files.get('carts-1.log') ?? [];
  const second = lines.findIndex((line, index) => index > 0 && line.includes('"SERVICE_UP"'));
  t.true(second > 0);
  const text = (from: number, to?: number): string =>
    lines
      .slice(from, to)
      .map((line) => `${line}\n`)
      .join('');
  writeFileSync(path('carts-1.log'), text(0, second));
  writeAll(0.4, 1, ['carts-1.log']);
  renameSync(path('carts-1.log'), path('carts-1.log.old'));
  writeFileSync(path('carts-1.log'), text(second));
  end();
  const { code, stdout, stderr } = await result;
  t.is(code, 0, stderr);
  const { flows, summary } = outputOf(stdout);
  t.like(summary, { ending: 'finished', flows: requests, waiting: 0 });
  t.is(flows.length, requests);
  const processes = new Set(stdout.match(/"instance":"(web|carts)-1"[^}]*?"process":"[a-z2-7]{8}"/g));
  t.true(processes.size >= 4, `${[...processes]}`);
});

test('lines that come in two halves, long apart, are whole', async (t) => {
  const requests = 60;
  const { run, files, simulation, path, tool, begin, end } = growingLogs(t, { requests });
  begin();
  const child = tool(t, 'timeline', run, ...JSON_LINES);
  const result = outcome(child);
  await following(child);
  const halves = files.map((file) => {
    const text = Buffer.from((simulation.files.get(file) ?? []).map((line) => `${line}\n`).join(''));
    // In the middle of a line, behind its opening brace, or before its line feed.
    const middle = text.indexOf('\n', text.length >> 1);
    const cut = middle + ([-40, 2, 0][file.length % 3] as number);
    return { file, first: text.subarray(0, cut), second: text.subarray(cut) };
  });
  for (const { file, first } of halves) appendFileSync(path(file), first);
  await linesFrom(child, 10);
  await pause(1_000);
  for (const { file, second } of halves) appendFileSync(path(file), second);
  end();
  const { code, stdout } = await result;
  t.is(code, 0);
  t.like(outputOf(stdout).summary, { ...ALL_WELL, flows: requests });
});

/** Bytes that a process read so far, of which files ever; see proc(5), `io`. */
function bytesRead({ pid }: ChildProcess): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]);
}

const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('while nobody takes what it tells of a burst, it reads no more; then it tells all of it', async (t) => {
  const requests = 1_500;
  const { run, files, path, tool, begin, writeAll, end } = growingLogs(t, { requests });
  begin();
  const child = tool(t, 'timeline', run, ...JSON_LINES);
  await following(child);
  const before = bytesRead(child);
  writeAll(0, 1);
  end();
  const written = files.reduce((sum, file) => sum + statSync(path(file)).size, 0);
  let [read, earlier] = [0, -1];
  while (read === 0 || read > earlier) {
    earlier = read;
    await pause(1_000);
    read = bytesRead(child) - before;
  }
  t.true(read < 0.7 * written, `${read} of ${written}`);
  const { code, stdout } = await outcome(child);
  t.is(code, 0);
  const { flows, summary } = outputOf(stdout);
  t.like(summary, { ...ALL_WELL, flows: requests });
  t.is(new Set(flows.map(({ traceId }) => traceId)).size, requests);
});

test('Ctrl-C in a burst leaves whole lines and a sum of what was told', async (t) => {
  const { run, tool, begin, writeAll } = growingLogs(t, { requests: 1_500 });
  begin();
  const child = tool(t, 'timeline', run, ...JSON_LINES);
  const result = outcome(child);
  await following(child);
  writeAll(0, 1);
  await linesFrom(child, 1);
  child.kill('SIGINT');
  const { code, stdout, stderr } = await result;
  t.is(code, 0, stderr);
  const { flows, summary } = outputOf(stdout);
  t.is(summary.ending, 'interrupted');
  t.is(summary.flows, flows.length);
});

test('who insists on an end has it, also while nobody reads the output', async (t) => {
  const { run, tool, begin, writeAll } = growingLogs(t, { requests: 1_500 });
  begin();
  const child = tool(t, 'timeline', run, ...JSON_LINES);
  await following(child);
  writeAll(0, 1);
  const ended = once(child, 'exit');
  while (child.exitCode === null) {
    child.kill('SIGINT');
    await Promise.race([ended, pause(700)]);
  }
  t.is(child.exitCode, 0);
});

test('where the driver was killed long before the end that it planned, the run is unfinished', async (t) => {
  const { run, path, tool, begin, writeAll } = growingLogs(t, { requests: 20, rate: 0.01, startAt: Date.now() });
  begin();
  writeAll(0, 1);
  const twoMinutesAgo = Date.now() / 1000 - 120;
  utimesSync(path('client.log'), twoMinutesAgo, twoMinutesAgo);
  const { code, stdout, stderr } = await outcome(tool(t, 'timeline', run, ...JSON_LINES, '--wait', '1s'));
  t.is(code, 0, stderr);
  t.like(outputOf(stdout).summary, { ending: 'unfinished', flows: 20, waiting: 0 });
});

test('a wrong wait is refused before any run is waited for', async (t) => {
  const { tool } = growingLogs(t, { requests: 1 });
  const { code, stderr } = await outcome(tool(t, 'timeline', 'shop', '--follow', '--wait', 'long'));
  t.is(code, 2);
  t.regex(stderr, /--wait: .*long/);
});
