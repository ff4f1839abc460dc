/**
 * Reads of one process's two clocks, in the order of the monotonic one: the wall clock in whole milliseconds (rounded
 * down, as timestamps are), the monotonic one in microseconds since the process started.
 */
export interface ClockReading {
  readonly wallMs: number;
  readonly monotonicUs: number;
}

export interface WallClockStep {
  /** The step lies between these two readings. */
  readonly afterUs: number;
  readonly beforeUs: number;
  /** Positive: the wall clock was put forward. */
  readonly byMs: number;
}

export interface WallClock {
  /** Per reading: wall clock minus monotonic clock, in milliseconds, finer than either timestamp's millisecond. */
  readonly offsetsMs: Float64Array;
  /** Per reading: half of what its offset may be off by. */
  readonly boundsMs: Float64Array;
  readonly steps: readonly WallClockStep[];
}

/** NTP daemons slew by at most 500 ppm in the Linux kernel; wall and monotonic clock are slewed alike there, elsewhere not. */
const SLEW = 500e-6;
const RESOLUTION_MS = 1;

/**
 * Follows the offset between the two clocks of one process. A reading says that the wall clock stands in
 * `[wallMs, wallMs + 1)`, so each one narrows the interval of the offset; between readings it widens by the slew that is
 * possible. A reading that leaves nothing of the interval is a step.
 */
export function followWallClock(readings: readonly ClockReading[]): WallClock {
  const low = new Float64Array(readings.length);
  const high = new Float64Array(readings.length);
  const stepIndexes: number[] = [];
  let segmentStart = 0;
  for (const [index, { wallMs, monotonicUs }] of readings.entries()) {
    const least = wallMs - monotonicUs / 1000;
    const most = least + RESOLUTION_MS;
    low[index] = least;
    high[index] = most;
    if (index === 0) continue;
    const previousUs = (readings[index - 1] as ClockReading).monotonicUs;
    const slewMs = (SLEW * (monotonicUs - previousUs)) / 1000;
    const widenedLow = at(low, index - 1) - slewMs;
    const widenedHigh = at(high, index - 1) + slewMs;
    if (most < widenedLow || least > widenedHigh) {
      narrowBackwards(readings, low, high, segmentStart, index - 1);
      stepIndexes.push(index);
      segmentStart = index;
      continue;
    }
    low[index] = Math.max(least, widenedLow);
    high[index] = Math.min(most, widenedHigh);
  }
  narrowBackwards(readings, low, high, segmentStart, readings.length - 1);
  const offsetsMs = low.map((value, index) => (value + at(high, index)) / 2);
  const boundsMs = low.map((value, index) => (at(high, index) - value) / 2);
  const steps = stepIndexes.map((index) => ({
    afterUs: (readings[index - 1] as ClockReading).monotonicUs,
    beforeUs: (readings[index] as ClockReading).monotonicUs,
    byMs: at(offsetsMs, index) - at(offsetsMs, index - 1),
  }));
  return { offsetsMs, boundsMs, steps };
}

/** What later readings say of earlier ones: the same narrowing from the other end of an unstepped stretch. */
function narrowBackwards(
  readings: readonly ClockReading[],
  low: Float64Array,
  high: Float64Array,
  first: number,
  last: number,
): void {
  for (let index = last - 1; index >= first; index--) {
    const gapUs = (readings[index + 1] as ClockReading).monotonicUs - (readings[index] as ClockReading).monotonicUs;
    const slewMs = (SLEW * gapUs) / 1000;
    low[index] = Math.max(at(low, index), at(low, index + 1) - slewMs);
    high[index] = Math.min(at(high, index), at(high, index + 1) + slewMs);
  }
}

function at(values: Float64Array, index: number): number {
  return values[index] as number;
}
