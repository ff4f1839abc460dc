import { readFileSync } from 'node:fs';
import type { DeployedInstance } from '../../lib/model/deployment';

/** Memory of one process at one time. */
export interface MemorySample {
  readonly atMs: number;
  readonly pssMiB: number;
  readonly rssMiB: number;
}

/** All samples of one process, which is another one after each restart of its instance. */
export interface ProcessMemory {
  readonly instance: string;
  readonly pid: number;
  readonly samples: readonly MemorySample[];
}

export interface MemoryWatch {
  stop(): readonly ProcessMemory[];
}

export interface Slope {
  readonly mibPerHour: number;
  /** Half the width of the 95 % confidence interval. */
  readonly plusMinus: number;
  readonly processes: number;
  /** What was left out of each process's life. */
  readonly warmUpMs: number;
}

/**
 * A process's heap and its compiled code grow until so long after its start: about four minutes at some ten requests a second
 * each, and flat from then on. A shorter watch leaves out a fifth of itself, and counts the rest as growth.
 */
const WARM_UP = { share: 0.2, leastMs: 60_000, mostMs: 240_000 };
const LEAST_SAMPLES = 10;

/** Samples the processes of the instances until it is stopped. */
export function watchMemory(instances: () => readonly DeployedInstance[], everyMs = 1_000): MemoryWatch {
  const processes = new Map<number, { instance: string; pid: number; samples: MemorySample[] }>();
  const timer = setInterval(() => {
    for (const { instance, pid } of instances()) {
      const sample = memoryOf(pid);
      if (!sample) continue;
      const known = processes.get(pid) ?? { instance, pid, samples: [] };
      processes.set(pid, known);
      known.samples.push(sample);
    }
  }, everyMs);
  return {
    stop() {
      clearInterval(timer);
      return [...processes.values()];
    },
  };
}

/** Undefined for a process that is gone. Proportional set sizes need Linux; see proc(5), `smaps_rollup`. */
function memoryOf(pid: number): MemorySample | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  } catch {
    return undefined;
  }
  const mib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? Number.NaN) / 1_024;
  const [pssMiB, rssMiB] = [mib('Pss'), mib('Rss')];
  return rssMiB > 0 ? { atMs: performance.now(), pssMiB, rssMiB } : undefined;
}

/**
 * The growth that processes have in common once they are warm: least squares over all samples with a level of its own for
 * each process. Samples of one process hang together, so the error is estimated from sums over whole processes (the
 * cluster-robust estimate of K.-Y. Liang and S. Zeger, 1986), with Student's t for their number.
 *
 * @returns undefined with fewer than two processes that lived long enough
 */
export function memorySlope(processes: readonly ProcessMemory[]): Slope | undefined {
  const warmUpMs = warmUpOf(processes);
  const groups = processes.flatMap(({ samples }) => {
    const from = (samples[0]?.atMs ?? 0) + warmUpMs;
    const warm = samples.filter(({ atMs }) => atMs >= from);
    return warm.length < LEAST_SAMPLES ? [] : [centred(warm)];
  });
  if (groups.length < 2) return undefined;
  const sxx = sum(groups.flat().map(({ x }) => x * x));
  const slope = sum(groups.flat().map(({ x, y }) => x * y)) / sxx;
  const scores = groups.map((group) => sum(group.map(({ x, y }) => x * (y - slope * x))));
  const n = groups.length;
  const error = Math.sqrt((n / (n - 1)) * sum(scores.map((score) => score * score))) / sxx;
  return { mibPerHour: slope, plusMinus: studentT(n - 1) * error, processes: n, warmUpMs };
}

function warmUpOf(processes: readonly ProcessMemory[]): number {
  const starts = processes.map(({ samples }) => samples[0]?.atMs ?? Number.POSITIVE_INFINITY);
  const ends = processes.map(({ samples }) => samples.at(-1)?.atMs ?? 0);
  const watchedMs = Math.max(...ends) - Math.min(...starts);
  return Math.min(WARM_UP.mostMs, Math.max(WARM_UP.leastMs, WARM_UP.share * watchedMs));
}

/** Hours and MiB, as differences from the process's own means. */
function centred(samples: readonly MemorySample[]): readonly { readonly x: number; readonly y: number }[] {
  const hours = samples.map(({ atMs }) => atMs / 3_600_000);
  const [meanHours, meanMiB] = [mean(hours), mean(samples.map(({ pssMiB }) => pssMiB))];
  return samples.map(({ pssMiB }, index) => ({ x: (hours[index] as number) - meanHours, y: pssMiB - meanMiB }));
}

/** Two-sided 95 % quantile: the Cornish-Fisher expansion about the normal's, good to 2 % from 3 degrees of freedom on. */
function studentT(degrees: number): number {
  const z = 1.959964;
  const exact: Readonly<Record<number, number>> = { 1: 12.706, 2: 4.303 };
  return exact[degrees] ?? z + (z ** 3 + z) / (4 * degrees) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}
