import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trafficPlan } from '../lib/load/phases';
import { type LoadResult, runLoad } from '../lib/load/run-load';
import { externalTarget } from '../lib/load/targets';
import type { Behaviour } from './load-server';

/**
 * The load driver's own quality, each against what it must be: percentiles beside theory where the server stalls, the
 * rate beside the one asked for, and what one core drives, with event logging on. Server and driver are processes of
 * their own; medians of several rounds.
 *
 *     npx ts-node bench/load.ts [rounds] [seconds of a throughput round] [requests per second]
 */
const [rounds = 3, seconds = 5, topRate = 30_000] = process.argv.slice(2).map(Number);

interface Job {
  readonly port: number;
  readonly rate: number;
  readonly seconds: number;
  readonly warmup: boolean;
  readonly spin: boolean;
  readonly cwd: string;
}

interface Outcome {
  readonly result: LoadResult;
  /** CPU seconds of the driver's process, all threads, from the start of the run to its end, over its wall time. */
  readonly cores: number;
  readonly cpuUsPerRequest: number;
}

const WARMUP_MS = 2_000;
/**
 * The delay keeps every percentile shown away from the knee between the requests that meet the stall (7 %) and the rest,
 * where one disturbed request more or less would decide. Times are those of the figures, from the end of the warm-up on.
 */
const STALL = { delayMs: 300, fromMs: 4_000, toMs: 5_000, seconds: 10, rate: 1_000 };

if (process.send) process.once('message', (job: Job) => void driveJob(job));
else void bench();

async function driveJob({ port, rate, seconds: duration, warmup, spin, cwd }: Job): Promise<void> {
  const [before, startedAt] = [process.cpuUsage(), performance.now()];
  const run = await runLoad({
    target: {
      url: new URL(`http://127.0.0.1:${port}`),
      targets: externalTarget('/', undefined),
      topology: null,
      name: 'bench',
      deployment: null,
      sameMachine: true,
    },
    plan: trafficPlan({ rate: `${rate}`, duration: `${duration}s`, ...(warmup && { warmup: `${WARMUP_MS}ms` }) }),
    seed: 'bench',
    timeoutMs: 10_000,
    spin,
    cwd,
  });
  const result = await run.done;
  const { user, system } = process.cpuUsage(before);
  const outcome: Outcome = {
    result,
    cores: (user + system) / 1000 / (performance.now() - startedAt),
    cpuUsPerRequest: (user + system) / result.total.sent,
  };
  process.send?.(outcome, () => process.disconnect());
}

async function bench(): Promise<void> {
  const verdicts: boolean[] = [];
  const verdict = (text: string, holds: boolean): void => {
    verdicts.push(holds);
    process.stdout.write(`${holds ? 'pass' : 'FAIL'}  ${text}\n`);
  };

  const stalls = await repeat(rounds, () =>
    measure(
      { delayMs: STALL.delayMs, stall: { fromMs: STALL.fromMs + WARMUP_MS, toMs: STALL.toMs + WARMUP_MS } },
      { rate: STALL.rate, seconds: STALL.seconds, warmup: true, spin: false },
    ),
  );
  process.stdout.write(`A stall of 1 s in ${STALL.seconds} s at ${STALL.rate}/s, answers after ${STALL.delayMs} ms\n`);
  const theory = stallTheory();
  for (const [name, share] of [
    ['p50', 0.5],
    ['p90', 0.9],
    ['p99', 0.99],
    ['p999', 0.999],
  ] as const) {
    const expected = theory[Math.ceil(share * theory.length) - 1] as number;
    const got = median(stalls.map(({ result }) => result.figures.responseTime[name]));
    const off = (got / expected - 1) * 100;
    verdict(
      `${name}: ${got.toFixed(1)} ms, theory ${expected} ms, ${off.toFixed(1)} % off (at most 2 %)`,
      Math.abs(off) <= 2,
    );
  }

  process.stdout.write('\nThe rate asked for\n');
  for (const rate of [100, 1_000, 5_000]) {
    const duration = 10;
    const runs = await repeat(rounds, () =>
      measure({ delayMs: 0, stall: null }, { rate, seconds: duration, warmup: false, spin: false }),
    );
    const off = median(runs.map(({ result }) => Math.abs(result.figures.achievedRate / rate - 1) * 100));
    const counts = runs.every(({ result }) => result.figures.sent === rate * duration);
    verdict(
      `${rate}/s: ${off.toFixed(3)} % off (at most 0.1 %), ${counts ? 'no' : 'SOME'} request missing`,
      off <= 0.1 && counts,
    );
  }

  process.stdout.write('\nOne core, every request logged\n');
  const fast = await repeat(rounds, () =>
    measure({ delayMs: 0, stall: null }, { rate: topRate, seconds, warmup: true, spin: false }),
  );
  const cores = median(fast.map((each) => each.cores));
  const cpu = median(fast.map((each) => each.cpuUsPerRequest));
  const achieved = median(fast.map(({ result }) => result.figures.achievedRate));
  const failed = fast.reduce((sum, { result }) => sum + result.total.failed, 0);
  verdict(
    `${achieved.toFixed(0)}/s with ${cores.toFixed(2)} cores, ${cpu.toFixed(1)} us of CPU a request: ${(1e6 / cpu).toFixed(0)}/s from one core (at least ${topRate})`,
    1e6 / cpu >= topRate && failed === 0,
  );
  process.stdout.write(
    `      send lag p50 ${median(fast.map(({ result }) => result.figures.sendLag.p50)).toFixed(2)} ms, p99 ${median(
      fast.map(({ result }) => result.figures.sendLag.p99),
    ).toFixed(2)} ms; ${failed} failed\n`,
  );
  process.exitCode = verdicts.every(Boolean) ? 0 : 1;
}

/** Response times in milliseconds, sorted, of requests one a millisecond. */
function stallTheory(): readonly number[] {
  const { delayMs, fromMs, toMs, rate } = STALL;
  return Array.from({ length: rate * STALL.seconds }, (_, i) => {
    const atMs = (i * 1000) / rate;
    return atMs >= fromMs && atMs < toMs ? Math.max(delayMs, toMs - atMs) : delayMs;
  }).sort((a, b) => a - b);
}

async function measure(behaviour: Behaviour, job: Omit<Job, 'port' | 'cwd'>): Promise<Outcome> {
  const cwd = mkdtempSync(join(tmpdir(), 'microcosm-bench-'));
  const server = fork(join(__dirname, 'load-server.ts'), { execArgv: ['-r', 'ts-node/register'] });
  try {
    server.send(behaviour);
    const port = (await reply(server)) as number;
    const driver = fork(__filename, { execArgv: ['-r', 'ts-node/register'] });
    driver.send({ ...job, port, cwd } satisfies Job);
    const outcome = (await reply(driver)) as Outcome;
    await once(driver, 'exit');
    return outcome;
  } finally {
    server.disconnect();
    rmSync(cwd, { recursive: true, force: true });
  }
}

/** A child's next message; rejects where it ends without one. */
function reply(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', (code) => reject(new Error(`a process of the bench ended with ${code}`)));
  });
}

async function repeat<T>(times: number, once: () => Promise<T>): Promise<readonly T[]> {
  const results: T[] = [];
  for (let i = 0; i < times; i++) results.push(await once());
  return results;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
