import { roundMs } from '../../model/event-line';

/** Null for a bound that is infinite. */
export function bounded(ms: number): number | null {
  return Number.isFinite(ms) ? roundMs(ms) : null;
}

/** Null for NaN, which stands for what is lost. */
export function known(ms: number): number | null {
  return Number.isNaN(ms) ? null : roundMs(ms);
}

export function isoTime(millis: number): string {
  return new Date(millis).toISOString();
}
