/**
 * When something happened, by both clocks of the process. Durations that are logged are differences of readings that
 * events carry: a process may be put aside between any two readings, and what it measured otherwise would contradict
 * its own events.
 */
export interface Reading {
  /** Wall clock, ISO 8601 with milliseconds. */
  readonly timestamp: string;
  /** Milliseconds since the process started (`performance.now`), read right after the wall clock. */
  readonly at: number;
}

/** @param wallClock whole milliseconds since 1970. It is read first: who follows the two clocks relies on it. */
export function readClocks(wallClock: () => number = Date.now): Reading {
  return { timestamp: isoTime(wallClock()), at: performance.now() };
}

let lastMillis = -1;
let lastText = '';

/** Most events share their millisecond with the one before. */
function isoTime(millis: number): string {
  if (millis !== lastMillis) {
    lastMillis = millis;
    lastText = new Date(millis).toISOString();
  }
  return lastText;
}
