import { draw, type Hash, hashText } from '../model/draw';
import type { Phase, TrafficPlan } from './phases';

/** One planned request. */
export interface Arrival {
  /** From 0. */
  readonly index: number;
  /** Milliseconds since the run's start. */
  readonly atMs: number;
  readonly warmup: boolean;
}

const GAP = hashText('arrival');
const NOWHERE: Hash = { high: 0, low: 0 };
/** Rounding must neither lose nor add the request that falls on the end of a phase. */
const EPSILON = 1e-6;

/**
 * The plan's arrivals in order, undefined after the last. Constant arrivals come where the expected number of requests
 * so far is whole, so that a ramp too has exactly as many as its area says. Poisson arrivals have gaps drawn from the
 * exponential distribution in that same measure (a time change turns a Poisson process of rate 1 into one of any rate:
 * Cinlar, "Introduction to Stochastic Processes", 1975, chapter 4); each gap is a function of (seed, index).
 */
export function arrivals(
  { arrivals: kind, phases, warmupMs, requests }: TrafficPlan,
  seed: string,
): () => Arrival | undefined {
  const seedHash = hashText(seed);
  const timeOf = inverse(phases);
  let index = 0;
  let expected = 0;
  let measured = 0;
  return () => {
    if (kind === 'poisson') {
      const u = draw({ seed: seedHash, key: indexHash(index), place: NOWHERE }, GAP);
      expected -= Math.log1p(-u);
    } else expected = index;
    const atMs = timeOf(expected);
    if (atMs === undefined) return undefined;
    const warmup = atMs < warmupMs - EPSILON;
    if (!warmup) {
      if (requests !== null && measured >= requests) return undefined;
      measured += 1;
    }
    index += 1;
    return { index: index - 1, atMs, warmup };
  };
}

/** What the draws of the request with this index hang on, besides the seed. */
export function indexHash(index: number): Hash {
  return { high: Math.floor(index / 0x100000000), low: index >>> 0 };
}

/** Expected number of requests of a phase: the area under its rate. */
export function expectedRequests({ fromRate, toRate, durationMs }: Phase): number {
  return (((fromRate + toRate) / 2) * durationMs) / 1000;
}

/**
 * The moment at which the expected number of requests reaches a value, by phases; undefined at and after the end. Must
 * be asked with values that do not fall.
 */
function inverse(phases: readonly Phase[]): (expected: number) => number | undefined {
  let current = 0;
  let before = 0;
  let startMs = 0;
  return (expected) => {
    for (let phase = phases[current]; phase; phase = phases[current]) {
      const within = expected - before;
      const total = expectedRequests(phase);
      if (within < total - EPSILON) return startMs + timeWithin(phase, Math.max(0, within));
      before += total;
      startMs += phase.durationMs;
      current += 1;
    }
    return undefined;
  };
}

/**
 * Solves a t + (b - a) t^2 / (2 T) = n for t, in the form of the quadratic formula that does not cancel where the
 * ramp is nearly flat.
 */
function timeWithin({ fromRate, toRate, durationMs }: Phase, n: number): number {
  if (n === 0) return 0;
  const seconds = durationMs / 1000;
  const root = Math.sqrt(Math.max(0, fromRate * fromRate + (2 * (toRate - fromRate) * n) / seconds));
  return ((2 * n) / (fromRate + root)) * 1000;
}
