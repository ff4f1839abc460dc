import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { Pool } from 'undici';
import { formatTraceparent, newRequestId, newTraceId } from '../lib/model/trace-context';
import { runCommand } from '../tools/command';
import type { Role } from './node-child';

/**
 * What it costs a request that faults could be raised and none is: CPU microseconds of a node built from the commit that
 * brought the fault engine, over those of the commit before it. Many short pairs, each first in turn, on one core and
 * without preemption: the median of their ratios, and its upper 95 % bound by the order statistics of the binomial
 * distribution, which no single disturbed pair can move.
 */
const ROOT = join(__dirname, '..');
const ENGINE = 'service/faults/engine.ts';
const CONNECTIONS = 16;
const WARM_UP = 15_000;
const MOST = 1.03;

interface Target {
  readonly child: ChildProcess;
  readonly port: number;
  readonly log: string;
}

interface Options {
  readonly before: string;
  readonly after: string;
  readonly rounds: number;
  readonly requests: number;
  readonly calls: readonly number[];
}

async function bench({ before, after, rounds, requests, calls: callCounts }: Options): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'microcosm-bench-'));
  const children: ChildProcess[] = [];
  let met = true;
  try {
    const programs = { before: buildAt(before, join(folder, 'before')), after: buildAt(after, join(folder, 'after')) };
    const start = async (program: string, role: Role, log = ''): Promise<Target> => {
      const child = spawn(process.execPath, [program], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
      children.push(child);
      child.send(role);
      const { port } = (await message(child)) as { port: number };
      pin(child.pid as number, true);
      return { child, port, log };
    };
    pin(process.pid, true);
    const { port: callee } = await start(programs.after, { kind: 'callee' });
    process.stdout.write('calls  before us  after us   ratio  upper 95 %  limit\n');
    for (const calls of callCounts) {
      const nodeOf = (name: 'before' | 'after'): Promise<Target> => {
        const log = join(folder, `${name}-${calls}.log`);
        return start(programs[name], { kind: 'node', server: 'http', client: 'undici', calls, callee, log }, log);
      };
      const pair = { before: await nodeOf('before'), after: await nodeOf('after') };
      for (const target of Object.values(pair)) await closedLoop(target.port, WARM_UP);
      const costs: Record<'before' | 'after', number[]> = { before: [], after: [] };
      for (let round = 0; round < rounds; round++) {
        const names = round % 2 === 0 ? (['before', 'after'] as const) : (['after', 'before'] as const);
        for (const name of names) {
          const from = await cpu(pair[name]);
          await closedLoop(pair[name].port, requests);
          costs[name].push(((await cpu(pair[name])) - from) / requests);
          truncateSync(pair[name].log);
        }
      }
      const { ratio, upper } = pairedRatio(costs.before, costs.after);
      met &&= upper <= MOST;
      const cells = [String(calls).padEnd(5), median(costs.before).toFixed(1).padStart(9)];
      cells.push(median(costs.after).toFixed(1).padStart(8), ratio.toFixed(4).padStart(6));
      process.stdout.write(
        `${cells.join('  ')}  ${upper.toFixed(4).padStart(9)}  ${MOST}${upper <= MOST ? '' : '  MISSED'}\n`,
      );
      for (const { child } of Object.values(pair)) child.disconnect();
    }
  } finally {
    for (const child of children) if (child.connected) child.disconnect();
    rmSync(folder, { recursive: true, force: true });
  }
  return met;
}

/** The bench's child as it is at a commit, bundled; with the packages installed now. */
function buildAt(commit: string, folder: string): string {
  mkdirSync(folder);
  const archive = execFileSync('git', ['archive', commit, 'bench', 'lib', 'service', 'tools', 'tsconfig.json'], {
    cwd: ROOT,
    maxBuffer: 2 ** 28,
  });
  execFileSync('tar', ['-x', '-C', folder], { input: archive });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const outfile = join(folder, 'node-child.js');
  const entryPoints = [join(folder, 'bench', 'node-child.ts')];
  buildSync({ entryPoints, outfile, bundle: true, platform: 'node', target: 'node20', format: 'cjs' });
  return outfile;
}

/** As in the node's bench: on one core, and not put aside for each other. Without the tools the figures scatter more. */
function pin(pid: number, alone: boolean): void {
  try {
    if (alone) execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', '0', `${pid}`], { stdio: 'ignore' });
    execFileSync('chrt', ['--batch', '--all-tasks', '--pid', '0', `${pid}`], { stdio: 'ignore' });
  } catch {
    // Not Linux.
  }
}

async function cpu({ child }: Target): Promise<number> {
  child.send('cpu');
  return ((await message(child)) as { cpu: number }).cpu;
}

function message(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`a process of the bench ended with ${code}`));
    child.once('exit', ended);
    child.once('message', (said) => {
      child.off('exit', ended);
      resolve(said);
    });
  });
}

async function closedLoop(port: number, requests: number): Promise<void> {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: CONNECTIONS, pipelining: 1 });
  let left = requests;
  const loop = async (): Promise<void> => {
    while (left-- > 0) {
      const headers = { traceparent: formatTraceparent(newTraceId(), newRequestId(), '01') };
      const { statusCode, body } = await pool.request({ path: '/', method: 'GET', headers });
      await body.dump();
      if (statusCode !== 200) throw new Error(`answered ${statusCode}`);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, loop));
  await pool.close();
}

/** Normal approximation of the binomial: so many of the sorted ratios lie at or below the bound. */
function pairedRatio(before: readonly number[], after: readonly number[]): { ratio: number; upper: number } {
  const ratios = after.map((cost, round) => cost / (before[round] as number)).sort((x, y) => x - y);
  const { length } = ratios;
  const rank = Math.min(length - 1, Math.ceil(length / 2 + 1.6449 * Math.sqrt(length / 4)));
  return { ratio: median(ratios), upper: ratios[rank] as number };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((x, y) => x - y);
  return ((sorted[(sorted.length - 1) >> 1] as number) + (sorted[sorted.length >> 1] as number)) / 2;
}

/** The commit that brought the engine. */
function introduction(): string {
  const found = execFileSync('git', ['log', '--diff-filter=A', '--format=%H', '--', ENGINE], { cwd: ROOT });
  return found.toString().trim().split('\n').pop() as string;
}

void runCommand((program, finish) => {
  program
    .name('bench/faults.ts')
    .description('CPU per request with faults possible and idle, against before they were; exit 1 above 3 %')
    .option('--before <commit>', 'without faults; the commit before the one that brought them where left out')
    .option('--after <commit>', 'with faults; the commit that brought them where left out')
    .option('--requests <n>', 'requests in one measurement', '500')
    .option('--rounds <n>', 'pairs of measurements, at least 20', '300')
    .option('--calls <list>', 'numbers of parallel calls', '0,1')
    .action(async (options: Readonly<Record<string, string | undefined>>) => {
      const after = options.after ?? introduction();
      const met = await bench({
        before: options.before ?? `${introduction()}~1`,
        after,
        requests: Number(options.requests),
        rounds: Math.max(20, Number(options.rounds)),
        calls: (options.calls ?? '').split(',').map(Number),
      });
      finish(met ? 0 : 1);
    });
});
