import type { ProgressCells } from './progress-ring';

/** How many were in progress at the same time. */
export interface InProgress {
  /** Over the whole time from `startTime` to `endTime`. */
  readonly mean: number;
  /**
   * The most at one moment, and what it can't have exceeded: within a cell of `resolutionMs` the order of starts and ends
   * is not kept.
   */
  readonly peak: number;
  readonly peakAtMost: number;
  /** The same in steps of `bucketMs` from `startTime` on. */
  readonly means: readonly number[];
  readonly peaks: readonly number[];
}

/** More is rounding. */
const TOLERANCE = 1e-6;

/** @param windowMs what the mean is over, as @param totalMs, the sum of the times in progress */
export function inProgress(
  { counts, restMs }: ProgressCells,
  {
    cells,
    cellMs,
    cellsPerBucket,
  }: { readonly cells: number; readonly cellMs: number; readonly cellsPerBucket: number },
  windowMs: number,
  totalMs: number,
): InProgress {
  const mean = windowMs > 0 ? totalMs / windowMs : 0;
  const means: number[] = [];
  const peaks: number[] = [];
  let peakAtMost = 0;
  let running = 0;
  for (let from = 0; from < cells; from += cellsPerBucket) {
    const to = Math.min(cells, from + cellsPerBucket);
    let sumMs = 0;
    let peak = 0;
    for (let cell = from; cell < to; cell++) {
      const started = counts[4 * cell] as number;
      const ownMs = running * cellMs + (restMs[2 * cell + 1] as number);
      sumMs += ownMs;
      peak = Math.max(peak, running, atLeast(ownMs / cellMs));
      peakAtMost = Math.max(peakAtMost, running + started);
      running += started - (counts[4 * cell + 1] as number);
    }
    means.push(Math.max(0, Math.round((1000 * sumMs) / ((to - from) * cellMs)) / 1000));
    peaks.push(peak);
  }
  const peak = peaks.reduce((most, value) => Math.max(most, value), atLeast(mean));
  return { mean, peak, peakAtMost: Math.max(peak, peakAtMost), means, peaks };
}

/** Whoever had so many on average had as many at some moment, in whole ones. */
function atLeast(mean: number): number {
  return Math.ceil(mean - TOLERANCE);
}
