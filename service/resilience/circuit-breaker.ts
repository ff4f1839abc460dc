import type { Breaker } from '../../lib/model/resilience';
import { type RollingCounts, rollingCounts } from './rolling-counts';

export type BreakerState = 'closed' | 'open' | 'half-open';

/** What an attempt says of its callee; `none` where it never got that far, or was called off. */
export type Verdict = 'success' | 'failure' | 'none';

/** Leave to make one attempt, to be handed back with its outcome; 0: rejected. */
export type Permit = number;

/**
 * The state of a circuit breaker. Times are of a clock that never goes back, in milliseconds. What was begun before the
 * state last changed says nothing of the callee as it is now, and counts for nothing.
 */
export interface CircuitBreaker {
  readonly state: BreakerState;
  /** Why it last opened. */
  readonly cause: BreakerCause;
  admit(now: number): Permit;
  settle(permit: Permit, verdict: Verdict, now: number): void;
}

export interface BreakerCause {
  /** In a row. */
  readonly failures: number;
  /** In the window, with an error rate. */
  readonly windowFailures?: number;
  readonly windowCalls?: number;
}

const [FAILED, ALL] = [0, 1] as const;

export function circuitBreaker({ consecutiveFailures, errorRate, openMs, probes }: Breaker): CircuitBreaker {
  const window: RollingCounts | undefined = errorRate ? rollingCounts(errorRate.windowMs) : undefined;
  let state: BreakerState = 'closed';
  let cause: BreakerCause = { failures: 0 };
  /** Counts the changes of state: a permit of another one is out of date. */
  let generation = 1;
  let inARow = 0;
  let openedAt = 0;
  let probing = 0;
  let succeeded = 0;

  const become = (next: BreakerState): void => {
    state = next;
    generation += 1;
    inARow = 0;
    probing = 0;
    succeeded = 0;
    window?.clear();
  };

  const open = (now: number): void => {
    const counts = window && { windowFailures: window.sum(FAILED, now), windowCalls: window.sum(ALL, now) };
    cause = { failures: inARow, ...counts };
    become('open');
    openedAt = now;
  };

  const tooManyFailed = (now: number): boolean => {
    if (consecutiveFailures !== null && inARow >= consecutiveFailures) return true;
    if (!errorRate || !window) return false;
    const calls = window.sum(ALL, now);
    return calls >= errorRate.minimumCalls && window.sum(FAILED, now) >= errorRate.share * calls;
  };

  return {
    get state() {
      return state;
    },
    get cause() {
      return cause;
    },
    admit(now) {
      if (state === 'open' && now - openedAt >= openMs) become('half-open');
      if (state === 'open') return 0;
      if (state === 'half-open') {
        if (probing + succeeded >= probes) return 0;
        probing += 1;
      }
      return generation;
    },
    settle(permit, verdict, now) {
      if (permit !== generation) return;
      if (state === 'half-open') probing -= 1;
      if (verdict === 'none') return;
      if (verdict === 'success') inARow = 0;
      else inARow += 1;
      if (state === 'half-open') {
        if (verdict === 'failure') open(now);
        else if (++succeeded >= probes) become('closed');
        return;
      }
      window?.add(ALL, now);
      if (verdict === 'success') return;
      window?.add(FAILED, now);
      if (tooManyFailed(now)) open(now);
    },
  };
}
