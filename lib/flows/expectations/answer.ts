import type { Demand, Expectation, TimeLimit } from '../../model/scenario';
import { expectationText } from './expectation-text';
import type { Sample, Sampler } from './samples';
import { type PlayedRun, type Stretch, stretchAfter, stretchOf } from './windows';

/** What became of an expectation. */
export interface Answer {
  readonly name: string | null;
  /** In words. */
  readonly expectation: string;
  /** `undecided`: too few requests, or the run did not come so far; not met, either. */
  readonly verdict: 'met' | 'missed' | 'undecided';
  /** In the limit's unit; null where nothing was measured. */
  readonly measured: number | null;
  readonly limit: number;
  readonly unit: 'ms' | 'share' | 'requests/s';
  /** Since the scenario's start; null where there was none. */
  readonly window: Stretch | null;
  /** Requests, or attempts, in the window, and how many it takes to decide. */
  readonly samples: number;
  readonly needed: number;
  /** Why it is undecided; null where it is not. */
  readonly why: string | null;
}

/** A share or a percentile of fewer requests says little. */
const LEAST_SAMPLES = 10;
/** When it was well again is looked for in such steps. */
const RECOVERY_STEP_MS = 250;

/** Answers the expectations of a run's scenario from its samples. */
export function answers(run: PlayedRun, samples: Sampler): readonly Answer[] {
  const zero = Date.parse(run.scenario.startTime);
  return run.scenario.scenario.expect.map((expectation) => {
    const own = samples.of(expectation.of).map((sample) => ({ ...sample, at: sample.at - zero }));
    return answer(expectation, own, run);
  });
}

function answer({ of, name, during, that }: Expectation, samples: readonly Sample[], run: PlayedRun): Answer {
  const stretch = that.kind === 'recovered' ? stretchAfter(that.after, run) : stretchOf(during, run);
  const base = {
    name,
    expectation: expectationText({ of, name, during, that }),
    limit: limitOf(that),
    unit: UNITS[that.kind],
    needed: neededFor(that),
  };
  const undecided = (why: string, window: Stretch | null, count = 0): Answer => ({
    ...base,
    verdict: 'undecided',
    measured: null,
    window,
    samples: count,
    why,
  });
  if (typeof stretch === 'string') return undecided(stretch, null);
  const judgedFrom = that.kind === 'recovered' ? stretch.fromMs + that.withinMs : stretch.fromMs;
  const within = between(samples, judgedFrom, stretch.toMs);
  if (stretch.toMs > run.reachedMs) return undecided('the run was ended before', stretch, within.length);
  if (judgedFrom >= stretch.toMs) return undecided('nothing is left of the time to judge by', stretch, within.length);
  const counted = countOf(within, that);
  if (counted < base.needed) {
    return undecided(`${counted} of the ${base.needed} requests that it takes`, stretch, counted);
  }
  const measured = measure(that, samples, stretch, within);
  const met = that.kind === 'throughput' ? measured >= base.limit : measured <= base.limit;
  return {
    ...base,
    verdict: met ? 'met' : 'missed',
    measured: Number.isFinite(measured) ? measured : null,
    window: stretch,
    samples: counted,
    why: null,
  };
}

const UNITS = { time: 'ms', errors: 'share', throughput: 'requests/s', recovered: 'ms' } as const;

function limitOf(that: Demand): number {
  switch (that.kind) {
    case 'time':
      return that.atMostMs;
    case 'errors':
      return that.atMost;
    case 'throughput':
      return that.atLeast;
    case 'recovered':
      return that.withinMs;
  }
}

/**
 * A p99 of fewer than 100 requests is their longest; a share of at most 1 % can't be told of fewer than 100.
 */
function neededFor(that: Demand): number {
  const forShare = (share: number): number => Math.max(LEAST_SAMPLES, share > 0 ? Math.ceil(1 / share - 1e-9) : 0);
  const forTime = ({ percentile }: Pick<TimeLimit, 'percentile'>): number => forShare(1 - percentile / 100);
  switch (that.kind) {
    case 'time':
      return forTime(that);
    case 'errors':
      return forShare(that.atMost);
    case 'throughput':
      return 1;
    case 'recovered':
      return Math.max(
        ...that.limits.map(forTime),
        ...(that.errorsAtMost === null ? [] : [forShare(that.errorsAtMost)]),
      );
  }
}

/** Of requests without an answer nothing is known about time. */
function countOf(samples: readonly Sample[], that: Demand): number {
  const timesOnly = that.kind === 'time' ? that : that.kind === 'recovered' ? that.limits[0] : undefined;
  return timesOnly ? timesOf(samples, timesOnly).length : samples.length;
}

function measure(that: Demand, all: readonly Sample[], stretch: Stretch, within: readonly Sample[]): number {
  switch (that.kind) {
    case 'time':
      return percentile(timesOf(within, that), that.percentile);
    case 'errors':
      return failedShare(within);
    case 'throughput':
      return (within.filter(({ failed }) => !failed).length * 1000) / (stretch.toMs - stretch.fromMs);
    case 'recovered':
      return recoveredAfter(that, all, stretch);
  }
}

/** The first moment from which on all limits hold to the end of the stretch; infinite where there is none. */
function recoveredAfter(
  that: Demand & { kind: 'recovered' },
  all: readonly Sample[],
  { fromMs, toMs }: Stretch,
): number {
  const needed = neededFor(that);
  for (let afterMs = 0; fromMs + afterMs < toMs; afterMs += RECOVERY_STEP_MS) {
    const rest = between(all, fromMs + afterMs, toMs);
    if (countOf(rest, that) < needed) return Number.POSITIVE_INFINITY;
    const errors = that.errorsAtMost === null || failedShare(rest) <= that.errorsAtMost;
    if (errors && that.limits.every((limit) => percentile(timesOf(rest, limit), limit.percentile) <= limit.atMostMs)) {
      return afterMs;
    }
  }
  return Number.POSITIVE_INFINITY;
}

/** @param samples by their beginning */
function between(samples: readonly Sample[], fromMs: number, toMs: number): readonly Sample[] {
  return samples.filter(({ at }) => at >= fromMs && at < toMs);
}

function timesOf(samples: readonly Sample[], { time }: Pick<TimeLimit, 'time'>): readonly number[] {
  return samples.flatMap((sample) => sample[time === 'responseTime' ? 'responseMs' : 'serviceMs'] ?? []);
}

function failedShare(samples: readonly Sample[]): number {
  return samples.length === 0 ? 0 : samples.filter(({ failed }) => failed).length / samples.length;
}

/** The value that so many of a hundred do not exceed (nearest rank). */
function percentile(values: readonly number[], of: number): number {
  if (values.length === 0) return 0;
  const rank = Math.max(1, Math.ceil((of / 100) * values.length - 1e-9));
  return [...values].sort((a, b) => a - b)[rank - 1] as number;
}
