/** A wall clock that was put forward (positive) or back, somewhere between two readings of the monotonic clock. */
export interface WallStep {
  readonly afterUs: number;
  readonly beforeUs: number;
  readonly byMs: number;
}

/** One process's wall clock, as its monotonic clock shows it. */
export interface ProcessClock {
  readonly steps: readonly WallStep[];
  /** Half of what a time of `smoothMs` may be off by, for want of resolution. */
  readonly boundMs: number;
  /** Wall time at the process's first and last reading, less the steps before it. */
  readonly firstMs: number;
  readonly lastMs: number;
  /**
   * Wall time without the steps and finer than its milliseconds: the clock that would have been shown had nobody put it
   * right. Without a monotonic time it is the wall time as it stands.
   */
  smoothMs(monotonicUs: number, wallMs: number): number;
  /** What the steps up to that event add to the smooth time. */
  steppedMs(monotonicUs: number, wallMs: number): number;
}

/** Takes in readings of both clocks in any order, in memory that does not grow beyond a bound. */
export interface WallFollower {
  binUs: number;
  /** The greatest and the least difference of the two clocks in each bin, in milliseconds. */
  most: Float64Array;
  least: Float64Array;
}

/** Timestamps are whole milliseconds, rounded down. */
const RESOLUTION_MS = 1;
/** Between the reading of one clock and of the other some microseconds pass. */
const JITTER_MS = 0.05;
/** Where wall and monotonic clock are not slewed alike, NTP daemons keep to 500 ppm. */
const SLEW = 500e-6;
const FIRST_BIN_US = 250_000;
const MOST_BINS = 4_096;
/** Few, so that room is made a few times at once: code for what happens late would be compiled anew then. */
const FIRST_BINS = 4;
/**
 * A process that was held up between its two readings seems to have stepped back for a moment. Less than this, and for
 * a moment only, is taken as that.
 */
const HELD_UP_MS = 250;

export function wallFollower(): WallFollower {
  return {
    binUs: FIRST_BIN_US,
    most: new Float64Array(FIRST_BINS).fill(Number.NEGATIVE_INFINITY),
    least: new Float64Array(FIRST_BINS).fill(Number.POSITIVE_INFINITY),
  };
}

/** Takes in one reading. */
export function addReading(follower: WallFollower, monotonicUs: number, wallMs: number): void {
  let bin = Math.floor(monotonicUs / follower.binUs);
  if (bin >= follower.most.length) bin = makeRoom(follower, monotonicUs);
  const { most, least } = follower;
  const difference = wallMs - monotonicUs / 1000;
  if (difference > at(most, bin)) most[bin] = difference;
  if (difference < at(least, bin)) least[bin] = difference;
}

/** The bin of a time for which there was none. */
function makeRoom(follower: WallFollower, monotonicUs: number): number {
  for (;;) {
    const bin = Math.floor(monotonicUs / follower.binUs);
    if (bin < follower.most.length) return bin;
    if (follower.most.length < MOST_BINS) lengthen(follower);
    else halve(follower);
  }
}

function lengthen(follower: WallFollower): void {
  const length = Math.min(MOST_BINS, follower.most.length * 2);
  follower.most = resized(follower.most, length, Number.NEGATIVE_INFINITY);
  follower.least = resized(follower.least, length, Number.POSITIVE_INFINITY);
}

function halve(follower: WallFollower): void {
  const { most, least } = follower;
  for (let i = 0; i < most.length; i++) {
    const [a, b] = [2 * i, 2 * i + 1];
    most[i] = a < most.length ? Math.max(at(most, a), at(most, b)) : Number.NEGATIVE_INFINITY;
    least[i] = a < least.length ? Math.min(at(least, a), at(least, b)) : Number.POSITIVE_INFINITY;
  }
  follower.binUs *= 2;
}

/**
 * Follows the offset between the two clocks of one process. A reading says that the wall clock stands in
 * `[wallMs, wallMs + 1)`; the wall clock is read first, so that a hold-up in between makes the difference too small and
 * never too large: the greatest difference in a bin of time is its level. A level that no slewing explains is a step.
 */
export function followClock({ most, least, binUs }: WallFollower): ProcessClock {
  return processClock(binsOf(most, least, binUs), binUs);
}

interface Bin {
  readonly index: number;
  readonly centreMs: number;
  readonly most: number;
  readonly least: number;
}

/** A stretch without a step: the offset at the bins' centres. */
interface Segment {
  readonly bins: readonly Bin[];
  readonly offsets: Float64Array;
  readonly boundMs: number;
}

function binsOf(most: Float64Array, least: Float64Array, binUs: number): readonly Bin[] {
  const bins: Bin[] = [];
  for (let index = 0; index < most.length; index++) {
    if (at(most, index) === Number.NEGATIVE_INFINITY) continue;
    const centreMs = ((index + 0.5) * binUs) / 1000;
    bins.push({ index, centreMs, most: at(most, index), least: at(least, index) });
  }
  return bins;
}

function processClock(bins: readonly Bin[], binUs: number): ProcessClock {
  const segments = segmentsOf(bins, binUs).map((own) => segmentOf(own, binUs));
  const steps: WallStep[] = [];
  const before: number[] = [0];
  for (let k = 1; k < segments.length; k++) {
    const [a, b] = [segments[k - 1] as Segment, segments[k] as Segment];
    const [last, first] = [a.bins[a.bins.length - 1] as Bin, b.bins[0] as Bin];
    const byMs = at(b.offsets, 0) - at(a.offsets, a.offsets.length - 1);
    steps.push({ afterUs: last.index * binUs, beforeUs: (first.index + 1) * binUs, byMs });
    before.push((before[k - 1] as number) + byMs);
  }

  const segmentAt = (monotonicUs: number, wallMs: number): number => {
    if (segments.length < 2) return 0;
    const index = Math.floor(monotonicUs / binUs);
    let k = segments.findIndex(({ bins: own }) => (own[own.length - 1] as Bin).index >= index);
    if (k < 0) k = segments.length - 1;
    // A bin with a step in it holds readings of both sides: each tells by its own difference which it is of.
    const difference = wallMs - monotonicUs / 1000 + RESOLUTION_MS / 2;
    const miss = (candidate: number): number => {
      const segment = segments[candidate];
      return segment ? Math.abs(difference - offsetIn(segment, monotonicUs / 1000)) : Number.POSITIVE_INFINITY;
    };
    const near = ((segments[k] as Segment).bins[0] as Bin).index <= index + 1;
    const ends = ((segments[k] as Segment).bins.at(-1) as Bin).index <= index + 1;
    if (near && miss(k - 1) < miss(k)) return k - 1;
    return ends && miss(k + 1) < miss(k) ? k + 1 : k;
  };

  const smoothMs = (monotonicUs: number, wallMs: number): number => {
    if (Number.isNaN(monotonicUs) || segments.length === 0) return wallMs;
    const k = segmentAt(monotonicUs, wallMs);
    const elapsedMs = monotonicUs / 1000;
    return elapsedMs + offsetIn(segments[k] as Segment, elapsedMs) - (before[k] as number);
  };

  const edge = (bin: Bin | undefined, most: number): number =>
    bin ? bin.centreMs + bin.most - (most < 0 ? 0 : (before[most] as number)) : Number.NaN;
  return {
    steps,
    boundMs: segments.reduce((worst, { boundMs }) => Math.max(worst, boundMs), 0),
    firstMs: edge(bins[0], 0),
    lastMs: edge(segments.at(-1)?.bins.at(-1), segments.length - 1),
    smoothMs,
    steppedMs: (monotonicUs, wallMs) =>
      Number.isNaN(monotonicUs) || segments.length === 0 ? 0 : (before[segmentAt(monotonicUs, wallMs)] as number),
  };
}

/** Cuts the bins where the wall clock was stepped. */
function segmentsOf(bins: readonly Bin[], binUs: number): readonly (readonly Bin[])[] {
  const segments: Bin[][] = [];
  let current: Bin[] = [];
  let low = 0;
  let high = 0;
  let last = 0;
  /** What of its bin a level may differ by, without a step. */
  const widthMs = (SLEW * binUs) / 1000;
  for (const [i, bin] of bins.entries()) {
    const slewMs = SLEW * (bin.centreMs - last) + widthMs;
    if (current.length > 0) {
      const fits = ({ most }: Bin): boolean =>
        most <= high + slewMs + JITTER_MS && most + RESOLUTION_MS >= low - slewMs - JITTER_MS;
      if (fits(bin)) {
        low = Math.max(low - slewMs, bin.most);
        high = Math.min(high + slewMs, bin.most + RESOLUTION_MS + JITTER_MS);
        if (high < low) high = low;
        current.push(bin);
        last = bin.centreMs;
        continue;
      }
      const isLow = bin.most < low && low - bin.most < HELD_UP_MS;
      if (isLow && (bins.slice(i + 1, i + 4).some(fits) || i === bins.length - 1)) continue;
      segments.push(current);
    }
    current = [bin];
    low = bin.most;
    high = bin.most + RESOLUTION_MS + JITTER_MS;
    last = bin.centreMs;
  }
  if (current.length > 0) segments.push(current);
  return segments;
}

/** One offset where one explains the whole stretch, else what slewing leaves possible at each bin. */
function segmentOf(bins: readonly Bin[], binUs: number): Segment {
  const low = Float64Array.from(bins, ({ most }) => most);
  const high = Float64Array.from(bins, ({ most, least }) =>
    least + RESOLUTION_MS >= most ? least + RESOLUTION_MS : most + RESOLUTION_MS,
  );
  const floor = low.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const ceiling = high.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  if (floor <= ceiling + JITTER_MS) {
    const offset = (floor + Math.max(floor, ceiling)) / 2;
    const boundMs = Math.max(0, ceiling - floor) / 2 + JITTER_MS;
    return { bins, offsets: new Float64Array(bins.length).fill(offset), boundMs };
  }
  narrow(bins, low, high, 1);
  narrow(bins, low, high, -1);
  let boundMs = 0;
  const offsets = low.map((value, i) => {
    boundMs = Math.max(boundMs, Math.max(0, at(high, i) - value) / 2);
    return (value + Math.max(value, at(high, i))) / 2;
  });
  return { bins, offsets, boundMs: boundMs + JITTER_MS + (SLEW * binUs) / 2000 };
}

function narrow(bins: readonly Bin[], low: Float64Array, high: Float64Array, step: 1 | -1): void {
  for (let i = step > 0 ? 1 : bins.length - 2; i >= 0 && i < bins.length; i += step) {
    const slewMs = SLEW * Math.abs((bins[i] as Bin).centreMs - (bins[i - step] as Bin).centreMs);
    low[i] = Math.max(at(low, i), at(low, i - step) - slewMs);
    high[i] = Math.min(at(high, i), at(high, i - step) + slewMs);
  }
}

/** Between bins the offset is interpolated, beyond them it stays. */
function offsetIn({ bins, offsets }: Segment, elapsedMs: number): number {
  let from = 0;
  let to = bins.length - 1;
  if (at(offsets, from) === at(offsets, to) && (bins.length < 3 || at(offsets, bins.length >> 1) === at(offsets, 0))) {
    return at(offsets, 0);
  }
  while (to - from > 1) {
    const middle = (from + to) >> 1;
    if ((bins[middle] as Bin).centreMs <= elapsedMs) from = middle;
    else to = middle;
  }
  const [a, b] = [bins[from] as Bin, bins[to] as Bin];
  const share = (elapsedMs - a.centreMs) / (b.centreMs - a.centreMs);
  return at(offsets, from) + Math.min(1, Math.max(0, share)) * (at(offsets, to) - at(offsets, from));
}

function resized(values: Float64Array, length: number, empty: number): Float64Array<ArrayBuffer> {
  const longer = new Float64Array(length).fill(empty);
  longer.set(values);
  return longer;
}

function at(values: Float64Array, index: number): number {
  return values[index] as number;
}
