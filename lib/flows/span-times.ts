import { hlcMillis, WORD, wallMillis } from './event-record';
import type { SpanTable } from './group-spans';
import type { CallNode, SpanNode } from './span-node';

type Records = Pick<SpanTable, 'words' | 'floats'>;

/**
 * Milliseconds from one event of a process to another: by its monotonic clock, in microseconds; where an event has none,
 * by the wall clock's milliseconds.
 */
export function elapsedMs({ words, floats }: Records, from: number, to: number): number {
  const start = floats[(from + WORD.MONOTONIC) >> 1] as number;
  const end = floats[(to + WORD.MONOTONIC) >> 1] as number;
  const elapsed = (end - start) / 1000;
  return Number.isNaN(elapsed) ? wallMillis(words, to) - wallMillis(words, from) : elapsed;
}

/** The span's first event that was found. */
export function firstEvent({ words }: Records, span: SpanNode): number {
  if (span.received >= 0) return span.received;
  let first = span.record;
  for (const { sent, ended } of span.calls) {
    for (const record of [sent, ended]) {
      if (record >= 0 && hlcMillis(words, record) < hlcMillis(words, first)) first = record;
    }
  }
  return first;
}

/** How long an attempt took, as its sender measured it; NaN where that is unknown. */
export function callDurationMs(records: Records, { sent, ended }: CallNode): number {
  if (ended < 0) return Number.NaN;
  const logged = records.floats[(ended + WORD.DURATION) >> 1] as number;
  if (!Number.isNaN(logged)) return logged;
  return sent >= 0 ? elapsedMs(records, sent, ended) : Number.NaN;
}

/** The time in which a span waited for no call: its duration less the union of its calls. NaN where unknown. */
export function selfMs(records: Records, span: SpanNode): number {
  if (span.received < 0 || Number.isNaN(span.durationMs)) return Number.NaN;
  let waiting = 0;
  let coveredTo = 0;
  for (const { sent, ended } of span.calls) {
    if (sent < 0 || ended < 0) continue;
    const from = Math.max(coveredTo, elapsedMs(records, span.received, sent));
    const to = elapsedMs(records, span.received, ended);
    if (to > from) {
      waiting += to - from;
      coveredTo = to;
    }
  }
  return Math.max(0, span.durationMs - waiting);
}
