import { type Limit, writtenBreaker } from './resilience';
import { stepsWithin } from './resolve';
import type { Outgoing, Service } from './topology';

/** A policy that protects a service or its callees; calls to one service with the same settings are told once. */
export interface PolicyDescription {
  readonly policy: 'concurrency' | 'breaker' | 'bulkhead' | 'budget' | 'hedge' | 'fallback';
  /** Of `concurrency`: the endpoint with a limit of its own; null for all others. */
  readonly endpoint: string | null;
  /** Whom the calls go to; null of `concurrency`. */
  readonly callee: string | null;
  /** As a topology states them. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export function describePolicies({ concurrency, endpoints }: Service): readonly PolicyDescription[] {
  const limits = [
    ...limitOf(concurrency, null),
    ...Object.values(endpoints).flatMap(({ key, concurrency: own }) => limitOf(own, key)),
  ];
  const told = new Map<string, PolicyDescription>();
  for (const { steps } of Object.values(endpoints)) {
    for (const step of stepsWithin(steps)) {
      if (step.kind !== 'call' && step.kind !== 'send') continue;
      for (const policy of policiesOf(step)) told.set(JSON.stringify(policy), policy);
    }
  }
  return [...limits, ...told.values()];
}

function limitOf(limit: Limit | undefined, endpoint: string | null): readonly PolicyDescription[] {
  return limit ? [{ policy: 'concurrency', endpoint, callee: null, settings: { ...limit } }] : [];
}

function policiesOf({ service, breaker, bulkhead, retries, hedge, fallback }: Outgoing): readonly PolicyDescription[] {
  const all = { breaker: breaker && writtenBreaker(breaker), bulkhead, budget: retries.budget, hedge, fallback };
  return Object.entries(all).flatMap(([policy, settings]) =>
    settings === undefined
      ? []
      : [{ policy: policy as keyof typeof all, endpoint: null, callee: service, settings: { ...settings } }],
  );
}
