import { durationMs } from '../model/duration-text';
import { UserError } from '../model/user-error';

/** A timer of the event loop takes no more milliseconds (2^31 - 1): 24 days. */
const MAX_MS = 2_147_483_647;

/**
 * Milliseconds of a text such as `500ms`, `30s`, `1.5m` or `2h`.
 *
 * @param where the option's name, for the `UserError` that any other text throws
 */
export function parseDuration(text: string, where: string): number {
  const ms = durationMs(text.trim());
  if (ms > 0 && ms <= MAX_MS) return ms;
  const problem = Number.isNaN(ms) ? `${text === '' ? 'nothing' : text} is no duration` : `${text} is out of range`;
  throw new UserError({ where, problem, remedy: 'write a number and its unit, such as 500ms, 30s, 1.5m or 2h' });
}

/** `850 ms`, `12.5 s`, `3 m 20 s`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} m ${seconds % 60} s`;
}
