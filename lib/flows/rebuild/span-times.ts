import { hlcMillis, WORD, wallMillis } from '../events/event-record';
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

/**
 * How long before its first event that was found a span began: 0 where that is its beginning. A beginning that is lost is
 * told by the duration that later events bear; without any (`knowsStart` is false) it was at least so long before.
 */
export function unseenMs(records: Records, span: SpanNode): number {
  if (span.received >= 0 || span.inferred || span.isClient) return 0;
  const first = firstEvent(records, span);
  const toldBy = endWithDuration(records, span);
  if (toldBy >= 0) return Math.max(0, durationAt(records, toldBy) - elapsedMs(records, first, toldBy));
  let unseen = 0;
  for (const call of span.calls) {
    if (call.ended < 0) continue;
    const sentBefore = callDurationMs(records, call) - elapsedMs(records, first, call.ended);
    if (sentBefore > unseen) unseen = sentBefore;
  }
  return unseen;
}

/** Whether it is known when a span began. */
export function knowsStart(records: Records, span: SpanNode): boolean {
  return span.received >= 0 || endWithDuration(records, span) >= 0;
}

/** An event at the span's end that bears its duration; -1 where there is none. */
function endWithDuration(records: Records, { ended, result }: SpanNode): number {
  return [ended, result].find((end) => end >= 0 && !Number.isNaN(durationAt(records, end))) ?? -1;
}

function durationAt({ floats }: Records, record: number): number {
  return floats[(record + WORD.DURATION) >> 1] as number;
}

/** When a span began, by its host's wall clock, in milliseconds since 1970: its first event where nothing tells more. */
export function startMillis(records: Records, span: SpanNode): number {
  const firstMs = wallMillis(records.words, firstEvent(records, span));
  return firstMs - unseenMs(records, span);
}

/** How long an attempt took, as its sender measured it; NaN where that is unknown. */
export function callDurationMs(records: Records, { sent, ended }: CallNode): number {
  if (ended < 0) return Number.NaN;
  const logged = durationAt(records, ended);
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
