import type { Event } from '../../../model/event';
import type { Asked } from './budget-replay';
import type { Guards } from './policy-states';
import { type Moment, type PolicyReport, type TrackedAttempt, verdictOf } from './tracked-attempt';

/** One repetition of a guarded step, with the attempts that its policies know of. */
export interface TrackedCall {
  /** @param before the process's last event before; `spanBefore` the request's own one */
  take(event: Event, now: Moment, before: Moment, spanBefore: Moment): void;
  /** What has ended has also been taken in by now. */
  settle(now: Moment): void;
  /** Another turn of the event loop has come: what has ended for good has been taken in. */
  turned(now: Moment): void;
  /** The request has ended. */
  end(now: Moment): void;
}

/** A hedge stands beside the first attempt, and has the next number. */
const HEDGE = 2;

/**
 * @param since the request's receipt
 * @param inTurn whether whatever the request logs next comes after what the event before it tells of
 */
export function trackedCall(guards: Guards, since: Moment, inTurn: boolean, report: PolicyReport): TrackedCall {
  const { breaker, bulkhead, budget } = guards;
  const attempts = new Map<number, TrackedAttempt>();
  let hedgeSent: Moment | undefined;
  let lastEnded: Moment | undefined;
  let asked: Asked | undefined;

  const begunAfter = (number: number, spanBefore: Moment): Moment => {
    if (inTurn) return spanBefore;
    if (number === HEDGE && hedgeSent) return hedgeSent;
    return number > 1 && lastEnded ? lastEnded : since;
  };

  const begin = (event: Event, number: number, now: Moment, before: Moment, spanBefore: Moment): TrackedAttempt => {
    const after = begunAfter(number, spanBefore);
    const attempt: TrackedAttempt = { number, after, first: now, outcome: undefined, settled: undefined, report };
    attempts.set(number, attempt);
    if (number === 1) budget?.called(after, now);
    else if (!(number === HEDGE && hedgeSent)) {
      budget?.granted(asked, after, now, report);
      asked = undefined;
    }
    const kind = event.error?.kind;
    if (kind === 'BULKHEAD_FULL') bulkhead?.rejected(attempt);
    else {
      const neverBegan = kind === 'DEADLINE' && event.durationMs === undefined;
      bulkhead?.begun(attempt, kind !== 'BREAKER_OPEN' && !neverBegan);
      if (kind === 'BREAKER_OPEN') breaker?.rejected(attempt, before);
      // A change of state is taken in first: the attempt is the first one of the new state.
      else if (event.event !== 'BREAKER_HALF_OPENED') breaker?.begun(attempt, !neverBegan);
    }
    return attempt;
  };

  const end = (attempt: TrackedAttempt, event: Event, now: Moment): void => {
    const kind = event.error?.kind;
    const answered = event.event === 'RESPONSE_RECEIVED' && (event.status ?? 0) < 400;
    const rejected = kind === 'BREAKER_OPEN' || kind === 'BULKHEAD_FULL';
    attempt.outcome = { ...now, verdict: rejected ? 'none' : verdictOf(event), mayGoOn: kind === 'CONNECT' };
    lastEnded = now;
    bulkhead?.ended(attempt);
    if (!rejected) breaker?.ended(attempt);
    if (!answered && !rejected && budget) {
      if (asked) budget.unasked(asked);
      asked = budget.asked(now);
    }
  };

  const resume = (attempt: TrackedAttempt): void => {
    breaker?.resumed(attempt);
    bulkhead?.resumed(attempt);
    attempt.outcome = undefined;
  };

  const settleOne = (attempt: TrackedAttempt, now: Moment): void => {
    if (!attempt.outcome || attempt.settled) return;
    attempt.settled = now;
    bulkhead?.settled(attempt);
    breaker?.settled(attempt);
  };

  const settleAll = (now: Moment, below = Number.POSITIVE_INFINITY): void => {
    for (const attempt of attempts.values()) if (attempt.number < below) settleOne(attempt, now);
  };

  return {
    take(event, now, before, spanBefore) {
      const { attempt: number = 1, decision = {} } = event;
      const known = attempts.get(number);
      switch (event.event) {
        case 'HEDGE_SENT':
          hedgeSent = now;
          breaker?.hedged(report);
          bulkhead?.hedged(report);
          budget?.hedged(now, before, report);
          return;
        case 'RETRY_BUDGET_EXHAUSTED':
          settleAll(now);
          budget?.denied(asked, decision, now, before, report);
          asked = undefined;
          return;
        case 'FALLBACK_USED':
          settleAll(now);
          return;
        case 'BREAKER_OPENED':
        case 'BREAKER_CLOSED':
          if (!known) return;
          breaker?.changed(event.event, known, decision, now, before);
          settleOne(known, now);
          return;
        case 'BREAKER_HALF_OPENED': {
          const attempt = known ?? begin(event, number, now, before, spanBefore);
          breaker?.changed(event.event, attempt, decision, now, before);
          breaker?.begun(attempt, true);
          return;
        }
        default: {
          if (!(number === HEDGE && hedgeSent)) settleAll(now, number);
          const attempt = known ?? begin(event, number, now, before, spanBefore);
          if (event.event === 'REQUEST_SENT') {
            if (attempt.outcome && !attempt.settled) resume(attempt);
          } else if (event.event !== 'FAULT_INJECTED' && !attempt.outcome) end(attempt, event, now);
        }
      }
    },
    settle: (now) => settleAll(now),
    turned(now) {
      for (const attempt of attempts.values()) if (!attempt.outcome?.mayGoOn) settleOne(attempt, now);
    },
    end(now) {
      settleAll(now);
      if (asked) budget?.unasked(asked);
      asked = undefined;
      for (const attempt of attempts.values()) {
        if (attempt.outcome) continue;
        // Thrown out of, which no event tells of.
        breaker?.lost();
        bulkhead?.ended(attempt);
        bulkhead?.settled(attempt);
      }
    },
  };
}
