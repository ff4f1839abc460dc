import type { Decision } from '../../../model/event';
import type { Breaker } from '../../../model/resilience';
import { boundedCounts } from './bounded-counts';
import { failuresInARow } from './failures-in-a-row';
import { suspicions } from './suspicions';
import type { Moment, PolicyReport, TrackedAttempt } from './tracked-attempt';

export type BreakerChange = 'BREAKER_OPENED' | 'BREAKER_HALF_OPENED' | 'BREAKER_CLOSED';

/** What a breaker of one process must have done, and when, as the outcomes of the attempts through it say. */
export interface BreakerReplay {
  /** The attempt shows itself; `through` where it was certainly let through. */
  begun(attempt: TrackedAttempt, through: boolean): void;
  resumed(attempt: TrackedAttempt): void;
  ended(attempt: TrackedAttempt): void;
  settled(attempt: TrackedAttempt): void;
  /** @param before the process's last event before */
  changed(change: BreakerChange, attempt: TrackedAttempt, decision: Decision, now: Moment, before: Moment): void;
  rejected(attempt: TrackedAttempt, before: Moment): void;
  hedged(report: PolicyReport): void;
  /** Whatever was begun before this position has shown itself. */
  decide(before: number): void;
  lost(): void;
  readonly known: boolean;
}

type State = 'closed' | 'open' | 'half-open' | 'unknown';

const BECOMES = { BREAKER_OPENED: 'open', BREAKER_HALF_OPENED: 'half-open', BREAKER_CLOSED: 'closed' } as const;
const COMES_FROM: Readonly<Record<BreakerChange, readonly State[]>> = {
  BREAKER_OPENED: ['closed', 'half-open', 'unknown'],
  BREAKER_HALF_OPENED: ['open', 'unknown'],
  BREAKER_CLOSED: ['half-open', 'unknown'],
};

const [FAILED, ALL] = [0, 1] as const;
const START: Moment = { at: -1, us: 0 };

/**
 * Each change of state is logged in the turn that brings it about, so that between two of them the state is known
 * exactly; which attempts counted, and in which order, is known within bounds. Only what no order explains is reported.
 * See `service/resilience/circuit-breaker.ts`.
 */
export function breakerReplay(
  { consecutiveFailures, errorRate, openMs, probes }: Breaker,
  callee: string,
): BreakerReplay {
  let state: State = 'closed';
  let since = START;
  /** The change took place after this moment. */
  let sinceAfter = START;
  const row = failuresInARow();
  const window = errorRate ? boundedCounts(errorRate.windowMs) : undefined;
  /** Ended, and perhaps not yet counted in the window. */
  const uncounted = new Set<TrackedAttempt>();
  let countedAt = Number.NEGATIVE_INFINITY;
  /** Half-open: attempts that are probes, for certain and perhaps. */
  const sureProbes = new Set<TrackedAttempt>();
  const probing = new Set<TrackedAttempt>();
  let succeeded = 0;
  const rejections = suspicions();
  const openUs = openMs * 1_000;

  const become = (next: State, now: Moment, before: Moment): void => {
    state = next;
    since = now;
    sinceAfter = before;
    row.clear();
    window?.clear();
    uncounted.clear();
    countedAt = Number.NEGATIVE_INFINITY;
    sureProbes.clear();
    probing.clear();
    succeeded = 0;
  };

  /** Whether the attempt was let through in the present state. */
  const belongs = ({ after, first }: TrackedAttempt): 'surely' | 'perhaps' | 'no' => {
    if (first.at < since.at) return 'no';
    return after.at >= since.at || first.at === since.at ? 'surely' : 'perhaps';
  };

  const missed = (attempt: TrackedAttempt, change: BreakerChange, why: string): void => {
    const text = `the breaker of ${callee} stayed ${state}: ${why}`;
    attempt.report('missing-decision', change, 'none', text);
    become('unknown', since, sinceAfter);
  };

  const opensAt = (failures: number, calls: number, failed: number): boolean =>
    (consecutiveFailures !== null && failures >= consecutiveFailures) ||
    (errorRate !== null && calls >= errorRate.minimumCalls && failed >= errorRate.share * calls);

  /** Why the figures of an opening can't be; undefined where they can. */
  const unfounded = (attempt: TrackedAttempt, decision: Decision, now: Moment): string | undefined => {
    const { failures = 0, windowCalls = 0, windowFailures = 0 } = decision;
    if (attempt.outcome?.verdict !== 'failure' || belongs(attempt) === 'no') return 'no attempt that counts had failed';
    // Probes count for nothing but themselves.
    if (state === 'half-open') {
      return failures === 1 && windowCalls === 0 ? undefined : 'one failed probe is all that it takes';
    }
    if (!opensAt(failures, windowCalls, windowFailures)) return 'its own figures do not reach the threshold';
    if (consecutiveFailures !== null && failures > consecutiveFailures) return 'it was due before';
    if (failures > row.most) return `at most ${row.most} attempts had failed in a row`;
    if (failures < row.least) return `at least ${row.least} attempts had failed in a row`;
    if (!window) return undefined;
    const from = attempt.outcome.us;
    const pending = [...uncounted];
    const bounds = [
      [windowCalls, ALL, pending.length],
      [windowFailures, FAILED, pending.filter(({ outcome }) => outcome?.verdict === 'failure').length],
    ] as const;
    for (const [figure, what, open] of bounds) {
      const [least, most] = [window.least(what, now.us), window.most(what, from) + open];
      const name = what === ALL ? 'attempts' : 'failures';
      if (figure < least || figure > most) return `its window held ${least} to ${most} ${name}, and not ${figure}`;
    }
    return undefined;
  };

  /** Why a change can't have come; undefined where it can. */
  const undue = (
    change: BreakerChange,
    attempt: TrackedAttempt,
    decision: Decision,
    now: Moment,
  ): string | undefined => {
    if (!COMES_FROM[change].includes(state)) return `it was ${state}`;
    if (change === 'BREAKER_OPENED') return unfounded(attempt, decision, now);
    if (change === 'BREAKER_HALF_OPENED') {
      const mostUs = now.us + 1 - sinceAfter.us;
      return mostUs > openUs ? undefined : `${(mostUs / 1_000).toFixed(3)} ms had passed, and not ${openMs}`;
    }
    if (attempt.outcome?.verdict !== 'success' || belongs(attempt) === 'no') return 'no probe had succeeded';
    let successes = 0;
    for (const { outcome } of probing) if (outcome?.verdict === 'success') successes += 1;
    return successes >= probes ? undefined : `at most ${successes} of ${probes} probes had succeeded`;
  };

  const countInWindow = (attempt: TrackedAttempt, sure: boolean): void => {
    const { outcome, settled } = attempt;
    uncounted.delete(attempt);
    if (!window || !outcome || !settled || outcome.verdict === 'none') return;
    window.add(ALL, outcome.us, settled.us, sure);
    if (outcome.verdict === 'failure') window.add(FAILED, outcome.us, settled.us, sure);
    const last = uncounted.size === 0 && countedAt <= outcome.at;
    countedAt = Math.max(countedAt, settled.at);
    if (!errorRate || !sure || !last || outcome.verdict !== 'failure') return;
    const [from, to] = [outcome.us, settled.us];
    const calls = window.least(ALL, to);
    const failed = window.least(FAILED, to);
    if (calls < errorRate.minimumCalls || failed < errorRate.share * window.most(ALL, from)) return;
    missed(attempt, 'BREAKER_OPENED', `at least ${failed} of ${calls} attempts in its window had failed`);
  };

  return {
    get known() {
      return state !== 'unknown';
    },
    begun(attempt, through) {
      rejections.begun(attempt.after);
      const own = belongs(attempt);
      if (own === 'no') return;
      if (state === 'open' && own === 'surely' && through) {
        const text = `the breaker of ${callee} was open and let an attempt through`;
        attempt.report('over-limit', 'BREAKER_OPEN', 'an attempt', text);
      }
      if (state !== 'half-open') return;
      probing.add(attempt);
      if (own === 'perhaps' || !through) return;
      sureProbes.add(attempt);
      if (sureProbes.size <= probes) return;
      const text = `the breaker of ${callee} was half-open and let ${sureProbes.size} attempts through`;
      attempt.report('over-limit', `at most ${probes}`, `${sureProbes.size} attempts`, text);
    },
    resumed(attempt) {
      row.resumed(attempt);
      uncounted.delete(attempt);
      if (state === 'half-open' && belongs(attempt) === 'surely') sureProbes.add(attempt);
    },
    ended(attempt) {
      if (belongs(attempt) === 'no') return;
      if (state === 'half-open' && attempt.outcome?.verdict !== 'success') sureProbes.delete(attempt);
      if (state !== 'closed' || attempt.outcome?.verdict === 'none') return;
      row.ended(attempt);
      uncounted.add(attempt);
    },
    settled(attempt) {
      const own = belongs(attempt);
      if (own === 'no') return;
      const verdict = attempt.outcome?.verdict;
      if (state === 'half-open') {
        if (verdict === 'none') probing.delete(attempt);
        if (own === 'perhaps') return;
        if (verdict === 'failure') missed(attempt, 'BREAKER_OPENED', 'a probe had failed');
        else if (verdict === 'success' && ++succeeded >= probes) {
          missed(attempt, 'BREAKER_CLOSED', `${succeeded} probes had succeeded`);
        }
        return;
      }
      if (state !== 'closed' || verdict === 'none') return;
      row.settled(attempt, own === 'surely');
      if (consecutiveFailures !== null && row.least >= consecutiveFailures) {
        missed(attempt, 'BREAKER_OPENED', `${row.least} attempts had failed in a row`);
      } else countInWindow(attempt, own === 'surely');
    },
    changed(change, attempt, decision, now, before) {
      const why = state === 'unknown' ? undefined : undue(change, attempt, decision, now);
      if (why !== undefined) {
        const text = `the breaker of ${callee} became ${BECOMES[change]}, although ${why}`;
        attempt.report('undue-decision', `a breaker that stays ${state}`, change, text);
      }
      become(BECOMES[change], now, before);
    },
    rejected(attempt, before) {
      const undueRejection = (why: string): void => {
        const text = `the breaker of ${callee} rejected an attempt, although ${why}`;
        attempt.report('undue-decision', 'an attempt', 'BREAKER_OPEN', text);
      };
      if (state === 'closed') undueRejection('it was closed');
      else if (state === 'open' && before.us - (since.us + 1) >= openUs) {
        undueRejection(`it had been open for ${((before.us - since.us) / 1_000).toFixed(3)} ms of ${openMs}`);
      } else if (state === 'half-open') {
        const at = attempt.first;
        rejections.add(at, probes - probing.size, () => undueRejection('it was half-open with room for a probe'));
      }
    },
    hedged(report) {
      if (state === 'closed' || state === 'unknown') return;
      const text = `a hedge was sent to ${callee}, whose breaker was ${state}`;
      report('undue-decision', 'no hedge', 'HEDGE_SENT', text);
    },
    decide: rejections.decide,
    lost() {
      become('unknown', since, sinceAfter);
      rejections.clear();
    },
  };
}
