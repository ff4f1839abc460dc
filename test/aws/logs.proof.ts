import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { CloudWatchLogsClient, CreateLogGroupCommand } from '@aws-sdk/client-cloudwatch-logs';
import { readRun } from '../../lib/flows/read-run';
import { runJson } from '../../lib/flows/run-json';
import { reportRun } from '../../lib/flows/run-report';
import { openCloudWatchRun } from '../../lib/logs/cloudwatch/cloudwatch-source';
import { putLines } from '../../lib/logs/cloudwatch/put-events';
import { openLocalRun } from '../../lib/logs/local-source';
import type { LogSource } from '../../lib/logs/log-source';
import { CLOCK_PERIOD_MS, logGroupName, STATE } from '../../lib/model/contract';
import { parseRunId } from '../../lib/model/run-id';
import { ROOT, tool } from './command';
import { type Emulator, REGION, startEmulator } from './emulator';
import type { ProofGroup, Scene } from './proof';
import { type ProxyOptions, throttlingProxy } from './throttling-proxy';

const GROUP = logGroupName('shop');
/** Far below the number of events, so that time is bisected several times over. */
const QUERY_LIMIT = 1_500;

interface Recorded {
  readonly emulator: Emulator;
  readonly run: string;
  /** The directory that the run was made in, which has its logs. */
  readonly here: string;
  /** A directory without any run. */
  readonly away: string;
}

let recorded: Recorded | undefined;
let emulator: Emulator | undefined;
const folders: string[] = [];

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'microcosm-'));
  folders.push(made);
  return made;
}

/** Runs shop on this machine, sends traffic, and puts what its nodes logged into CloudWatch Logs, a stream an instance. */
async function record({ note }: Scene): Promise<void> {
  emulator = await startEmulator();
  const here = folder();
  const shop = join(ROOT, 'topologies', 'shop.ts');
  const program = [require.resolve('ts-node/dist/bin'), join(ROOT, 'tools', 'local.ts'), shop, '--json'];
  const nodes = spawn(process.execPath, program, { cwd: here, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(nodes, 'close');
  let run = '';
  try {
    await Promise.race([once(nodes.stdout, 'data'), ended]);
    const load = await tool('load', [shop, '--rate', '20', '--duration', '8s', '--json'], { cwd: here });
    assert.equal(load.code, 0, load.stderr);
    run = JSON.parse(load.stdout).run;
    // One more period, after which every node has said how far it counted.
    await new Promise((resolve) => setTimeout(resolve, CLOCK_PERIOD_MS + 1_000));
  } finally {
    nodes.kill('SIGTERM');
    await ended;
  }
  const client = logsClient(emulator.url);
  await client.send(new CreateLogGroupCommand({ logGroupName: GROUP }));
  let count = 0;
  const runFolder = join(here, STATE.runs, run);
  for (const file of readdirSync(runFolder)) {
    const lines = readFileSync(join(runFolder, file), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
    await putLines(client, GROUP, `${basename(file, '.log')}/i-0123456789abcdef0`, lines);
    count += lines.length;
  }
  // Another run's events and lines of no one's share the log.
  const foreign = { timestamp: new Date().toISOString(), message: 'not an event', run: 'shop-20261121t054429z-zzzz' };
  await putLines(client, GROUP, 'other', [JSON.stringify(foreign)]);
  client.destroy();
  recorded = { emulator, run, here, away: folder() };
  assert.ok(count > 2 * QUERY_LIMIT, `${count} events are too few to cut queries`);
  note(`${count} events of ${run}`);
}

function withRun(prove: (recorded: Recorded, scene: Scene) => Promise<void>) {
  return async (scene: Scene): Promise<void> => {
    if (!recorded) throw new Error('there is no recorded run');
    await prove(recorded, scene);
  };
}

/** The commands as users give them, with the service's limits. */
async function commandsAgree({ emulator: { env }, run, here, away }: Recorded, { note }: Scene): Promise<void> {
  const [local, remote] = [
    await tool('timeline', [run, '--format', 'json'], { cwd: here }),
    await tool('timeline', [run, '--format', 'json'], { cwd: away, env }),
  ];
  assert.equal(remote.code, 0, remote.stderr);
  assert.deepEqual(comparable(remote.stdout), comparable(local.stdout));
  const [checkedHere, checkedThere] = [
    await tool('check', [run, '--json'], { cwd: here }),
    await tool('check', [run, '--json', '--region', REGION], { cwd: away, env }),
  ];
  assert.equal(checkedHere.code, 0, checkedHere.stdout);
  assert.equal(checkedThere.code, 0, checkedThere.stderr + checkedThere.stdout);
  assert.deepEqual(JSON.parse(checkedThere.stdout), JSON.parse(checkedHere.stdout));
  note(
    `${(JSON.parse(local.stdout) as { flows: unknown[] }).flows.length} flows, the same from files and over the SDK`,
  );
}

/** The client's log here, the nodes' there: what the client also uploaded counts once. */
async function joined({ emulator: { env }, run, here }: Recorded): Promise<void> {
  const driver = folder();
  const target = join(driver, STATE.runs, run);
  mkdirSync(target, { recursive: true });
  const source = join(here, STATE.runs, run);
  cpSync(join(source, STATE.clientLog), join(target, STATE.clientLog));
  const [start = '', ...rest] = readFileSync(join(source, STATE.manifest), 'utf8').split('\n');
  const toAws = { ...JSON.parse(start), deployment: null, aws: { region: REGION, logGroup: GROUP } };
  writeFileSync(join(target, STATE.manifest), [JSON.stringify(toAws), ...rest].join('\n'));
  const [local, remote] = [
    await tool('timeline', [run, '--format', 'json'], { cwd: here }),
    await tool('timeline', [run, '--format', 'json'], { cwd: driver, env: { ...env, AWS_REGION: 'us-west-2' } }),
  ];
  assert.equal(remote.code, 0, remote.stderr);
  assert.deepEqual(comparable(remote.stdout), comparable(local.stdout));
}

async function cutAndThrottled({ emulator: { url }, run, here }: Recorded, { cleanup, note }: Scene): Promise<void> {
  const proxy = await throughProxy(url, { throttleEvery: 11, pageRows: 400 }, cleanup);
  const source = await openCloudWatchRun(run, { client: proxy.client, queryLimit: QUERY_LIMIT });
  assert.deepEqual(comparable(await timelineOf(source)), comparable(await timelineOf(await openLocalRun(run, here))));
  const { StartQuery = 0, GetQueryResults = 0 } = proxy.calls;
  assert.ok(StartQuery > 4 && GetQueryResults > StartQuery, 'ranges were cut, and results came in pages');
  assert.ok(proxy.throttled() > 0);
  note(`${StartQuery} queries, ${GetQueryResults} pages, ${proxy.throttled()} calls throttled`);
}

async function refused({ emulator: { url }, run, here }: Recorded, { cleanup, note }: Scene): Promise<void> {
  const proxy = await throughProxy(url, { throttleEvery: 11, pageRows: 400, refuseInsights: true }, cleanup);
  const notices: string[] = [];
  const source = await openCloudWatchRun(run, { client: proxy.client, onNotice: (notice) => notices.push(notice) });
  assert.deepEqual(comparable(await timelineOf(source)), comparable(await timelineOf(await openLocalRun(run, here))));
  assert.match(notices.join(), /logs:StartQuery.*FilterLogEvents/);
  // The emulator tells by this way only when it took an event in.
  const { events, meanMs, maxMs } = source.arrival?.() ?? { events: 0, meanMs: 0, maxMs: 0 };
  assert.ok(events > 0 && meanMs > 0 && maxMs >= meanMs);
  note(`${proxy.calls.FilterLogEvents} pages by FilterLogEvents, every second one empty`);
}

/** An agent that restarts may send again what it had sent. */
async function sentTwice({ emulator: { url, env }, run, here, away }: Recorded): Promise<void> {
  const file = readdirSync(join(here, STATE.runs, run)).find((name) => name.startsWith('carts-'));
  assert.ok(file);
  const lines = readFileSync(join(here, STATE.runs, run, file), 'utf8').split('\n');
  const again = lines.filter((line) => line.includes(`"run":"${run}"`)).slice(0, 40);
  const client = logsClient(url);
  await putLines(client, GROUP, 'carts/i-0again', again);
  client.destroy();
  const remote = await tool('timeline', [run, '--format', 'json'], { cwd: away, env });
  const local = await tool('timeline', [run, '--format', 'json'], { cwd: here });
  const { warnings } = JSON.parse(remote.stdout);
  assert.equal(warnings.length, 1, warnings.join());
  assert.ok(warnings[0].startsWith(`${GROUP}, ${file.replace('.log', '')}: 40 duplicate events`), warnings[0]);
  const regular = (text: string) =>
    comparable(
      JSON.stringify(JSON.parse(text), (key, value) => (['warnings', 'irregular'].includes(key) ? [] : value)),
    );
  assert.deepEqual(regular(remote.stdout), regular(local.stdout));
  const check = await tool('check', [run, '--json'], { cwd: away, env });
  const { verdict, duplicates } = JSON.parse(check.stdout);
  assert.deepEqual([verdict, duplicates], ['conforms', 40]);
}

/** A run whose last events are not there yet: the command waits for them, and no longer. */
async function waits({ emulator: { url, env }, run, here }: Recorded, { note }: Scene): Promise<void> {
  const id = parseRunId(run);
  assert.ok(id);
  const late = run.replace(/....$/, 'late');
  const source = join(here, STATE.runs, run);
  const renamed = (file: string): string[] =>
    readFileSync(join(source, file), 'utf8')
      .replaceAll(run, late)
      .split('\n')
      .filter((line) => line !== '');
  const client = logsClient(url);
  const files = readdirSync(source);
  const held = files.find((file) => file.startsWith('carts-')) ?? '';
  const of = (lines: readonly string[]): string[] => lines.filter((line) => line.includes(`"run":"${late}"`));
  for (const file of files) if (file !== held) await putLines(client, GROUP, `${file}/late`, of(renamed(file)));
  const away = folder();
  const without = await tool('timeline', [late, '--format', 'json', '--wait', '2s'], { cwd: away, env });
  assert.equal(without.code, 0, without.stderr);
  assert.match(without.stderr, /not in \/microcosm\/shop.*: .*events of \d+ flows/);
  assert.equal(JSON.parse(without.stdout).complete, false);

  const waiting = tool('timeline', [late, '--format', 'json', '--wait', '3m'], { cwd: away, env });
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  await putLines(client, GROUP, `${held}/late`, of(renamed(held)));
  client.destroy();
  const whole = await waiting;
  assert.equal(JSON.parse(whole.stdout).complete, true, whole.stderr);
  note('read anew until what was held back had arrived');
}

async function throughProxy(url: string, options: ProxyOptions, cleanup: Scene['cleanup']) {
  const proxy = await throttlingProxy(url, options);
  const client = logsClient(proxy.url);
  cleanup(() => {
    client.destroy();
    return proxy.close();
  });
  return { ...proxy, client };
}

function logsClient(endpoint: string): CloudWatchLogsClient {
  return new CloudWatchLogsClient({
    endpoint,
    region: REGION,
    credentials: { accessKeyId: 'testing', secretAccessKey: 'testing' },
    maxAttempts: 10,
  });
}

async function timelineOf(source: LogSource): Promise<string> {
  const run = await readRun(source);
  const { report } = reportRun(run);
  return [...runJson(run, report, () => true)].join('');
}

/** The order in which processes were met, and the names of the streams, are the store's own. */
function comparable(text: string): Record<string, unknown> {
  const { processes, statistics, clocks, ...rest } = JSON.parse(text);
  const sorted = (values: readonly unknown[]): readonly unknown[] =>
    [...values].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  const hosts = clocks.hosts.map((host: { instances: string[] }) => ({ ...host, instances: sorted(host.instances) }));
  return {
    ...rest,
    clocks: { ...clocks, hosts: sorted(hosts) },
    processes: sorted(processes.map(({ streams: _streams, ...process }: { streams: unknown }) => process)),
    statistics: { ...statistics, endpoints: sorted(statistics.endpoints), edges: sorted(statistics.edges) },
  };
}

export const logsProofs: ProofGroup = {
  title: "A local run's events in CloudWatch Logs (moto), read back over the SDK",
  proofs: [
    { title: 'a run of shop is made here and put into CloudWatch Logs', run: record },
    { title: 'timeline and check say the same from CloudWatch as from the files', run: withRun(commandsAgree) },
    { title: "the driver's log here is joined with the nodes' logs there, and counts once", run: withRun(joined) },
    {
      title: 'more events than a query returns, in pages, with calls throttled: the same flows',
      run: withRun(cutAndThrottled),
    },
    { title: 'without Logs Insights, with empty pages and repeated events: the same flows', run: withRun(refused) },
    { title: 'events that were sent twice are counted once, and said', run: withRun(sentTwice) },
    { title: 'missing events are waited for, and named when the wait is over', run: withRun(waits) },
  ],
  close: async () => {
    for (const each of folders) rmSync(each, { recursive: true, force: true });
    await emulator?.stop();
  },
};
