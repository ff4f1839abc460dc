import { build, type Histogram } from 'hdr-histogram-js';
import type { ErrorKind } from '../model/event';

/** Percentiles in milliseconds, each to three digits; zeros where nothing was measured. */
export interface Percentiles {
  readonly count: number;
  readonly min: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Figures of a period of traffic. */
export interface Figures {
  readonly sent: number;
  /** Planned and due, but held back by the bound on requests in flight. */
  readonly notSent: number;
  readonly answered: number;
  /** Answered with a status of 400 or above, or not answered. */
  readonly failed: number;
  readonly statuses: Readonly<Record<string, number>>;
  /** Requests without a usable answer, by kind. */
  readonly errors: Readonly<Record<string, number>>;
  /** From the first to the last request sent, in milliseconds. */
  readonly spanMs: number;
  /** Requests per second over that time, as planned and as sent. */
  readonly plannedRate: number;
  readonly achievedRate: number;
  /**
   * From the planned moment of sending to the end of the answer: what a user who comes at that moment waits. Requests
   * that timed out count with the time waited; other errors have no response time.
   */
  readonly responseTime: Percentiles;
  /** From the actual moment of sending. */
  readonly serviceTime: Percentiles;
  /** From the planned to the actual moment of sending: the driver's own lateness. */
  readonly sendLag: Percentiles;
}

export interface Measures {
  /** Times of the monotonic clock, in milliseconds. */
  sent(plannedAt: number, sentAt: number): void;
  notSent(): void;
  answered(status: number, responseMs: number, serviceMs: number): void;
  failed(kind: ErrorKind, responseMs: number, serviceMs: number): void;
  figures(): Figures;
  /** Cheap enough to be asked while requests are sent. */
  counts(): Counts;
}

export interface Counts {
  readonly sent: number;
  readonly notSent: number;
  readonly answered: number;
  readonly failed: number;
  /** Of the response time, in milliseconds. */
  readonly p99: number;
}

const MICROSECONDS = 1000;
const HIGHEST_MS = 60_000;

export function measures(): Measures {
  const responseTime = histogram();
  const serviceTime = histogram();
  const sendLag = histogram();
  const statuses = new Map<number, number>();
  const errors = new Map<ErrorKind, number>();
  let [sent, notSent, answered, failed] = [0, 0, 0, 0];
  let [firstPlanned, lastPlanned, firstSent, lastSent] = [0, 0, 0, 0];

  return {
    sent: (plannedAt, sentAt) => {
      if (sent === 0) [firstPlanned, firstSent] = [plannedAt, sentAt];
      [lastPlanned, lastSent] = [plannedAt, sentAt];
      sent += 1;
      record(sendLag, sentAt - plannedAt);
    },
    notSent: () => {
      notSent += 1;
    },
    answered: (status, responseMs, serviceMs) => {
      answered += 1;
      if (status >= 400) failed += 1;
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      record(responseTime, responseMs);
      record(serviceTime, serviceMs);
    },
    failed: (kind, responseMs, serviceMs) => {
      failed += 1;
      errors.set(kind, (errors.get(kind) ?? 0) + 1);
      if (kind !== 'TIMEOUT') return;
      record(responseTime, responseMs);
      record(serviceTime, serviceMs);
    },
    counts: () => ({ sent, notSent, answered, failed, p99: responseTime.getValueAtPercentile(99) / MICROSECONDS }),
    figures: () => ({
      sent,
      notSent,
      answered,
      failed,
      statuses: Object.fromEntries([...statuses].sort(([a], [b]) => a - b)),
      errors: Object.fromEntries([...errors].sort(([a], [b]) => (a < b ? -1 : 1))),
      spanMs: lastSent - firstSent,
      plannedRate: rate(sent, lastPlanned - firstPlanned),
      achievedRate: rate(sent, lastSent - firstSent),
      responseTime: percentiles(responseTime),
      serviceTime: percentiles(serviceTime),
      sendLag: percentiles(sendLag),
    }),
  };
}

/** n events have n - 1 gaps between them. */
function rate(count: number, spanMs: number): number {
  return count < 2 || spanMs <= 0 ? 0 : ((count - 1) * 1000) / spanMs;
}

function histogram(): Histogram {
  return build({
    bitBucketSize: 64,
    autoResize: true,
    lowestDiscernibleValue: 1,
    highestTrackableValue: HIGHEST_MS * MICROSECONDS,
    numberOfSignificantValueDigits: 3,
  });
}

function record(into: Histogram, ms: number): void {
  into.recordValue(Math.max(0, Math.round(ms * MICROSECONDS)));
}

function percentiles(of: Histogram): Percentiles {
  if (of.totalCount === 0) return { count: 0, min: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 };
  // A percentile is the upper end of its bucket, which may lie above the highest value.
  const at = (percentile: number): number => Math.min(of.getValueAtPercentile(percentile), of.maxValue) / MICROSECONDS;
  return {
    count: of.totalCount,
    min: of.minNonZeroValue === Number.MAX_SAFE_INTEGER ? 0 : of.minNonZeroValue / MICROSECONDS,
    mean: of.mean / MICROSECONDS,
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    max: of.maxValue / MICROSECONDS,
  };
}
