import type { ErrorKind } from '../../lib/model/event';
import { CALLED_OFF } from '../call/client-answer';

/** What faults make of an attempt before anything is sent. */
export interface CallFate {
  /** How long they held it up. */
  readonly delayMs: number;
  /** The connection is to be reset once the request is sent. */
  readonly reset: boolean;
  /** The attempt ends here, and nothing is sent. */
  readonly failure?: { readonly kind: ErrorKind; readonly message: string; readonly status?: number };
}

export const UNTOUCHED: CallFate = { delayMs: 0, reset: false };

/** What an attempt has left, and what ends it then. */
export interface CallTime {
  readonly leftMs: number;
  readonly endsWith: 'TIMEOUT' | 'DEADLINE';
  /** Calls the attempt off. */
  readonly signal?: AbortSignal | undefined;
}

/** Waits so long; an attempt that has less ends as the time-out or the deadline would end it. */
export function waitOut(ms: number, { leftMs, endsWith, signal }: CallTime): Promise<CallFate> {
  const cut = ms >= leftMs;
  const wait = Math.round(Math.max(0, cut ? Math.ceil(leftMs) : ms));
  const message = endsWith === 'DEADLINE' ? 'the deadline passed' : 'no answer in time';
  const fate: CallFate = cut ? { ...UNTOUCHED, failure: { kind: endsWith, message } } : { ...UNTOUCHED, delayMs: wait };
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, wait, fate);
    const callOff = (): void => {
      clearTimeout(timer);
      resolve({ ...UNTOUCHED, failure: { kind: 'CANCELLED', message: CALLED_OFF } });
    };
    if (signal?.aborted) callOff();
    else signal?.addEventListener('abort', callOff, { once: true });
  });
}
