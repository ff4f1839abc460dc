import { type Histogram, histogram } from '../analysis/histogram';
import type { Flow } from '../flow';
import { itemFailed, type TraceItem, traceItems } from '../formats/trace-item';

/** What happened in one stretch of the run. */
export interface Bucket {
  count: number;
  errors: number;
  readonly duration: Histogram;
}

export interface Series {
  readonly buckets: readonly Bucket[];
  readonly duration: Histogram;
  /** Counts by bar of the histogram, `LATENCY_BARS` edges. */
  readonly bars: number[];
}

export interface RunSeries {
  readonly startAt: number;
  readonly bucketMs: number;
  /** Requests of users, by the flow. */
  readonly flows: Series;
  /** By `service METHOD /path`. */
  readonly endpoints: ReadonlyMap<string, Series>;
  add(flow: Flow): void;
}

/** Enough to see a shape, few enough for each to hold some requests. */
const MOST_BUCKETS = 60;

/** Bars of the histogram: five a decade, from 0.1 ms to 1,000 s. */
export const BARS_A_DECADE = 5;
export const LEAST_BAR_EXPONENT = -1;
const BARS = 35;

/** The upper end of a bar, in milliseconds. */
export function barEnd(bar: number): number {
  return 10 ** (LEAST_BAR_EXPONENT + (bar + 1) / BARS_A_DECADE);
}

/** @param startAt of the run's window, as @param endAt, in milliseconds since 1970 */
export function runSeries(startAt: number, endAt: number): RunSeries {
  const lengthMs = Math.max(1, endAt - startAt);
  const bucketMs = niceStep(lengthMs / MOST_BUCKETS);
  const buckets = Math.max(1, Math.min(MOST_BUCKETS + 1, Math.ceil((lengthMs + 1) / bucketMs)));
  const flows = series(buckets);
  const endpoints = new Map<string, Series>();

  const take = (into: Series, atMs: number, tookMs: number, failed: boolean): void => {
    const index = Math.min(buckets - 1, Math.max(0, Math.floor((atMs - startAt) / bucketMs)));
    const bucket = into.buckets[index] as Bucket;
    bucket.count += 1;
    if (failed) bucket.errors += 1;
    bucket.duration.add(tookMs);
    into.duration.add(tookMs);
    if (Number.isNaN(tookMs)) return;
    const bar = Math.ceil((Math.log10(Math.max(tookMs, 1e-9)) - LEAST_BAR_EXPONENT) * BARS_A_DECADE) - 1;
    const at = Math.min(BARS - 1, Math.max(0, bar));
    into.bars[at] = (into.bars[at] as number) + 1;
  };

  return {
    startAt,
    bucketMs,
    flows,
    endpoints,
    add(flow) {
      const flowAt = Date.parse(flow.startTime);
      const failed = flow.status === null || flow.status >= 500;
      take(flows, flowAt, flow.durationMs ?? Number.NaN, failed);
      for (const item of traceItems(flow)) {
        if (!isWork(item)) continue;
        const name = `${item.service} ${item.endpoint}`;
        let own = endpoints.get(name);
        if (!own) {
          own = series(buckets);
          endpoints.set(name, own);
        }
        take(own, flowAt + item.startMs, item.endKnown ? item.endMs - item.startMs : Number.NaN, itemFailed(item));
      }
    },
  };
}

/** A handled request; the 202 that takes a `send` in is none, its queued work is. */
function isWork({ kind, span }: TraceItem): boolean {
  return span !== null && (kind === 'consumer' || (kind === 'server' && span.queued.length === 0));
}

function series(buckets: number): Series {
  return {
    buckets: Array.from({ length: buckets }, () => ({ count: 0, errors: 0, duration: histogram() })),
    duration: histogram(),
    bars: new Array(BARS).fill(0),
  };
}

/** 1, 2 or 5 times a power of ten, at least `least` milliseconds. */
export function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-6)));
  return power * ([1, 2, 5].find((times) => times * power >= least * 0.999999) ?? 10);
}
