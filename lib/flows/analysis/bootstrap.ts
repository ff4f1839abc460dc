/** Evenly from [0, 1). */
export type Uniform = () => number;

/** A small seeded generator (mulberry32, T. Ettinger), so that an interval is the same each time it is asked for. */
export function seededUniform(seed: number): Uniform {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x100000000;
  };
}

/**
 * Draws the quantile `q` of one bootstrap resample of sorted values, without making the resample: its k-th smallest value
 * stands in the original where a Beta(k, n - k + 1) variable says, since that is how the k-th smallest of n uniform numbers
 * is distributed.
 */
export function resampledQuantile(sorted: Float64Array, q: number, uniform: Uniform): number {
  const n = sorted.length;
  const k = Math.max(1, Math.ceil(q * n));
  const [a, b] = [gamma(k, uniform), gamma(n - k + 1, uniform)];
  return sorted[Math.min(n - 1, Math.floor((n * a) / (a + b)))] as number;
}

export function quantile(sorted: Float64Array, q: number): number {
  return sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1] as number;
}

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * Percentile bootstrap interval of what `draw` draws (Efron, 1979).
 *
 * @param confidence such as 0.95
 */
export function bootstrapInterval(draw: () => number, confidence: number, replicates = 10_000): Interval {
  const drawn = Float64Array.from({ length: replicates }, draw).sort();
  const outside = (1 - confidence) / 2;
  const at = (share: number): number =>
    drawn[Math.min(replicates - 1, Math.max(0, Math.round(share * (replicates - 1))))] as number;
  return { low: at(outside), high: at(1 - outside) };
}

/** Gamma variables of shape 1 and above (Marsaglia and Tsang, "A simple method for generating gamma variables", 2000). */
function gamma(shape: number, uniform: Uniform): number {
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(uniform);
    const v = (1 + c * x) ** 3;
    if (v <= 0) continue;
    const u = 1 - uniform();
    if (Math.log(u) < x * x * 0.5 + d - d * v + d * Math.log(v)) return d * v;
  }
}

/** Box and Muller. */
function normal(uniform: Uniform): number {
  return Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
