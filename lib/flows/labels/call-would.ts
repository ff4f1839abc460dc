import { backoffMs, isTolerated, mayRetry } from '../../model/decisions';
import { type AttemptWould, attemptWould } from './attempt-would';
import type { CallScene } from './call-scene';
import { hedgedWould } from './hedged-would';
import type { Basis } from './label';
import { type AttemptEnd, endOf, HEDGE } from './logged-attempts';
import { FAILED, type Moment, OUT_OF_TIME } from './moment';
import { weaker } from './would-be';

/** What a call would have come to. */
export interface CallWould {
  /** After it, in both times. */
  readonly at: Moment;
  readonly basis: Basis;
  /** Numbers of the attempts that would have been made. */
  readonly made: readonly number[];
  /** Of those, the ones that would have failed by their callee. */
  readonly failing: readonly number[];
}

/** Walks the attempts of a call, until one would have succeeded or no further one would have been made. */
export function callWould(scene: CallScene, from: Moment): CallWould {
  const { step, repetition, draws, wasHedged } = scene;
  const made: number[] = [];
  const failing: number[] = [];
  let at = from;
  let basis: Basis = 'measured';
  let hedges = 0;
  for (let attempt = 1; ; attempt++) {
    const logged = scene.logged(attempt);
    // With a hedge more or less than there was, what is logged under a number is another try.
    const isSameTry = attempt === 1 || hedges === Number(wasHedged);
    if (logged && isSameTry) at = seek(at, logged.fromMs);
    else if (attempt > 1) at = { ...at, would: at.would + backoffMs(step, draws, repetition, attempt - 1 - hedges) };
    const alone = scene.sceneOf(attempt, at);
    let would: AttemptWould = attemptWould(logged, alone);
    const tried = made.length;
    made.push(attempt);
    if (attempt === 1 && step.hedge) {
      const pair = hedgedWould(scene, step.hedge.afterMs, at, would);
      would = pair.would;
      if (pair.hedged) {
        hedges = 1;
        made.push(++attempt);
      }
    }
    const beside = attempt > 1 && wasHedged ? scene.logged(HEDGE) : undefined;
    basis = weaker(basis, would.basis);
    at = { ...at, was: Math.max(at.was, logged?.toMs ?? 0, beside?.toMs ?? 0), would: at.would + would.ms };
    if (would.ok) break;
    if (would.status === undefined || would.status >= 500) failing.push(...made.slice(tried));
    const repeated = scene.logged(attempt)?.notRepeated;
    if (repeated && isSameTry && alone.isRemoved(repeated)) basis = 'unknown';
    // A retry that its budget did not allow stays undone.
    const wasLast = logged && isSameTry && would.basis === 'measured' && !scene.logged(attempt + 1);
    if (would.deadline || would.spared || wasLast || !mayRetry(step, attempt - hedges, would.status)) {
      if (would.deadline || !isTolerated(step)) at = { ...at, end: would.deadline ? OUT_OF_TIME : FAILED };
      break;
    }
  }
  return { at: asLogged(scene, at, from.live), basis, made, failing };
}

/** Where the call ended in what was: after its last attempt, those included that would not have been made. */
function asLogged(scene: CallScene, at: Moment, wasLive: boolean): Moment {
  const { step, wasHedged } = scene;
  let toMs = Number.NEGATIVE_INFINITY;
  let end: AttemptEnd | undefined;
  for (let attempt = 1; attempt <= step.retries.max + (step.hedge ? 2 : 1); attempt++) {
    const logged = scene.logged(attempt);
    if (!logged) continue;
    toMs = Math.max(toMs, logged.toMs);
    const own = endOf(logged);
    // Beside a hedge the first good answer counts, and of two failures the first attempt's.
    if (!(wasHedged && attempt === HEDGE && end) || own.ok) end = own;
  }
  const live = wasLive && end !== undefined && (end.ok || (isTolerated(step) && !end.deadline));
  return { ...at, was: end ? toMs : at.was, live };
}

function seek(at: Moment, eventMs: number): Moment {
  return { ...at, was: eventMs, would: at.would + eventMs - at.was };
}
