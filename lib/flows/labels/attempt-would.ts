import type { Call, Span } from '../flow';
import type { Injection } from './injections';
import type { Basis } from './label';
import { type AttemptEnd, endOf, type LoggedAttempt } from './logged-attempts';
import { type Would, weaker } from './would-be';

export interface AttemptWould extends AttemptEnd {
  readonly ms: number;
  readonly basis: Basis;
}

/** What an attempt is worked out with. */
export interface AttemptScene {
  /** Milliseconds of the caller's deadline that would be left. */
  readonly leftMs: number;
  readonly timeoutMs: number | null;
  /** What a request takes on its way, where nobody measured it. */
  readonly hopMs: number;
  /** It would begin earlier or later than it did, so that the deadline would cut it elsewhere. */
  readonly moved: boolean;
  isRemoved(injection: Injection): boolean;
  /** Whether a span, or one below it, would have been another. */
  isTouched(span: Span): boolean;
  isCut(span: Span): boolean;
  /** Injections of a span that are taken away. */
  removedOf(span: Span): readonly Injection[];
  span(span: Span, leftMs: number): Would;
  /** The request that this attempt would have sent, from its draws alone. */
  drawn(leftMs: number): Would;
}

export const NOT_KNOWN: AttemptWould = { ms: Number.NaN, ok: false, deadline: false, basis: 'unknown' };

/** Whether anything that is taken away bears on an attempt. */
export function isAttemptTouched({ calls, strikes }: LoggedAttempt, scene: AttemptScene): boolean {
  const final = calls[calls.length - 1];
  const child = final?.child ?? null;
  return (
    strikes.some(scene.isRemoved) ||
    (child !== null && (scene.isTouched(child) || (scene.moved && scene.isCut(child)))) ||
    (scene.moved && final?.error?.kind === 'DEADLINE')
  );
}

/**
 * What would have become of an attempt by itself. Where it would have ended as it did, it keeps the time that it took; one
 * that was called off goes on to its own end.
 */
export function attemptWould(logged: LoggedAttempt | undefined, scene: AttemptScene): AttemptWould {
  const { leftMs, isRemoved } = scene;
  if (leftMs < 1) return { ms: 0, ok: false, deadline: true, basis: 'measured' };
  if (!logged) return answeredIn(scene.hopMs, scene.drawn(leftMs), 'modelled', scene);
  const removed = logged.strikes.filter(isRemoved);
  if (removed.some(({ policy }) => policy?.because === 'unknown')) return NOT_KNOWN;
  const kept = logged.strikes.filter((strike) => !isRemoved(strike));
  const final = logged.calls[logged.calls.length - 1];
  const child = final?.child ?? null;
  const tookMs = logged.toMs - logged.fromMs;
  const savedMs = sum(removed);
  if (final?.error?.kind === 'CANCELLED') return goneOn(logged, final, kept, savedMs, scene);
  if (!isAttemptTouched(logged, scene)) return { ms: tookMs, ...endOf(logged), basis: 'measured' };
  if (kept.some(({ decides }) => decides)) return { ms: tookMs - savedMs, ...endOf(logged), basis: 'drawn' };
  const held = removed.some(({ decides }) => decides) || (savedMs > 0 && !logged.calls.some(({ sent }) => sent));
  if (held || !final) {
    const keptMs = sum(kept);
    const would = child ? scene.span(child, leftMs - keptMs) : scene.drawn(leftMs - keptMs);
    return answeredIn(keptMs + scene.hopMs, would, 'modelled', scene);
  }
  return child ? sentTo(child, final, logged, savedMs, scene) : unheard(logged, savedMs, scene);
}

/** One that was called off: its callee worked on to the end, where it had the request. */
function goneOn(
  { fromMs, toMs }: LoggedAttempt,
  { child, durationMs, offsetMs, sent }: Call,
  kept: readonly Injection[],
  savedMs: number,
  scene: AttemptScene,
): AttemptWould {
  const keptMs = sum(kept);
  const { leftMs, timeoutMs } = scene;
  const limitMs = Math.min(timeoutMs ?? Number.POSITIVE_INFINITY, leftMs);
  if (kept.some(({ decides }) => decides)) {
    return { ms: limitMs, ok: false, deadline: limitMs === leftMs, basis: 'drawn' };
  }
  if (!sent || !child) return answeredIn(keptMs + scene.hopMs, scene.drawn(leftMs - keptMs), 'modelled', scene);
  const beforeMs = Math.max(0, toMs - fromMs - savedMs - (durationMs ?? 0));
  const would = scene.span(child, leftMs - beforeMs);
  return answeredIn(beforeMs + 2 * Math.max(0, child.offsetMs - offsetMs), would, 'modelled', scene);
}

/** Nobody is known to have received it. */
function unheard(logged: LoggedAttempt, savedMs: number, { moved, leftMs }: AttemptScene): AttemptWould {
  const end = endOf(logged);
  const tookMs = logged.toMs - logged.fromMs;
  // A time-out counts from the attempt's start, whatever held it up.
  const kind = logged.calls[logged.calls.length - 1]?.error?.kind;
  if (kind === 'TIMEOUT') return { ms: tookMs, ...end, basis: 'measured' };
  if (kind === 'DEADLINE') return { ms: moved ? leftMs : tookMs, ...end, basis: 'drawn' };
  return { ms: tookMs - savedMs, ...end, basis: 'drawn' };
}

function sentTo(child: Span, final: Call, logged: LoggedAttempt, savedMs: number, scene: AttemptScene): AttemptWould {
  const tookMs = logged.toMs - logged.fromMs;
  const beforeMs = Math.max(0, tookMs - savedMs - (final.durationMs ?? 0));
  const would = scene.span(child, scene.leftMs - beforeMs);
  const own = scene.removedOf(child);
  const shorterMs = (child.durationMs ?? would.ms) - would.ms + pacedMs(own, final, child);
  const end = endOf(logged);
  if (final.error === null) return answeredIn(tookMs - savedMs - shorterMs - would.ms, would, 'drawn', scene);
  const { kind } = final.error;
  if (would.status === null) return { ms: tookMs - savedMs, ...end, basis: weaker('drawn', would.basis) };
  // Nothing came back to measure: the way there counts twice.
  const wayMs = beforeMs + 2 * Math.max(0, child.offsetMs - final.offsetMs);
  if (kind === 'TIMEOUT' || kind === 'DEADLINE') return answeredIn(wayMs, would, 'modelled', scene);
  if (!own.some(({ fault }) => SPOILS.has(fault.type ?? ''))) {
    return { ms: tookMs - savedMs - shorterMs, ...end, basis: 'drawn' };
  }
  const answered = child.status !== null && child.durationMs !== null;
  return answered
    ? answeredIn(tookMs - savedMs - shorterMs - would.ms, would, 'drawn', scene)
    : answeredIn(wayMs, would, 'modelled', scene);
}

/** With these the caller has no usable answer, although the callee may have had one. */
const SPOILS: ReadonlySet<string> = new Set(['reset', 'hang', 'truncate', 'corrupt', 'crash']);

/** @param aroundMs what comes on top of the callee's own time */
function answeredIn(
  aroundMs: number,
  would: Would,
  basis: Basis,
  { timeoutMs, leftMs }: Pick<AttemptScene, 'timeoutMs' | 'leftMs'>,
): AttemptWould {
  const ms = aroundMs + would.ms;
  const limitMs = Math.min(timeoutMs ?? Number.POSITIVE_INFINITY, leftMs);
  const all = weaker(basis, would.basis);
  if (ms >= limitMs) return { ms: limitMs, ok: false, deadline: limitMs === leftMs, basis: all };
  if (would.status === null) return { ms, ok: false, deadline: false, basis: all };
  return { ms, ok: would.status < 400, status: would.status, deadline: false, basis: all };
}

/** How long a paced body took: no more than the attempt took beside the callee's own time. */
function pacedMs(own: readonly Injection[], { bytes, durationMs }: Call, child: Span): number {
  let ms = 0;
  for (const { fault } of own) {
    if (fault.type === 'slow-body') ms = Math.max(ms, ((bytes ?? 0) / Number(fault.args?.bytesPerSecond)) * 1000);
  }
  return Math.max(0, Math.min(ms, (durationMs ?? 0) - (child.durationMs ?? 0)));
}

function sum(strikes: readonly Injection[]): number {
  return strikes.reduce((total, { waitMs }) => total + waitMs, 0);
}
