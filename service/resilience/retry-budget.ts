import type { RetryBudget as Settings } from '../../lib/model/resilience';
import { rollingCounts } from './rolling-counts';

/** Bounds what retries add to the calls to a callee, so that they can't multiply an overload. */
export interface RetryBudget {
  /** A call begins. */
  called(now: number): void;
  /** Whether a further attempt may be made; if so it is counted. */
  withdraw(now: number): boolean;
  /** What the window holds. */
  counts(now: number): { readonly calls: number; readonly retries: number };
}

const [CALLS, RETRIES] = [0, 1] as const;

/** At most `ratio` of the window's calls and `minPerSecond` of its seconds, together. */
export function retryBudget({ ratio, minPerSecond, windowMs }: Settings): RetryBudget {
  const window = rollingCounts(windowMs);
  const least = (minPerSecond * windowMs) / 1_000;

  return {
    called: (now) => window.add(CALLS, now),
    withdraw(now) {
      if (window.sum(RETRIES, now) + 1 > ratio * window.sum(CALLS, now) + least) return false;
      window.add(RETRIES, now);
      return true;
    },
    counts: (now) => ({ calls: window.sum(CALLS, now), retries: window.sum(RETRIES, now) }),
  };
}
