import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buildSync } from 'esbuild';
import { Pool } from 'undici';
import { newRunId } from '../lib/model/run-id';
import { formatTraceparent, newRequestId, newTraceId } from '../lib/model/trace-context';
import { runCommand } from '../tools/command';
import type { Role } from './node-child';

/**
 * What a handled request costs: CPU microseconds of the node's process, for 0, 1 and 3 parallel calls, as a ratio to
 * bare node:http with an undici pool that does the same calls and writes equally many and equally long lines. Rounds of
 * all variants are interleaved, and each ratio is the median of the rounds' ratios.
 */
interface Variant {
  readonly name: string;
  /** Most that the ratio may be, by number of calls; unset where nothing is promised. */
  readonly limits: Readonly<Record<number, number>>;
  readonly p99Limit?: number;
  readonly start: (calls: number, world: World) => Promise<Target>;
}

interface World {
  readonly folder: string;
  readonly callee: number;
  readonly lineBytes: Map<number, number>;
}

interface Target {
  readonly pid: number;
  readonly port: number;
  readonly log: string;
  cpuMicroseconds(): Promise<number>;
  stop(): void;
}

const CALLS = [0, 1, 3];
const CONNECTIONS = 16;
const WARM_UP = 20_000;
const BASELINE = 'node:http + undici';

const nodeVariant = (server: 'koa' | 'http', client: 'got' | 'undici') => (calls: number, world: World) => {
  const log = join(world.folder, `${server}-${client}-${calls}.log`);
  return startChild({ kind: 'node', server, client, calls, callee: world.callee, log }, world.folder, log);
};

const VARIANTS: readonly Variant[] = [
  {
    name: BASELINE,
    limits: {},
    start: (calls, world) => {
      const log = join(world.folder, `baseline-${calls}.log`);
      const lineBytes = world.lineBytes.get(calls) as number;
      return startChild({ kind: 'baseline', calls, callee: world.callee, log, lineBytes }, world.folder, log);
    },
  },
  { name: 'koa + got', limits: { 0: 1.6, 1: 5.5, 3: 5.5 }, start: nodeVariant('koa', 'got') },
  { name: 'koa + undici', limits: { 0: 1.6, 1: 1.6, 3: 1.6 }, p99Limit: 1.5, start: nodeVariant('koa', 'undici') },
  { name: 'http + undici', limits: { 0: 1.6, 1: 1.6, 3: 1.6 }, p99Limit: 1.5, start: nodeVariant('http', 'undici') },
];

interface Options {
  readonly requests: number;
  readonly seconds: number;
  readonly rounds: number;
  readonly calls: readonly number[];
  readonly only?: string;
  readonly p99: boolean;
}

async function bench({ requests, seconds, rounds, calls: callCounts, only, p99 }: Options): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'microcosm-bench-'));
  // Bundled, as the node runs in earnest.
  buildSync({
    entryPoints: [join(__dirname, 'node-child.ts')],
    outfile: join(folder, 'node-child.js'),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
  });
  const callee = await startChild({ kind: 'callee' }, folder, '');
  const world: World = { folder, callee: callee.port, lineBytes: new Map() };
  const go = goVariant(folder);
  const chosen = [...VARIANTS, ...(go ? [go] : [])].filter(
    ({ name }) => !only || name === BASELINE || name.includes(only),
  );
  let met = true;
  try {
    process.stdout.write('calls  variant              us/request   ratio  limit\n');
    for (const calls of callCounts) {
      world.lineBytes.set(calls, await measureLine(calls, world));
      const targets = new Map<Variant, Target>();
      for (const variant of chosen) targets.set(variant, await variant.start(calls, world));
      const pids = [process.pid, callee.pid, ...Array.from(targets.values(), ({ pid }) => pid)];
      isolate(pids, true);
      for (const target of targets.values()) await closedLoop(target.port, WARM_UP);
      const costs = new Map<Variant, number[]>(chosen.map((variant) => [variant, []]));
      for (let round = 0; round < rounds; round++) {
        for (const [variant, target] of targets) {
          const before = await target.cpuMicroseconds();
          await closedLoop(target.port, requests);
          costs.get(variant)?.push(((await target.cpuMicroseconds()) - before) / requests);
          if (target.log) truncateSync(target.log);
        }
      }
      const base = costs.get(chosen[0] as Variant) as number[];
      for (const variant of chosen) {
        const own = costs.get(variant) as number[];
        const ratio = median(own.map((cost, round) => cost / (base[round] as number)));
        met = row(String(calls), variant.name, median(own), ratio, variant.limits[calls]) && met;
      }
      isolate(pids, false);
      if (p99 && calls === 1) met = (await benchP99(targets, seconds, rounds)) && met;
      for (const target of targets.values()) target.stop();
    }
  } finally {
    callee.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  return met;
}

/**
 * On one core, and without preempting each other, a process pays for its own work only. Else each write that finds the
 * other side asleep also pays for waking its core, or for being put aside at once: several times the cost of the write,
 * and it is the slower variant that meets it asleep. Without `taskset` and `chrt` (Linux) the ratios are the worse.
 */
function isolate(pids: readonly number[], isolated: boolean): void {
  const cores = isolated ? '0' : `0-${availableParallelism() - 1}`;
  for (const pid of pids.map(String)) {
    try {
      execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', cores, pid], { stdio: 'ignore' });
      execFileSync('chrt', [isolated ? '--batch' : '--other', '--all-tasks', '--pid', '0', pid], { stdio: 'ignore' });
    } catch {
      return;
    }
  }
}

async function benchP99(targets: ReadonlyMap<Variant, Target>, seconds: number, rounds: number): Promise<boolean> {
  const tails = new Map<Variant, number[]>(Array.from(targets.keys(), (variant) => [variant, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [variant, { port }] of targets) tails.get(variant)?.push(await openLoopP99(port, seconds));
  }
  const base = tails.get([...targets.keys()][0] as Variant) as number[];
  let met = true;
  for (const [variant, own] of tails) {
    const ratio = median(own) / median(base);
    met = row('p99', `${variant.name}`, median(own) * 1000, ratio, variant.p99Limit) && met;
  }
  return met;
}

function row(calls: string, name: string, cost: number, ratio: number, limit: number | undefined): boolean {
  const met = limit === undefined || ratio <= limit;
  const verdict = limit === undefined ? '' : `${limit.toFixed(1)}  ${met ? 'met' : 'MISSED'}`;
  process.stdout.write(
    `${calls.padEnd(5)}  ${name.padEnd(19)}  ${cost.toFixed(1).padStart(10)}  ${ratio.toFixed(2).padStart(6)}  ${verdict}\n`,
  );
  return met;
}

/** Mean length of the node's own lines for so many calls, so that the baseline writes the same. */
async function measureLine(calls: number, world: World): Promise<number> {
  const target = await nodeVariant('http', 'undici')(calls, world);
  await closedLoop(target.port, 1_000);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const text = readFileSync(target.log, 'utf8');
  target.stop();
  return Math.round(text.length / text.split('\n').length);
}

const run = newRunId('bench', new Date());

function headers(): Record<string, string> {
  return { traceparent: formatTraceparent(newTraceId(), newRequestId(), '01'), baggage: `microcosm-run=${run}` };
}

/** So many requests, as fast as the connections go. By number, not time: a crowded machine then measures longer. */
async function closedLoop(port: number, requests: number): Promise<void> {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: CONNECTIONS, pipelining: 1 });
  let left = requests;
  const loop = async (): Promise<void> => {
    while (left-- > 0) {
      const { statusCode, body } = await pool.request({ path: '/', method: 'GET', headers: headers() });
      await body.dump();
      if (statusCode !== 200) throw new Error(`answered ${statusCode}`);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, loop));
  await pool.close();
}

/** 1,000 requests a second whatever comes back; the time of each from its sending. In milliseconds. */
async function openLoopP99(port: number, seconds: number): Promise<number> {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 64, pipelining: 1 });
  const times: number[] = [];
  const start = performance.now();
  const pending: Promise<void>[] = [];
  const one = async (): Promise<void> => {
    const sentAt = performance.now();
    const { body } = await pool.request({ path: '/', method: 'GET', headers: headers() });
    await body.dump();
    times.push(performance.now() - sentAt);
  };
  for (let sent = 0; sent < seconds * 1000; ) {
    const due = Math.min(seconds * 1000, performance.now() - start);
    for (; sent < due; sent++) pending.push(one());
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(pending);
  await pool.close();
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length * 0.99)] as number;
}

/** Run with `node --cpu-prof`, every process writes its profile. */
async function startChild(role: Role, folder: string, log: string): Promise<Target> {
  const profiling = process.execArgv.filter((argument) => argument.startsWith('--cpu-prof'));
  const child = spawn(process.execPath, [...profiling, join(folder, 'node-child.js')], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  child.send(role);
  const { port } = (await message(child)) as { port: number };
  return {
    pid: child.pid as number,
    port,
    log,
    cpuMicroseconds: async () => {
      child.send('cpu');
      return ((await message(child)) as { cpu: number }).cpu;
    },
    stop: () => child.disconnect(),
  };
}

function message(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const died = (code: number | null) => reject(new Error(`a process of the bench ended with ${code}`));
    child.once('exit', died);
    child.once('message', (answer) => {
      child.off('exit', died);
      resolve(answer);
    });
  });
}

/** The same job in Go, where there is a toolchain. */
function goVariant(folder: string): Variant | undefined {
  const binary = join(folder, 'go-node');
  try {
    execFileSync('go', ['build', '-o', binary, join(__dirname, 'go-node', 'main.go')], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  return {
    name: 'Go net/http',
    limits: {},
    start: async (calls, world) => {
      const log = join(world.folder, `go-${calls}.log`);
      const args = [String(calls), String(world.callee), log, String(world.lineBytes.get(calls))];
      const child = spawn(binary, args, {
        stdio: ['pipe', 'pipe', 'inherit'],
        env: { ...process.env, GOMAXPROCS: '1' },
      });
      const lines = createInterface({ input: child.stdout });
      const next = (): Promise<string> => new Promise((resolve) => lines.once('line', resolve));
      return {
        pid: child.pid as number,
        port: Number(await next()),
        log,
        cpuMicroseconds: async () => {
          child.stdin.write('\n');
          return Number(await next());
        },
        stop: () => child.stdin.end(),
      };
    },
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

void runCommand((program, finish) => {
  program
    .name('bench/node.ts')
    .description('CPU per handled request, against bare node:http + undici; exit 1 where a limit is missed')
    .option('--requests <n>', 'requests in one measurement of cost', '10000')
    .option('--seconds <n>', 'length of one measurement of latency', '3')
    .option('--rounds <n>', 'interleaved rounds', '7')
    .option('--calls <list>', 'numbers of parallel calls', CALLS.join())
    .option('--only <name>', 'only variants whose name contains this, and the baseline')
    .option('--no-p99', 'leave out the latency at 1,000 requests a second')
    .action(
      async (flags: {
        requests: string;
        seconds: string;
        rounds: string;
        calls: string;
        only?: string;
        p99: boolean;
      }) => {
        const met = await bench({
          requests: Number(flags.requests),
          seconds: Number(flags.seconds),
          rounds: Number(flags.rounds),
          calls: flags.calls.split(',').map(Number),
          p99: flags.p99,
          ...(flags.only && { only: flags.only }),
        });
        finish(met ? 0 : 1);
      },
    );
});
