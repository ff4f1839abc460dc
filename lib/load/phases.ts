import type { LoadPlan } from '../model/manifest';
import { collectFaults, type Fault, UserError } from '../model/user-error';
import { parseDuration } from './duration';

export type Phase = LoadPlan['phases'][number];
export type Arrivals = LoadPlan['arrivals'];

export interface Rates {
  readonly fromRate: number;
  readonly toRate: number;
}

/** More than any driver sends; keeps a slip of the keyboard from becoming an endless plan. */
const MAX_RATE = 1_000_000;
const RATE = /^(\d+(?:\.\d+)?)(?:\.\.(\d+(?:\.\d+)?))?$/;
const RATE_REMEDY = `write requests per second up to ${MAX_RATE}, such as 100, or a ramp such as 50..500`;

/** Requests per second: `100`, or `50..500` for a rate that grows (or falls) evenly from one to the other. */
export function parseRate(text: string, where: string): Rates {
  const match = RATE.exec(text.trim());
  if (!match) throw new UserError({ where, problem: `${text || 'nothing'} is no rate`, remedy: RATE_REMEDY });
  const fromRate = Number(match[1]);
  const toRate = match[2] === undefined ? fromRate : Number(match[2]);
  if (Math.max(fromRate, toRate) > MAX_RATE || fromRate + toRate === 0) {
    throw new UserError({ where, problem: `the rate ${text} is out of range`, remedy: RATE_REMEDY });
  }
  return { fromRate, toRate };
}

/** `RATE:DURATION`, such as `50:10s` or `50..500:30s`. A rate of 0 is a pause here. */
export function parsePhase(text: string, where: string): Phase {
  const colon = text.indexOf(':');
  if (colon < 0) {
    const remedy = 'write RATE:DURATION, such as 50:10s or 50..500:30s';
    throw new UserError({ where, problem: `${text || 'nothing'} is no phase`, remedy });
  }
  const rate = text.slice(0, colon).trim();
  const durationMs = parseDuration(text.slice(colon + 1), where);
  return Number(rate) === 0 && rate !== ''
    ? { fromRate: 0, toRate: 0, durationMs }
    : { ...parseRate(rate, where), durationMs };
}

/** What the command line says of how many requests, when. */
export interface PlanOptions {
  readonly rate?: string;
  readonly duration?: string;
  readonly requests?: number;
  readonly phases?: readonly string[];
  readonly warmup?: string;
  readonly arrivals?: Arrivals;
  /** Phases of a scenario, where none of the above says otherwise. */
  readonly planned?: readonly Phase[];
}

/** When requests are sent. */
export interface TrafficPlan extends LoadPlan {
  /** The first so many milliseconds stay out of the figures; they are the first phase. 0 for none. */
  readonly warmupMs: number;
  /** Ends the plan after so many requests, warm-up not counted; null: the last phase ends it. */
  readonly requests: number | null;
}

const DEFAULT_RATE = '10';
const DEFAULT_DURATION = '10s';

/**
 * The plan that options mean. Where nothing but a count of requests is given the duration follows from it. Throws a
 * `UserError` with every fault.
 */
export function trafficPlan(options: PlanOptions): TrafficPlan {
  const faults: Fault[] = [];
  const phases = collectFaults(faults, () => plannedPhases(options, faults)) ?? [];
  const warmupMs = collectFaults(faults, () => (options.warmup ? parseDuration(options.warmup, '--warmup') : 0)) ?? 0;
  const requests = options.requests ?? null;
  if (requests !== null && !(Number.isSafeInteger(requests) && requests > 0)) {
    faults.push({ where: '--requests', problem: `${requests} is no count`, remedy: 'give a whole number above 0' });
  }
  const first = phases[0];
  if (warmupMs > 0 && first && first.fromRate === 0) {
    const remedy = 'let the first phase begin above 0, or leave the warm-up out';
    faults.push({ where: '--warmup', problem: 'runs at the rate with which the first phase begins, here 0', remedy });
  }
  if (first && phases.every(({ fromRate, toRate }) => fromRate + toRate === 0)) {
    faults.push({ where: '--phase', problem: 'all phases are pauses', remedy: RATE_REMEDY });
  }
  if (faults.length > 0) throw new UserError(faults);
  const warmup =
    first && warmupMs > 0 ? [{ fromRate: first.fromRate, toRate: first.fromRate, durationMs: warmupMs }] : [];
  return { arrivals: options.arrivals ?? 'constant', phases: [...warmup, ...phases], warmupMs, requests };
}

function plannedPhases(options: PlanOptions, faults: Fault[]): readonly Phase[] {
  const { rate, duration, requests, phases, arrivals, planned } = options;
  if (planned) return planned.map(({ fromRate, toRate, durationMs }) => ({ fromRate, toRate, durationMs }));
  if (phases !== undefined && phases.length > 0) {
    if (rate !== undefined || duration !== undefined) {
      const remedy = 'use either --rate and --duration or one or more --phase RATE:DURATION';
      faults.push({ where: '--phase', problem: 'comes together with --rate or --duration', remedy });
    }
    return phases.flatMap((text) => collectFaults(faults, () => parsePhase(text, '--phase')) ?? []);
  }
  const rates = collectFaults(faults, () => parseRate(rate ?? DEFAULT_RATE, '--rate'));
  const given = collectFaults(faults, () =>
    duration === undefined && requests !== undefined ? null : parseDuration(duration ?? DEFAULT_DURATION, '--duration'),
  );
  if (rates === undefined || given === undefined) return [];
  if (given !== null) return [{ ...rates, durationMs: given }];
  if (rates.fromRate !== rates.toRate) {
    faults.push({ where: '--rate', problem: 'a ramp has no length without --duration', remedy: 'give --duration' });
    return [];
  }
  const count = requests ?? 1;
  // Poisson arrivals may come late: ten standard deviations more make sure that the count ends the plan.
  const enough = arrivals === 'poisson' ? count + 10 * Math.sqrt(count) + 50 : count;
  return [{ ...rates, durationMs: (enough * 1000) / rates.fromRate }];
}
