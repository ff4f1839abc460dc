import { appendFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { loadTopology } from '../../lib/model/load-topology';
import { newRunId } from '../../lib/model/run-id';
import { growingLogs, waiting } from '../support/growing-logs';
import { simulate } from '../support/simulate';
import { outcome, toolsIn } from '../support/tool';

const topology = loadTopology('shop', { cwd: join(__dirname, '..', '..') });
const REQUESTS = 30;

const coming = (t: ExecutionContext) => growingLogs(t, { requests: REQUESTS, failures: { internal: 0.03 } });

interface Line {
  readonly record: string;
  readonly traceId: string;
  readonly status: number | null;
  readonly complete: boolean;
  readonly givenUp: boolean;
  readonly ending: string;
  readonly flows: number;
}

function linesOf(stdout: string): readonly Line[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('followed before it exists, a run is told flow by flow as its files grow, and ends by itself', async (t) => {
  const { run, tool, begin, writeAll, end } = coming(t);
  const child = tool(t, 'timeline', run, '--follow', '--format', 'json');
  const first = new Promise<void>((settle) => child.stdout?.once('data', () => settle()));
  const result = outcome(child);
  // A command that takes longer to start finds the run there: it looks for one within a minute of its id's time.
  await Promise.race([waiting(child), pause(30_000, undefined, { ref: false })]);
  begin();
  writeAll(0, 0.6);
  await Promise.race([first, result]);
  writeAll(0.6, 1);
  end();
  const { code, stdout, stderr } = await result;
  t.is(code, 0, stderr);
  const lines = linesOf(stdout);
  const flows = lines.filter(({ record }) => record === 'flow');
  t.is(flows.length, REQUESTS);
  t.is(new Set(flows.map(({ traceId }) => traceId)).size, REQUESTS);
  t.true(flows.every(({ complete, givenUp }) => complete && !givenUp));
  t.like(lines[lines.length - 1], { record: 'summary', run, ending: 'finished', flows: REQUESTS, waiting: 0 });
});

test('what never comes is given up after the wait, and said', async (t) => {
  const { run, tool, begin, writeAll, end } = coming(t);
  begin();
  writeAll(0, 0.8);
  end();
  const { code, stdout, stderr } = await outcome(tool(t, 'timeline', run, '--follow', '--wait', '1s'));
  t.is(code, 0);
  t.regex(stderr, /a flow of which nothing came for 1 s is given up/);
  t.regex(stdout, /web .*incomplete: given up/);
  t.regex(stdout, new RegExp(`^${run}  finished: \\d+ flows, .* given up$`, 'm'));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a pipe must get none of them
  t.notRegex(stdout, /\u001b/);
});

test('a topology in place of a run means its run under way; Ctrl-C ends with the summary', async (t) => {
  const { run, path, tool, begin, writeAll } = coming(t);
  begin();
  writeAll(0, 1);
  // Its driver is at work, however long the command takes to start.
  const driver = setInterval(() => utimesSync(path('client.log'), new Date(), new Date()), 1_000);
  t.teardown(() => clearInterval(driver));
  const child = tool(t, 'timeline', 'shop', '--follow');
  const result = outcome(child);
  let seen = 0;
  await new Promise<void>((settle) => {
    child.stdout?.on('data', (text: Buffer) => {
      seen += text.toString().split('\n').length - 1;
      if (seen >= REQUESTS) settle();
    });
    child.on('close', () => settle());
  });
  child.kill('SIGINT');
  const { code, stdout, stderr } = await result;
  t.is(code, 0, stderr);
  t.regex(stdout, new RegExp(`\\n${run}  interrupted: ${REQUESTS} flows, `));
});

test('only failed flows are shown where those are asked for, and all are counted', async (t) => {
  const { run, simulation, tool, begin, writeAll, end } = coming(t);
  const failed = simulation.flows.filter(({ root }) => (root?.status ?? 500) >= 500).length;
  begin();
  writeAll(0, 1);
  end();
  const { stdout } = await outcome(
    tool(t, 'timeline', run, '--follow', '--errors', '--service', 'web', '--format', 'json'),
  );
  const lines = linesOf(stdout);
  t.is(lines.length - 1, failed);
  t.true(lines.slice(0, -1).every(({ status }) => status === null || status >= 500));
  t.is(lines[lines.length - 1]?.flows, REQUESTS);
});

test('a reader that has seen enough ends it quietly', async (t) => {
  const { run, tool, begin, writeAll } = coming(t);
  begin();
  writeAll(0, 0.5);
  const child = tool(t, 'timeline', run, '--follow');
  child.stdout?.once('data', () => {
    child.stdout?.destroy();
    writeAll(0.5, 1);
  });
  let stderr = '';
  child.stderr?.on('data', (text) => {
    stderr += text;
  });
  const [code] = await new Promise<[number | null]>((settle) => child.on('close', (status) => settle([status])));
  t.is(code, 0);
  t.regex(stderr, /^following .*\n$/);
});

test('what cannot be followed is refused, all faults at once', async (t) => {
  const { run, cwd, tool, begin } = coming(t);
  const wrong = await outcome(
    tool(t, 'timeline', run, '--follow', '--flow', 'ab', '--format', 'html', '--region', 'eu-west-1'),
  );
  t.is(wrong.code, 2);
  t.deepEqual(wrong.stderr.match(/--(flow|format|region)(?=:)/g), ['--flow', '--format', '--region']);
  t.regex(wrong.stderr, /not those in CloudWatch/);
  const old = await outcome(tool(t, 'timeline', 'shop-20251121t054429z-k3qa', '--follow'));
  t.is(old.code, 2);
  t.regex(old.stderr, /there is no run shop-20251121t054429z-k3qa/);
  begin();
  const manifest = join(cwd, '.microcosm', 'runs', run, 'manifest.jsonl');
  const aws = { region: 'eu-west-1', logGroup: '/microcosm/shop' };
  writeFileSync(manifest, `${JSON.stringify({ record: 'start', timestamp: '2026-11-21T05:44:29Z', run, aws })}\n`);
  const remote = await outcome(tool(t, 'timeline', run, '--follow'));
  t.is(remote.code, 2);
  t.regex(remote.stderr, /log to CloudWatch, and only logs on this machine can be followed/);
});

test('requests that belong to no run are followed in the logs of deployments, those before aside', async (t) => {
  const cwd = mkdtempSync(join(tmpdir(), 'microcosm-follow-'));
  t.teardown(() => rmSync(cwd, { recursive: true, force: true }));
  const logs = (deployment: string): string => join(cwd, '.microcosm', 'deployments', deployment, 'logs');
  const write = (deployment: string, startAt: number, seed: number): void => {
    mkdirSync(logs(deployment), { recursive: true });
    const { files } = simulate({ topology, run: 'adhoc', requests: REQUESTS, startAt, seed });
    for (const [file, lines] of files) {
      if (file !== 'client.log')
        appendFileSync(join(logs(deployment), file), lines.map((line) => `${line}\n`).join(''));
    }
  };
  const [before, now] = [newRunId('shop', new Date(Date.now() - 60_000)), newRunId('shop', new Date())];
  write(before, Date.now() - 3_600_000, 1);
  mkdirSync(logs(now), { recursive: true });
  const child = toolsIn(cwd)(t, 'timeline', 'adhoc', '--topology', 'shop', '--follow', '--format', 'json');
  const result = outcome(child);
  let [told, seen] = ['', 0];
  const done = new Promise<void>((settle) => {
    child.stderr?.on('data', (text: Buffer) => {
      told += text.toString();
      if (seen === 0 && told.includes('following adhoc')) {
        seen = 1;
        write(now, Date.now() + 1_000, 2);
      }
    });
    child.stdout?.on('data', (text: Buffer) => {
      seen += text.toString().split('\n').length - 1;
      if (seen > REQUESTS) settle();
    });
    child.on('close', () => settle());
  });
  await done;
  child.kill('SIGINT');
  const { code, stdout, stderr } = await result;
  t.is(code, 0, stderr);
  const lines = linesOf(stdout);
  t.is(lines.filter(({ record, complete, givenUp }) => record === 'flow' && complete && !givenUp).length, REQUESTS);
  t.like(lines[lines.length - 1], { record: 'summary', run: 'adhoc', ending: 'interrupted', flows: REQUESTS });
});
