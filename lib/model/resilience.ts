/**
 * How a service protects itself and its callees from failures and overload: the settings as written (`...Spec`) and as
 * resolved. Times are milliseconds. Whatever stands in no topology costs a node nothing.
 */

/** So many at once; up to `queue` more wait for their turn, and further ones are turned away at once. */
export interface LimitSpec {
  readonly limit: number;
  /** @default 0 */
  readonly queue?: number;
}

export type Limit = Required<LimitSpec>;

/**
 * A circuit breaker: it opens after so many failures in a row, or at such a share of failures in a window; then it rejects
 * calls until `openMs` have passed, and lets `probes` through: if all of them succeed it closes, else it opens again.
 */
export interface BreakerSpec {
  /** @default 5, unless `errorRate` is given */
  readonly consecutiveFailures?: number;
  /** Above 0, at most 1. @default none */
  readonly errorRate?: number;
  /** With `errorRate`: the time that it is taken over. @default 10000 */
  readonly windowMs?: number;
  /** With `errorRate`: attempts in the window below which it says nothing. @default 20 */
  readonly minimumCalls?: number;
  /** @default 5000 */
  readonly openMs?: number;
  /** @default 1 */
  readonly probes?: number;
}

export interface Breaker {
  /** Null: failures in a row don't open it. */
  readonly consecutiveFailures: number | null;
  readonly errorRate: { readonly share: number; readonly windowMs: number; readonly minimumCalls: number } | null;
  readonly openMs: number;
  readonly probes: number;
}

/** Retries and hedges to one service from one process: in any window at most `ratio` of its calls, and so many more. */
export interface RetryBudgetSpec {
  /** From 0 to 10. @default 0.2 */
  readonly ratio?: number;
  /** Allowed beside those, however few calls there are. @default 1 */
  readonly minPerSecond?: number;
  /** @default 10000 */
  readonly windowMs?: number;
}

export type RetryBudget = Required<RetryBudgetSpec>;

/**
 * An answer in the place of a call that failed, which is tolerated then: `body`, any JSON value; or the callee's name with so
 * many bytes of filler.
 */
export type FallbackSpec =
  | { readonly body: unknown }
  | {
      /** @default 0 */
      readonly bytes?: number;
    };

export type Fallback = { readonly body: unknown } | { readonly bytes: number };

/** What a call may state of its callee's protection; `false` switches a default off. */
export interface CallPolicySpecs {
  /** One for all calls of a process to the same service with the same settings. @default none */
  readonly breaker?: BreakerSpec | false;
  /** Attempts under way at once to the same service from one process, shared as a breaker is. @default no limit */
  readonly bulkhead?: LimitSpec | false;
}

/** A second attempt, to another instance, where the first has no answer by then; the first good answer wins. */
export interface Hedge {
  readonly afterMs: number;
}

/** What only a call may state, since a `send` brings no answer; `false` switches a default off. */
export interface AnswerPolicySpecs {
  /** Not where the request's own deadline passed. @default none */
  readonly fallback?: FallbackSpec | false;
  /** Beside the first attempt only; a retry is not hedged. @default none */
  readonly hedge?: Hedge | false;
}

/** The same resolved: what is not stated is absent, so that a topology without it stays the value that it was. */
export interface CallPolicies {
  readonly breaker?: Breaker;
  readonly bulkhead?: Limit;
  readonly fallback?: Fallback;
  readonly hedge?: Hedge;
}

export function resolveLimit({ limit, queue = 0 }: LimitSpec): Limit {
  return { limit, queue };
}

export function resolveRetryBudget({ ratio = 0.2, minPerSecond = 1, windowMs = 10_000 }: RetryBudgetSpec): RetryBudget {
  return { ratio, minPerSecond, windowMs };
}

export function resolveCallPolicies({
  breaker,
  bulkhead,
  fallback,
  hedge,
}: CallPolicySpecs & AnswerPolicySpecs): CallPolicies {
  return {
    ...(breaker && { breaker: resolveBreaker(breaker) }),
    ...(bulkhead && { bulkhead: resolveLimit(bulkhead) }),
    ...(fallback && { fallback: 'body' in fallback ? { body: fallback.body } : { bytes: fallback.bytes ?? 0 } }),
    ...(hedge && { hedge: { afterMs: hedge.afterMs } }),
  };
}

function resolveBreaker(spec: BreakerSpec): Breaker {
  const { errorRate, windowMs = 10_000, minimumCalls = 20, openMs = 5_000, probes = 1 } = spec;
  return {
    consecutiveFailures: spec.consecutiveFailures ?? (errorRate === undefined ? 5 : null),
    errorRate: errorRate === undefined ? null : { share: errorRate, windowMs, minimumCalls },
    openMs,
    probes,
  };
}

/** As somebody could have written it. */
export function writtenBreaker({ consecutiveFailures, errorRate, openMs, probes }: Breaker): BreakerSpec {
  return {
    ...(consecutiveFailures !== null && { consecutiveFailures }),
    ...(errorRate && {
      errorRate: errorRate.share,
      windowMs: errorRate.windowMs,
      minimumCalls: errorRate.minimumCalls,
    }),
    openMs,
    probes,
  };
}
