import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Command } from 'commander';
import { readRun } from '../lib/flows/read-run';
import { NO_MANIFEST } from '../lib/logs/log-source';
import { fileStream } from '../lib/logs/read-file';
import { temporarySpill } from '../lib/logs/temporary-spill';
import { loadTopology } from '../lib/model/load-topology';
import { startFollower } from './follow/follower';
import { type GrowingRun, growingRun } from './follow/growing-run';

/**
 * What following a run costs while its logs grow: `timeline --follow` in a process of its own, over logs of a simulated run
 * of the shop that are written as nodes write them. Needs Linux (`/proc`), and some 2 GB of the temporary folder.
 *
 * - `delay`: from the writing of a flow's last line to its being shown, at `--delay-rate` events a second for
 *   `--delay-seconds`; and what the follower takes of a core once nothing more comes
 * - `CPU`: for a million events, at `--rate`, as a ratio to rebuilding the finished run's flows from the same files
 *   (`flows` of bench/timeline.ts), each less what starting the program takes
 * - `memory`: the most that the follower had by then, above what it had before the first event
 *
 *     npx ts-node bench/follow.ts [--events 1000000] [--rate 30000] [--delay-rate 5000] [--delay-seconds 10] [--format text]
 */
interface Options {
  readonly events: number;
  readonly rate: number;
  readonly delayRate: number;
  readonly delaySeconds: number;
  readonly format: string;
}

/** The engine tidies up for some seconds after work. */
const SETTLE_MS = 5_000;
const QUIET_MS = 15_000;
const ROUNDS = 3;
const topology = loadTopology('shop', { cwd: join(__dirname, '..') });

async function main(): Promise<void> {
  const program = new Command()
    .description('CPU, memory and delay of timeline --follow.')
    .option('--events <n>', 'how many, about', Number, 1_000_000)
    .option('--rate <n>', 'events a second', Number, 30_000)
    .option('--delay-rate <n>', 'events a second while the delay is measured', Number, 5_000)
    .option('--delay-seconds <n>', 'so long', Number, 10)
    .option('--format <format>', 'text or json, of the long run', 'text')
    .parse();
  const options = program.opts<Options>();
  const cwd = mkdtempSync(join(tmpdir(), 'microcosm-bench-'));
  try {
    await delay(cwd, options);
    await growth(cwd, options);
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

async function delay(cwd: string, { delayRate, delaySeconds }: Options): Promise<void> {
  const run = growingRun(cwd, topology, delayRate * delaySeconds, delayRate);
  run.begin();
  const shownMs = new Map<string, number>();
  const follower = await startFollower(cwd, [run.run, '--format', 'json', '--wait', '5m'], (line) => {
    shownMs.set(/"traceId":"([0-9a-f]{32})"/.exec(line)?.[1] ?? '', performance.now());
  });
  await run.write(Number.POSITIVE_INFINITY, delayRate);
  await follower.showing(run.requests);
  await pause(SETTLE_MS);
  const before = follower.cpuSeconds();
  await pause(QUIET_MS);
  const quiet = (follower.cpuSeconds() - before) / (QUIET_MS / 1000);
  run.end();
  await follower.ended();
  const delays = Array.from(shownMs, ([traceId, atMs]) => atMs - (run.lastWrittenMs.get(traceId) ?? Number.NaN));
  delays.sort((a, b) => a - b);
  const at = (q: number): string => `${delays[Math.floor(q * (delays.length - 1))]?.toFixed(0)} ms`;
  print('delay', `median ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)}; ${delays.length} flows, ${delayRate} events/s`);
  print('quiet', `${(100 * quiet).toFixed(2)} % of a core once nothing more comes`);
}

async function growth(cwd: string, { events, rate, format }: Options): Promise<void> {
  const run = growingRun(cwd, topology, events, rate);
  run.begin();
  const follower = await startFollower(cwd, [run.run, '--format', format]);
  await pause(1_000);
  const [idleMb, idleCpu] = [follower.residentMb(), follower.cpuSeconds()];
  const startedMs = performance.now();
  let written = 0;
  for (const mark of [0.1, 0.5, 1]) {
    await run.write(mark * run.events - written, rate);
    written = mark * run.events;
    if (mark === 1) await run.write(Number.POSITIVE_INFINITY, rate);
    const flows = Math.floor(mark * run.requests);
    print(
      'memory',
      `+${(follower.peakMb() - idleMb).toFixed(0)} MB after ${Math.round(written)} events, ${follower.shown} of ${flows} flows shown`,
    );
  }
  const writtenMs = performance.now();
  await follower.showing(run.requests);
  const lateMs = performance.now() - writtenMs;
  const cpu = follower.cpuSeconds() - idleCpu;
  run.end();
  const last = await follower.ended();
  const finished = median(Array.from({ length: ROUNDS }, () => finishedCpu(run)));
  const perMillion = (seconds: number): string => `${((1e6 * seconds) / run.events).toFixed(2)} s`;
  print(
    'written',
    `${(run.events / ((writtenMs - startedMs) / 1000)).toFixed(0)} events/s; the rest shown ${lateMs.toFixed(0)} ms later`,
  );
  print(
    'CPU',
    `${perMillion(cpu)} for a million events, ${format}; ${(cpu / finished).toFixed(2)}x of reading them when finished (${perMillion(finished)})`,
  );
  print('last line', last);
}

/** CPU seconds of rebuilding all flows of the finished run. */
function finishedCpu({ folder, run }: GrowingRun): number {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['-r', require.resolve('ts-node/register/transpile-only'), __filename],
    { env: { ...process.env, BENCH_FOLLOW: JSON.stringify({ folder, run }) }, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
  return Number(stdout);
}

async function readFinished({ folder, run }: Pick<GrowingRun, 'folder' | 'run'>): Promise<void> {
  const files = readdirSync(folder).filter((file) => file.endsWith('.log'));
  const before = process.cpuUsage();
  const spill = temporarySpill();
  const source = {
    run,
    topology: topology.name,
    sinceMs: null,
    manifest: NO_MANIFEST,
    async *streams() {
      for (const file of files) yield fileStream(file, join(folder, file));
    },
  };
  let flows = 0;
  for (const batch of (await readRun(source, { spill })).batches()) flows += batch.flows.length;
  spill.close();
  const { user, system } = process.cpuUsage(before);
  if (flows === 0) throw new Error(`no flows in ${folder}`);
  process.stdout.write(String((user + system) / 1e6));
}

function print(what: string, text: string): void {
  process.stdout.write(`${what.padEnd(10)} ${text}\n`);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

const asked = process.env.BENCH_FOLLOW;
if (asked === undefined) main();
else readFinished(JSON.parse(asked));
