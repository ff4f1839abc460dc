import type { Decision } from '../../../model/event';
import type { RetryBudget } from '../../../model/resilience';
import { boundedCounts } from './bounded-counts';
import { suspicions } from './suspicions';
import type { Moment, PolicyReport } from './tracked-attempt';

/** A call that asked for another attempt, until the log shows what it was told. */
export interface Asked {
  readonly at: Moment;
  /** Retries in the window before, at the least. */
  readonly leastRetries: (now: Moment) => number;
}

/** What a retry budget of one process held. */
export interface BudgetReplay {
  /** A call began between two moments. */
  called(after: Moment, first: Moment): void;
  /** An attempt failed: perhaps another one is asked for. */
  asked(now: Moment): Asked;
  /** Nothing was asked for after all. */
  unasked(asked: Asked): void;
  /** Another attempt shows itself. */
  granted(asked: Asked | undefined, after: Moment, first: Moment, report: PolicyReport): void;
  /** @param before the process's last event before */
  hedged(now: Moment, before: Moment, report: PolicyReport): void;
  denied(asked: Asked | undefined, decision: Decision, now: Moment, before: Moment, report: PolicyReport): void;
  decide(before: number): void;
  lost(): void;
  readonly known: boolean;
}

const [CALLS, RETRIES] = [0, 1] as const;

/**
 * A denial tells its figures, and each call and retry shows itself by an event, if perhaps a later one: a figure that the
 * log can't reach, and a retry that no count of calls allowed, are reported. See `service/resilience/retry-budget.ts`.
 */
export function budgetReplay({ ratio, minPerSecond, windowMs }: RetryBudget, callee: string): BudgetReplay {
  const window = boundedCounts(windowMs);
  const free = (minPerSecond * windowMs) / 1_000;
  const open = new Set<Asked>();
  const doubts = suspicions();
  /** Everything in the window is known from then on: undefined at once, null after a loss whose time is not known yet. */
  let knownFromUs: number | null = Number.NEGATIVE_INFINITY;
  let knownNow = true;

  const knows = (us: number): boolean => {
    knownFromUs ??= us + 1.2 * windowMs * 1_000;
    knownNow = us >= knownFromUs;
    return knownNow;
  };

  const isExhausted = (calls: number, retries: number): boolean => retries + 1 > ratio * calls + free;

  /** Calls that would have allowed one more retry. */
  const callsFor = (retries: number): number => {
    if (ratio === 0) return Number.POSITIVE_INFINITY;
    let calls = Math.max(0, Math.floor((retries + 1 - free) / ratio) - 1);
    while (isExhausted(calls, retries)) calls += 1;
    return calls;
  };

  const withdraw = (retries: number, from: Moment, to: Moment, report: PolicyReport): void => {
    const calls = window.most(CALLS, from.us);
    if (knows(from.us) && isExhausted(calls, retries)) {
      const text = `the retry budget of ${callee} left nothing with ${retries} retries among ${calls} calls, and another attempt was made`;
      doubts.add(to, callsFor(retries) - calls, () =>
        report('over-limit', 'RETRY_BUDGET_EXHAUSTED', 'another attempt', text),
      );
    }
    window.add(RETRIES, from.us, to.us, true);
  };

  return {
    get known() {
      return knownNow;
    },
    called(after, first) {
      doubts.begun(after);
      window.add(CALLS, after.us, first.us, true);
    },
    asked(at) {
      const before = window.snapshot(RETRIES);
      const asked: Asked = { at, leastRetries: ({ us }) => before.least(us) };
      open.add(asked);
      return asked;
    },
    unasked: (asked) => void open.delete(asked),
    granted(asked, after, first, report) {
      if (asked) open.delete(asked);
      withdraw(asked?.leastRetries(first) ?? 0, asked?.at ?? after, first, report);
    },
    hedged(now, before, report) {
      withdraw(window.least(RETRIES, now.us), before, now, report);
    },
    denied(asked, { calls = 0, retries = 0 }, now, before, report) {
      if (asked) open.delete(asked);
      const undue = (expected: string, why: string): void => {
        const text = `the retry budget of ${callee} denied an attempt with ${retries} retries among ${calls} calls, although ${why}`;
        report('undue-decision', expected, `${retries} retries among ${calls} calls`, text);
      };
      if (!isExhausted(calls, retries)) {
        undue('an attempt', `that leaves one more`);
        return;
      }
      const leastCalls = window.least(CALLS, now.us);
      const leastRetries = window.least(RETRIES, now.us);
      if (calls < leastCalls) undue(`at least ${leastCalls} calls`, `at least ${leastCalls} calls were made`);
      else if (retries < leastRetries) undue(`at least ${leastRetries} retries`, `there were at least ${leastRetries}`);
      if (!knows(before.us)) return;
      const mostRetries = window.most(RETRIES, before.us) + open.size;
      const mostCalls = window.most(CALLS, before.us);
      if (retries > mostRetries) undue(`at most ${mostRetries} retries`, `there were at most ${mostRetries}`);
      const why = `there were at most ${mostCalls} calls`;
      doubts.add(now, calls - mostCalls, () => undue(`at most ${mostCalls} calls`, why));
    },
    decide: doubts.decide,
    lost() {
      window.clear();
      open.clear();
      doubts.clear();
      knownFromUs = null;
      knownNow = false;
    },
  };
}
