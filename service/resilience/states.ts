import type { Breaker, RetryBudget as BudgetSettings, Hedge, Limit } from '../../lib/model/resilience';
import type { Outgoing } from '../../lib/model/topology';
import { type CircuitBreaker, circuitBreaker } from './circuit-breaker';
import { fallbackResponse } from './fallback';
import { type Limiter, limiter } from './limiter';
import { type RetryBudget, retryBudget } from './retry-budget';

/** What guards the calls of one step; calls to one service with the same settings share it. */
export interface CallGuards {
  readonly breaker: CircuitBreaker | undefined;
  readonly bulkhead: Limiter | undefined;
  readonly budget: RetryBudget | undefined;
  readonly hedge: Hedge | undefined;
  /** Stands among the responses when the call has failed. */
  readonly fallback: string | undefined;
}

/**
 * The states behind a program's policies. A program that takes the place of another takes over those whose settings stand
 * as they were; changed settings begin anew.
 */
export interface PolicyStates {
  readonly breakers: Pool<Breaker, CircuitBreaker>;
  readonly limiters: Pool<Limit, Limiter>;
  readonly bulkheads: Pool<Limit, Limiter>;
  readonly budgets: Pool<BudgetSettings, RetryBudget>;
}

interface Pool<S, T> {
  readonly known: ReadonlyMap<string, T>;
  of(name: string, settings: S): T;
}

export function policyStates(before?: PolicyStates): PolicyStates {
  return {
    breakers: pool(circuitBreaker, before?.breakers.known),
    limiters: pool(limiter, before?.limiters.known),
    bulkheads: pool(limiter, before?.bulkheads.known),
    budgets: pool(retryBudget, before?.budgets.known),
  };
}

function pool<S, T>(make: (settings: S) => T, before: ReadonlyMap<string, T> = new Map()): Pool<S, T> {
  const known = new Map<string, T>();
  return {
    known,
    of(name, settings) {
      const key = `${name} ${JSON.stringify(settings)}`;
      const state = known.get(key) ?? before.get(key) ?? make(settings);
      known.set(key, state);
      return state;
    },
  };
}

/** Undefined where the step states no policy: nobody then asks any. */
export function guardsOf(
  { service, breaker, bulkhead, fallback, hedge, retries: { budget } }: Outgoing,
  states: PolicyStates,
): CallGuards | undefined {
  if (!breaker && !bulkhead && !budget && !fallback && !hedge) return undefined;
  return {
    breaker: breaker && states.breakers.of(service, breaker),
    bulkhead: bulkhead && states.bulkheads.of(service, bulkhead),
    hedge,
    fallback: fallback && fallbackResponse(service, fallback),
    budget: budget && states.budgets.of(service, budget),
  };
}
