import { type AttemptScene, type AttemptWould, attemptWould, isAttemptTouched, NOT_KNOWN } from './attempt-would';
import type { CallScene } from './call-scene';
import { endOf, HEDGE, type LoggedAttempt } from './logged-attempts';
import type { Moment } from './moment';
import { weaker } from './would-be';

/** A first attempt, and what the call came to with the hedge beside it, if one would have been sent. */
export interface HedgedWould {
  readonly would: AttemptWould;
  readonly hedged: boolean;
}

/** So close to each other, which of two was first is the timer's chance. */
const SLACK_MS = 2;

/**
 * A first attempt that would have taken longer than `afterMs` has a second one beside it: the first good answer wins, and
 * where both fail the first attempt's failure counts.
 *
 * @param at when the first attempt begins
 * @param first what it would have come to by itself
 */
export function hedgedWould(scene: CallScene, afterMs: number, at: Moment, first: AttemptWould): HedgedWould {
  const [one, two] = [scene.logged(1), scene.logged(HEDGE)];
  const { wasHedged } = scene;
  const delayMs = wasHedged && one && two ? two.fromMs - one.fromMs : afterMs;
  const then = { ...at, was: wasHedged && two ? two.fromMs : at.was, would: at.would + delayMs };
  const alone = scene.sceneOf(1, at);
  const beside = scene.sceneOf(HEDGE, then);
  if (alone.leftMs < 1) return { would: first, hedged: false };
  if (one && !isAttemptTouched(one, alone) && !(wasHedged && two && isAttemptTouched(two, beside))) {
    return { would: wasHedged && two ? asLogged(one, two) : first, hedged: wasHedged };
  }
  if (Number.isNaN(first.ms)) return { would: first, hedged: wasHedged };
  if (!first.ok && first.basis !== 'measured' && Math.abs(first.ms - delayMs) < SLACK_MS) {
    return { would: NOT_KNOWN, hedged: wasHedged };
  }
  if (first.ms <= delayMs || !wouldBeSent(scene, afterMs, one, beside)) return { would: first, hedged: false };
  return { would: winner(first, attemptWould(two, beside), delayMs), hedged: true };
}

/** Where none was sent although the first attempt took longer, there was no room, no instance, or no budget for one. */
function wouldBeSent(
  { wasHedged }: CallScene,
  afterMs: number,
  one: LoggedAttempt | undefined,
  { leftMs }: AttemptScene,
): boolean {
  return leftMs >= 1 && (wasHedged || !one || one.toMs - one.fromMs < afterMs + SLACK_MS);
}

function winner(first: AttemptWould, second: AttemptWould, delayMs: number): AttemptWould {
  const secondMs = delayMs + second.ms;
  const basis = weaker('drawn', weaker(first.basis, second.basis));
  if (Number.isNaN(secondMs)) return NOT_KNOWN;
  if (first.ok && (!second.ok || first.ms <= secondMs)) return { ...first, basis: weaker('drawn', first.basis) };
  if (second.ok) return { ...second, ms: secondMs, basis: weaker('drawn', second.basis) };
  return { ...first, ms: Math.max(first.ms, secondMs), basis };
}

function asLogged(one: LoggedAttempt, two: LoggedAttempt): AttemptWould {
  const [first, second] = [endOf(one), endOf(two)];
  const end = first.ok || !second.ok ? first : second;
  return { ...end, ms: Math.max(one.toMs, two.toMs) - one.fromMs, basis: 'measured' };
}
