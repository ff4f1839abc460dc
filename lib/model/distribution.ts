import { normalQuantile } from './normal-quantile';

/**
 * How a latency (milliseconds), a size (bytes) or a count is distributed. A bare number is constant.
 * `percentiles` is a table such as `{ p50: 5, p90: 12, p99: 40 }`: between its points the quantile function is
 * interpolated linearly; below the lowest point it falls towards `min` (default 0), above the highest it rises towards
 * `max` (default: the highest point).
 */
export type Distribution =
  | number
  | { readonly constant: number }
  | { readonly uniform: readonly [low: number, high: number] }
  | { readonly normal: { readonly mean: number; readonly stddev: number } & Bounds }
  | { readonly lognormal: { readonly median: number; readonly sigma: number } & Bounds }
  | { readonly exponential: { readonly mean: number } & Bounds }
  | { readonly percentiles: PercentileTable };

/** Values outside are moved to the bound (not drawn anew), so that one draw gives one value. `min` defaults to 0. */
export interface Bounds {
  readonly min?: number;
  readonly max?: number;
}

/** Keys `p<percentile>` with a percentile above 0 and below 100, such as `p50` or `p99.9`; values must not fall. */
export type PercentileTable = { readonly [percentile: `p${number}`]: number } & Bounds;

/**
 * The value at probability `u` (0 <= u < 1) of the distribution: its inverse cumulative distribution function.
 * One uniform draw gives one value, which is what makes every draw replayable. Never negative.
 */
export function quantile(distribution: Distribution, u: number): number {
  if (typeof distribution === 'number') return distribution;
  if ('constant' in distribution) return distribution.constant;
  if ('uniform' in distribution) {
    const [low, high] = distribution.uniform;
    return low + u * (high - low);
  }
  if ('normal' in distribution) {
    const { mean, stddev, ...bounds } = distribution.normal;
    return clamp(mean + stddev * standardNormal(u), bounds);
  }
  if ('lognormal' in distribution) {
    const { median, sigma, ...bounds } = distribution.lognormal;
    return clamp(median * Math.exp(sigma * standardNormal(u)), bounds);
  }
  if ('exponential' in distribution) {
    const { mean, ...bounds } = distribution.exponential;
    return clamp(-mean * Math.log1p(-u), bounds);
  }
  return interpolate(percentilePoints(distribution.percentiles), u);
}

/**
 * The mean, bounds included: exact for a constant, a uniform, an exponential and a percentile table; for a normal and a
 * lognormal the integral over the normal density by the trapezoid rule, relative error below 1e-5.
 */
export function mean(distribution: Distribution): number {
  if (typeof distribution === 'number') return distribution;
  if ('constant' in distribution) return distribution.constant;
  if ('uniform' in distribution) return (distribution.uniform[0] + distribution.uniform[1]) / 2;
  if ('normal' in distribution) {
    const { mean, stddev, ...bounds } = distribution.normal;
    return normalExpectation((z) => clamp(mean + stddev * z, bounds), 0);
  }
  if ('lognormal' in distribution) {
    const { median, sigma, ...bounds } = distribution.lognormal;
    return normalExpectation((z) => clamp(median * Math.exp(sigma * z), bounds), sigma);
  }
  if ('exponential' in distribution) {
    const { mean, min = 0, max = Number.POSITIVE_INFINITY } = distribution.exponential;
    return mean === 0 ? min : min + mean * (Math.exp(-min / mean) - Math.exp(-max / mean));
  }
  const points = percentilePoints(distribution.percentiles);
  return points.slice(1).reduce((sum, [p, value], index) => {
    const [lastP, last] = points[index] as readonly [number, number];
    return sum + ((p - lastP) * (value + last)) / 2;
  }, 0);
}

/** The mean of a count, which is rounded as it is drawn: the average over 1,000 even quantiles. */
export function meanCount(distribution: Distribution): number {
  if (typeof distribution === 'number') return Math.round(distribution);
  const samples = 1000;
  let sum = 0;
  for (let i = 0; i < samples; i++) sum += Math.round(quantile(distribution, (i + 0.5) / samples));
  return sum / samples;
}

/** E[f(Z)] of a standard normal Z; a lognormal's mass lies around z = sigma, which the range takes in. */
function normalExpectation(f: (z: number) => number, shift: number): number {
  const step = 1 / 256;
  const [from, to] = [-9, 9 + shift];
  let sum = 0;
  for (let z = from; z <= to; z += step) sum += f(z) * Math.exp((-z * z) / 2);
  return (sum * step) / Math.sqrt(2 * Math.PI);
}

/** The table as points (probability, value), by rising probability, with both ends filled in. */
export function percentilePoints(table: PercentileTable): readonly (readonly [probability: number, value: number])[] {
  const points = Object.entries(table)
    .filter(([key]) => key !== 'min' && key !== 'max')
    .map(([key, value]) => [Number(key.slice(1)) / 100, value as number] as const)
    .sort((a, b) => a[0] - b[0]);
  const last = points[points.length - 1];
  return [[0, table.min ?? 0], ...points, [1, table.max ?? last?.[1] ?? 0]];
}

function interpolate(points: readonly (readonly [number, number])[], u: number): number {
  let [lowerP, lowerV] = points[0] as readonly [number, number];
  for (const [p, v] of points) {
    if (u < p) return lowerV + ((u - lowerP) / (p - lowerP)) * (v - lowerV);
    [lowerP, lowerV] = [p, v];
  }
  return lowerV;
}

/** Finite also at u = 0, half a draw's grain above it, since zero times infinity is no number. */
function standardNormal(u: number): number {
  return normalQuantile(Math.max(u, 2 ** -54));
}

function clamp(value: number, { min = 0, max = Number.POSITIVE_INFINITY }: Bounds): number {
  return Math.min(Math.max(value, min), max);
}
