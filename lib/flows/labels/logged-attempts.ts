import { endsCall } from '../../model/decisions';
import type { Call, Span } from '../flow';
import type { Injection } from './injections';

/** What the log has of one attempt of a call. Times are from the span's start. */
export interface LoggedAttempt {
  /** Its connections, in the order made. */
  readonly calls: Call[];
  /** Faults on it, in their order. */
  readonly strikes: Injection[];
  fromMs: number;
  toMs: number;
  /** It stood beside the first one. */
  isHedge: boolean;
  /** A policy did not let it be repeated, perhaps because of injections. */
  notRepeated?: Injection;
}

/** The number of a hedge among the attempts. */
export const HEDGE = 2;

export function attemptKey(step: string, repetition: number, attempt: number): string {
  return `${attempt} ${repetition} ${step}`;
}

/** A span's attempts by key. */
export function loggedAttempts(span: Span, injections: readonly Injection[]): ReadonlyMap<string, LoggedAttempt> {
  const attempts = new Map<string, LoggedAttempt>();
  const at = (step: string, repetition: number, attempt: number): LoggedAttempt => {
    const key = attemptKey(step, repetition, attempt);
    const known = attempts.get(key);
    if (known) return known;
    const made: LoggedAttempt = { calls: [], strikes: [], fromMs: Number.POSITIVE_INFINITY, toMs: 0, isHedge: false };
    attempts.set(key, made);
    return made;
  };
  for (const injection of injections) {
    const { at: position, step, repetition = 0, attempt = 1 } = injection.fault;
    if (position !== 'call' || step === undefined) continue;
    const own = at(step, repetition, attempt);
    if (injection.policy && !injection.decides) {
      own.notRepeated = injection;
      continue;
    }
    own.strikes.push(injection);
    own.fromMs = Math.min(own.fromMs, injection.atMs);
  }
  for (const call of span.calls) {
    if (call.step === null) continue;
    const own = at(call.step, call.repetition ?? 0, call.attempt ?? 1);
    const fromMs = call.offsetMs - span.offsetMs;
    own.calls.push(call);
    own.fromMs = Math.min(own.fromMs, fromMs);
    // One that never started has one event only, at its end.
    own.toMs = Math.max(own.toMs, fromMs + (call.sent === false ? 0 : (call.durationMs ?? 0)));
  }
  for (const { event, step, repetition, attempt, offsetMs } of span.decisions) {
    if (event !== 'HEDGE_SENT' || step === null) continue;
    const own = at(step, repetition ?? 0, attempt ?? HEDGE);
    own.isHedge = true;
    own.fromMs = Math.min(own.fromMs, offsetMs - span.offsetMs);
    own.toMs = Math.max(own.toMs, own.fromMs);
  }
  return attempts;
}

/** How an attempt ended; `status` where it had an answer. */
export interface AttemptEnd {
  readonly ok: boolean;
  readonly status?: number;
  /** The deadline ended it: there is no further attempt. */
  readonly deadline: boolean;
  /** The callee was to be spared: neither is there one. */
  readonly spared?: true;
}

/** As logged. */
export function endOf({ calls, strikes }: LoggedAttempt): AttemptEnd {
  const { status, error } = calls[calls.length - 1] ?? { status: null, error: null };
  const deadline = error?.kind === 'DEADLINE';
  if (error === null && status !== null) return { ok: status < 400, status, deadline };
  const decided = strikes.find(({ fault }) => fault.type === 'error');
  if (error?.kind === 'FAULT' && decided) return { ok: false, status: Number(decided.fault.args?.status), deadline };
  return { ok: false, deadline, ...(error && endsCall(error.kind) && !deadline && { spared: true }) };
}
