import { stepsWithin } from '../../../model/resolve';
import type { SlicedService } from '../../../model/slice';
import type { Endpoint, Outgoing } from '../../../model/topology';
import { type BreakerReplay, breakerReplay } from './breaker-replay';
import { type BudgetReplay, budgetReplay } from './budget-replay';
import { type BulkheadReplay, bulkheadReplay } from './bulkhead-replay';
import { type LimiterReplay, limiterReplay } from './limiter-replay';

/** What guards the attempts of one step. */
export interface Guards {
  readonly callee: string;
  readonly breaker: BreakerReplay | undefined;
  readonly bulkhead: BulkheadReplay | undefined;
  readonly budget: BudgetReplay | undefined;
}

/** What a request of an endpoint is subject to. */
export interface EndpointGuards {
  /** By the step's id; those without a policy are left out. */
  readonly steps: ReadonlyMap<string, Guards>;
  readonly limiter: LimiterReplay | undefined;
  /** Nothing of it goes on side by side: what one event tells has happened before the next. */
  readonly inTurn: boolean;
}

/** The policies of a slice in one process. */
export interface PolicyStates {
  readonly endpoints: ReadonlyMap<string, EndpointGuards>;
  readonly all: ReadonlyMap<string, Replay>;
}

type Replay = BreakerReplay | BulkheadReplay | BudgetReplay | LimiterReplay;

/**
 * A slice that takes the place of another takes over the states whose settings stand as they were, as a node does:
 * `service/resilience/states.ts`.
 *
 * @param lost whether the process did things that are not in the log
 */
export function policyStates(service: SlicedService, lost: boolean, before?: PolicyStates): PolicyStates {
  const all = new Map<string, Replay>();

  const of = <S, R extends Replay>(
    kind: string,
    name: string,
    settings: S | undefined,
    make: (settings: S, name: string) => R,
    title = name,
  ): R | undefined => {
    if (!settings) return undefined;
    const key = `${kind} ${name} ${JSON.stringify(settings)}`;
    let replay = all.get(key) ?? before?.all.get(key);
    if (!replay) {
      replay = make(settings, title);
      if (lost) replay.lost();
    }
    all.set(key, replay);
    return replay as R;
  };

  const guardsOf = ({ service: callee, breaker, bulkhead, retries }: Outgoing): Guards => ({
    callee,
    breaker: of('breaker', callee, breaker, breakerReplay),
    bulkhead: of('bulkhead', callee, bulkhead, bulkheadReplay),
    budget: of('budget', callee, retries.budget, budgetReplay),
  });

  const ofEndpoint = (endpoint: Endpoint): EndpointGuards => {
    const steps = new Map<string, Guards>();
    let inTurn = true;
    for (const step of stepsWithin(endpoint.steps)) {
      if (step.kind === 'parallel' || (step.kind === 'call' && step.hedge)) inTurn = false;
      if (step.kind !== 'call' && step.kind !== 'send') continue;
      if (step.breaker || step.bulkhead || step.retries.budget) steps.set(step.id, guardsOf(step));
    }
    const [name, settings] = endpoint.concurrency ? [endpoint.key, endpoint.concurrency] : ['', service.concurrency];
    const limiter = of('limiter', name, settings, limiterReplay, `${service.name} ${name}`.trim());
    return { steps, limiter, inTurn };
  };

  const endpoints = new Map<string, EndpointGuards>();
  for (const endpoint of Object.values(service.endpoints)) {
    const guards = ofEndpoint(endpoint);
    if (guards.steps.size > 0 || guards.limiter) endpoints.set(endpoint.key, guards);
  }
  return { endpoints, all };
}

/** Whether any policy with a state stands in the service. */
export function hasPolicies(service: SlicedService): boolean {
  return policyStates(service, false).all.size > 0;
}
