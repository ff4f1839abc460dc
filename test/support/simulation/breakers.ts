import type { EventKind } from '../../../lib/model/event';
import type { CallStep, SendStep } from '../../../lib/model/topology';
import { type BreakerState, type CircuitBreaker, circuitBreaker } from '../../../service/resilience/circuit-breaker';
import type { Process } from '../simulated-log';
import type { AttemptOutcome, Span, World } from './world';

/** The breaker of a step's calls in a process; undefined where it has none. */
export type Breakers = (process: Process, step: CallStep | SendStep) => CircuitBreaker | undefined;

/** The node's own breakers, shared as its calls share them. */
export function breakers(): Breakers {
  const known = new Map<string, CircuitBreaker>();
  return (process, { service, breaker }) => {
    if (!breaker) return undefined;
    const key = `${process.id} ${service} ${JSON.stringify(breaker)}`;
    const state = known.get(key) ?? circuitBreaker(breaker);
    known.set(key, state);
    return state;
  };
}

const CHANGES = { open: 'BREAKER_OPENED', 'half-open': 'BREAKER_HALF_OPENED', closed: 'BREAKER_CLOSED' } as const;

/** Does something with a breaker, and logs what became of its state. */
export function changing<T>(
  breaker: CircuitBreaker,
  act: () => T,
  log: (event: EventKind, decision: object) => void,
  service: string,
): T {
  const before: BreakerState = breaker.state;
  const result = act();
  const { state, cause } = breaker;
  if (state !== before) log(CHANGES[state], state === 'open' ? { callee: service, ...cause } : { callee: service });
  return result;
}

export function verdictOf({ status, kind }: AttemptOutcome): 'success' | 'failure' | 'none' {
  if (kind === 'CANCELLED') return 'none';
  return status !== undefined && status < 500 ? 'success' : 'failure';
}

/** Whether a hedge may be sent. */
export function isClosed(step: CallStep | SendStep, { process }: Span, { breakers }: World): boolean {
  return (breakers?.(process, step)?.state ?? 'closed') === 'closed';
}
