import type { Decision, EventKind } from '../../lib/model/event';
import { decisionField } from '../../lib/model/event-line';
import type { Attempt, FailedAttempt } from '../call/attempt';
import type { BreakerState, CircuitBreaker, Verdict } from './circuit-breaker';
import type { CallGuards } from './states';

/** An attempt about to be made, for its guards. */
export interface GuardedAttempt {
  readonly service: string;
  /** What its request has left. */
  leftMs(): number;
  make(): Promise<Attempt>;
  /** Ends it before it has begun. */
  reject(kind: FailedAttempt['kind'], message: string): FailedAttempt;
  /** Logs an event with the attempt's fields. */
  log(event: EventKind, fields: string): void;
}

/** Makes an attempt if its guards let it, and tells them what came of it. */
export async function guardedAttempt({ breaker, bulkhead }: CallGuards, attempt: GuardedAttempt): Promise<Attempt> {
  if (!bulkhead) return beyondBulkhead(breaker, attempt);
  const entered = bulkhead.enter(attempt.leftMs());
  if (entered !== true && (entered === false || !(await entered))) {
    if (entered !== false) return attempt.reject('DEADLINE', 'the deadline passed before its turn');
    const { limit, queue } = bulkhead.settings;
    return attempt.reject('BULKHEAD_FULL', `${limit} attempts to ${attempt.service} are under way and ${queue} wait`);
  }
  try {
    // After the wait: what waited meets the breaker as it then is.
    return await beyondBulkhead(breaker, attempt);
  } finally {
    bulkhead.leave();
  }
}

function beyondBulkhead(breaker: CircuitBreaker | undefined, attempt: GuardedAttempt): Promise<Attempt> {
  return breaker ? throughBreaker(breaker, attempt) : attempt.make();
}

async function throughBreaker(breaker: CircuitBreaker, attempt: GuardedAttempt): Promise<Attempt> {
  const found = breaker.state;
  const permit = breaker.admit(performance.now());
  logChange(found, breaker, attempt);
  if (permit === 0) return attempt.reject('BREAKER_OPEN', `the breaker of ${attempt.service} is ${breaker.state}`);
  let verdict: Verdict = 'failure';
  try {
    const result = await attempt.make();
    verdict = verdictOf(result);
    return result;
  } finally {
    const left = breaker.state;
    breaker.settle(permit, verdict, performance.now());
    logChange(left, breaker, attempt);
  }
}

/** Whether a hedge may be sent: it never waits for a turn, nor probes a callee that failed. */
export function mayHedge({ breaker, bulkhead }: CallGuards): boolean {
  return (!breaker || breaker.state === 'closed') && (!bulkhead || bulkhead.hasRoom());
}

/** A callee that refuses (4xx) is well; that an attempt was called off, or that no time was left before anything was sent says nothing of it. */
function verdictOf(result: Attempt): Verdict {
  if (result.ok) return 'success';
  if (result.kind === 'CANCELLED' || (result.kind === 'DEADLINE' && result.unsent)) return 'none';
  return result.status !== undefined && result.status < 500 ? 'success' : 'failure';
}

const CHANGES = { open: 'BREAKER_OPENED', 'half-open': 'BREAKER_HALF_OPENED', closed: 'BREAKER_CLOSED' } as const;

function logChange(before: BreakerState, { state, cause }: CircuitBreaker, { service, log }: GuardedAttempt): void {
  if (state === before) return;
  const decision: Decision = state === 'open' ? { callee: service, ...cause } : { callee: service };
  log(CHANGES[state], decisionField(decision));
}
