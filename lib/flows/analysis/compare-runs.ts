import { hashText } from '../../model/draw';
import { bootstrapInterval, type Interval, quantile, resampledQuantile, seededUniform } from './bootstrap';
import type { RunSamples, Series } from './run-samples';

/** How one endpoint or edge differs between two runs; differences are this run less the other, in milliseconds. */
export interface SeriesComparison {
  readonly kind: Series['kind'];
  readonly name: string;
  /** `only here` and `only there`: the other run has none of it. `too few`: less than ten durations in one of them. */
  readonly verdict: 'slower' | 'faster' | 'no difference told' | 'only here' | 'only there' | 'too few';
  readonly count: number;
  readonly otherCount: number;
  readonly errors: number;
  readonly otherErrors: number;
  /** Null where the verdict gives none. */
  readonly median: Difference | null;
  readonly p99: Difference | null;
}

export interface Difference {
  readonly ms: number;
  readonly otherMs: number;
  readonly differenceMs: number;
  /** Of the difference. */
  readonly interval: Interval;
}

export interface RunComparison {
  readonly run: string;
  readonly against: string;
  /** Of each interval, so that all of them together hold with 95 % (Bonferroni). */
  readonly confidence: number;
  /** Flows with the same key in both runs, compared one by one: a replay. Null where less than half have their like. */
  readonly paired: { readonly flows: number; readonly medianMs: number; readonly interval: Interval } | null;
  /** What got slower first, by the median. */
  readonly series: readonly SeriesComparison[];
}

const JOINT_CONFIDENCE = 0.95;
const LEAST = 10;
/** A percentile has no interval worth its name where fewer values lie beyond it. */
const LEAST_FOR_P99 = 500;

/**
 * Compares two runs: of each endpoint and edge the median and the 99th percentile, with percentile bootstrap intervals of
 * the difference. Requests are taken as independent, which queueing makes them less: intervals of busy runs are too
 * narrow rather than too wide. Seeds follow from the names, so that the same runs give the same intervals.
 */
export function compareRuns(
  here: { readonly run: string; readonly samples: RunSamples },
  there: { readonly run: string; readonly samples: RunSamples },
): RunComparison {
  const keys = [...new Set([...here.samples.series.keys(), ...there.samples.series.keys()])];
  const intervals = keys.reduce((sum, key) => sum + (both(here.samples, there.samples, key) ? 2 : 0), 1);
  const confidence = 1 - (1 - JOINT_CONFIDENCE) / Math.max(1, intervals);
  const series = keys.map((key) =>
    compareSeries(key, here.samples.series.get(key), there.samples.series.get(key), confidence),
  );
  return {
    run: here.run,
    against: there.run,
    confidence,
    paired: pairedByKey(here.samples.byKey, there.samples.byKey, confidence),
    series: series.sort((a, b) => rank(a) - rank(b) || (b.median?.differenceMs ?? 0) - (a.median?.differenceMs ?? 0)),
  };
}

function both(here: RunSamples, there: RunSamples, key: string): boolean {
  return here.series.has(key) && there.series.has(key);
}

function rank({ kind, verdict }: SeriesComparison): number {
  if (kind === 'flows') return -1;
  return { slower: 0, faster: 1, 'no difference told': 2, 'too few': 3, 'only here': 4, 'only there': 5 }[verdict];
}

function compareSeries(
  key: string,
  here: Series | undefined,
  there: Series | undefined,
  confidence: number,
): SeriesComparison {
  const { kind, name } = (here ?? there) as Series;
  const counts = {
    kind,
    name,
    count: here?.count ?? 0,
    otherCount: there?.count ?? 0,
    errors: here?.errors ?? 0,
    otherErrors: there?.errors ?? 0,
  };
  const none = { median: null, p99: null };
  if (!here || !there) return { ...counts, ...none, verdict: here ? 'only here' : 'only there' };
  if (here.sample.length < LEAST || there.sample.length < LEAST) return { ...counts, ...none, verdict: 'too few' };
  const [a, b] = [Float64Array.from(here.sample).sort(), Float64Array.from(there.sample).sort()];
  const median = difference(a, b, 0.5, confidence, `${key} p50`);
  const p99 = Math.min(a.length, b.length) < LEAST_FOR_P99 ? null : difference(a, b, 0.99, confidence, `${key} p99`);
  return { ...counts, median, p99, verdict: verdictOf(median.interval) };
}

function verdictOf({ low, high }: Interval): SeriesComparison['verdict'] {
  if (low > 0) return 'slower';
  return high < 0 ? 'faster' : 'no difference told';
}

function difference(a: Float64Array, b: Float64Array, q: number, confidence: number, seed: string): Difference {
  const uniform = seededUniform(hashText(seed).low);
  const draw = (): number => resampledQuantile(a, q, uniform) - resampledQuantile(b, q, uniform);
  const [ms, otherMs] = [quantile(a, q), quantile(b, q)];
  return { ms, otherMs, differenceMs: ms - otherMs, interval: bootstrapInterval(draw, confidence) };
}

/** Flows with the same key had the same draws: what differs between the two is not what they were asked to do. */
function pairedByKey(
  here: ReadonlyMap<string, number>,
  there: ReadonlyMap<string, number>,
  confidence: number,
): RunComparison['paired'] {
  const differences: number[] = [];
  for (const [key, ms] of here) {
    const change = ms - (there.get(key) ?? Number.NaN);
    if (!Number.isNaN(change)) differences.push(change);
  }
  if (differences.length < LEAST || differences.length < Math.min(here.size, there.size) / 2) return null;
  const sorted = Float64Array.from(differences).sort();
  const uniform = seededUniform(hashText('paired').low);
  const interval = bootstrapInterval(() => resampledQuantile(sorted, 0.5, uniform), confidence);
  return { flows: sorted.length, medianMs: quantile(sorted, 0.5), interval };
}
