import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { launch } from '../lib/local/launch';
import { resolve } from '../lib/model/resolve';
import type { TopologySpec } from '../lib/model/spec';
import type { Topology } from '../lib/model/topology';

/**
 * How long a topology takes until all its instances are ready and the edge's pass their health checks, and what an
 * instance weighs once it has served (proportional set size: shared pages counted by share; Linux only). The baseline is
 * the same number of bare `node -e 0`, started as many at once.
 *
 *     npx ts-node bench/start.ts [--sizes 10,50,200] [--inline 1000] [--rounds 3]
 */
const LIMIT_SECONDS: Readonly<Record<number, number>> = { 10: 1, 50: 4, 200: 15 };
const INLINE_LIMIT_SECONDS = 5;
const MEMORY_LIMIT_MEGABYTES = 40;
const WARMING_REQUESTS = 50;
const FAN_OUT = 3;

const program = new Command()
  .option('--sizes <list>', 'numbers of instances, one process each; 0 for none', '10,50,200')
  .option('--inline <number>', 'services in one process; 0 for none', Number, 1_000)
  .option('--rounds <number>', 'rounds, of which the median counts', Number, 3)
  .parse();
const options = program.opts<{ sizes: string; inline: number; rounds: number }>();
const cwd = mkdtempSync(join(tmpdir(), 'microcosm-bench-'));

async function main(): Promise<void> {
  const bundling = await seconds(async () => (await launch(tree(1), { cwd })).stop());
  print(`first start of all, bundling included: ${bundling.toFixed(2)} s`);
  for (const size of options.sizes.split(',').map(Number).filter(Boolean)) await processes(size);
  if (options.inline > 0) await inline(options.inline);
}

async function processes(size: number): Promise<void> {
  const started: number[] = [];
  const bare: number[] = [];
  let memory: readonly number[] = [];
  for (let round = 0; round < options.rounds; round++) {
    bare.push(await seconds(() => startBare(size)));
    const run = await launchTimed(size, false, started);
    for (let i = 0; i < WARMING_REQUESTS; i++) await requireAnswer(run.url);
    memory = run.deployment.instances.map(({ pid }) => proportionalMegabytes(pid));
    await run.stop();
  }
  const [time, base] = [median(started), median(bare)];
  print(
    `${size} processes ready in ${time.toFixed(2)} s${limit(LIMIT_SECONDS[size])}, ` +
      `${(time / base).toFixed(1)} times ${size} bare node (${base.toFixed(2)} s)${weight(memory)}`,
  );
}

async function inline(size: number): Promise<void> {
  const started: number[] = [];
  let memory = 0;
  for (let round = 0; round < options.rounds; round++) {
    const run = await launchTimed(size, true, started);
    await requireAnswer(run.url);
    memory = proportionalMegabytes(run.deployment.instances[0]?.pid ?? 0);
    await run.stop();
  }
  const held = Number.isNaN(memory) ? '' : `; ${memory.toFixed(0)} MB together`;
  print(
    `${size} services in one process ready in ${median(started).toFixed(2)} s${limit(INLINE_LIMIT_SECONDS)}${held}`,
  );
}

async function launchTimed(size: number, inlined: boolean, times: number[]) {
  const begin = performance.now();
  const run = await launch(tree(size), { cwd, inline: inlined, onNotice: (line) => process.stderr.write(`${line}\n`) });
  times.push((performance.now() - begin) / 1000);
  return run;
}

/** `s1` is the edge; each service calls the next three that no other calls. */
function tree(size: number): Topology {
  const name = (index: number) => `s${index}`;
  const services = Object.fromEntries(
    Array.from({ length: size }, (_, i) => {
      const index = i + 1;
      const callees = Array.from({ length: FAN_OUT }, (_, branch) => FAN_OUT * (index - 1) + 2 + branch);
      const calls = callees.filter((callee) => callee <= size).map(name);
      return [name(index), { ...(index === 1 && { edge: true }), ...(calls.length > 0 && { calls: [calls] }) }];
    }),
  );
  return resolve({ services } as TopologySpec, `tree-${size}`);
}

async function startBare(count: number): Promise<void> {
  let left = count;
  const worker = async () => {
    while (left-- > 0) await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'close');
  };
  await Promise.all(Array.from({ length: 2 * availableParallelism() }, worker));
}

async function requireAnswer(url: string): Promise<void> {
  const response = await fetch(url);
  await response.arrayBuffer();
  if (response.status !== 200) throw new Error(`answered ${response.status}`);
}

/** NaN where the system does not say. */
function proportionalMegabytes(pid: number): number {
  const file = `/proc/${pid}/smaps_rollup`;
  if (!existsSync(file)) return Number.NaN;
  return Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(file, 'utf8'))?.[1]) / 1024;
}

function weight(memory: readonly number[]): string {
  if (memory.some(Number.isNaN)) return '';
  const [middle, most] = [median(memory), Math.max(...memory)];
  return `; ${middle.toFixed(1)} MB each, ${most.toFixed(1)} at most (limit ${MEMORY_LIMIT_MEGABYTES})`;
}

function limit(value: number | undefined): string {
  return value === undefined ? '' : ` (limit ${value} s)`;
}

async function seconds(action: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await action();
  return (performance.now() - begin) / 1000;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

main().finally(() => rmSync(cwd, { recursive: true, force: true }));
