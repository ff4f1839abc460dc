import { roundMs } from '../../model/event-line';
import type { Placement } from '../clocks/place-flow';
import type { RunClocks } from '../clocks/run-clocks';
import { KIND, kindOf, WORD, wallMillis } from '../events/event-record';
import type { Expectation } from '../inference/expectation';
import type { SpanTable } from '../rebuild/group-spans';
import type { CallNode, FlowNode, SpanNode } from '../rebuild/span-node';
import { callDurationMs, elapsedMs, firstEvent, unseenMs } from '../rebuild/span-times';
import type { Naming } from './span-identity';

/** What a flow is described with. */
export interface Describing extends Naming {
  readonly table: SpanTable;
  readonly clocks: RunClocks;
  /** What the topology says of lost requests; null where it is not known. */
  readonly expectation: Expectation | null;
}

/** A flow while it is described. */
export interface Within extends Describing {
  readonly placement: Placement;
  readonly origin: Frame;
  readonly orders: ReadonlyMap<SpanNode, 'proved' | 'within-clock-error'>;
}

/** A span that others are placed by: its first event that was found, and where that stands in the flow. */
export interface Frame {
  readonly start: number;
  readonly offsetMs: number;
}

/** Where a span's beginning stands by its host's clock, also where its event is lost and its end tells of it. */
export function startOffset(span: SpanNode, { table, placement }: Within): number {
  return placement.offsetMs(firstEvent(table, span)) - unseenMs(table, span);
}

/** Of an attempt whose sending is lost its end tells, by the duration that it bears. */
export function callOffset(call: CallNode, { start, offsetMs }: Frame, context: Within): number {
  const { table } = context;
  const { sent, ended, child } = call;
  if (sent >= 0) return offsetMs + Math.max(0, elapsedMs(table, start, sent));
  if (ended >= 0) return offsetMs + elapsedMs(table, start, ended) - (callDurationMs(table, call) || 0);
  if (!child || child.inferred) return offsetMs;
  return Math.max(offsetMs, startOffset(child, context));
}

/** The client sent before the root received, and had its answer after the root's end. */
export function clientOffset(call: CallNode, { root, client }: FlowNode, { table, placement }: Within): number {
  if (client === root || (call.sent < 0 && call.ended < 0)) return 0;
  const durationMs = callDurationMs(table, call);
  const earliest = (root.durationMs || 0) - (durationMs || Number.POSITIVE_INFINITY);
  const own = call.sent >= 0 ? placement.offsetMs(call.sent) : placement.offsetMs(call.ended) - durationMs;
  return Math.min(0, Math.max(earliest, own || 0));
}

/**
 * Places a span where its host's clock says. Only where logs contradict themselves is that not yet between its sending
 * and its answer; it is then moved just so far.
 */
export function childOffset(child: SpanNode, context: Within, caller: Frame, earliest: number, latest: number): number {
  const { table } = context;
  if (child.inferred) return earliest;
  const first = firstEvent(table, child);
  // Within a process its monotonic clock tells, as it does for the calls.
  const sameProcess = table.words[first + WORD.ORIGIN] === table.words[caller.start + WORD.ORIGIN];
  const unseen = unseenMs(table, child);
  const own = sameProcess
    ? caller.offsetMs + elapsedMs(table, caller.start, first) - unseen
    : startOffset(child, context);
  const answered = kindOf(table.words[child.ended] ?? 0) === KIND.RESPONSE_SENT;
  // Bars are as long as their process measured; a clock that runs fast must not draw one past its answer's receipt.
  const ends = answered ? Math.max(unseen + elapsedMs(table, first, child.ended), child.durationMs || 0) : 0;
  return Math.max(earliest, Math.min(own, latest - ends));
}

/** Timestamps are whole milliseconds, rounded down: a receipt may seem so much earlier than its sending. */
const ROUNDING_MS = 1;

/** Up to the timestamps' rounding a difference to the hosts' own clocks is no correction worth a word. */
export function correctionOf({ start, offsetMs }: Frame, { table, clocks, origin }: Within): number {
  const { words, floats } = table;
  const hostTime = (event: number): number =>
    clocks.hostTime(
      words[event + WORD.ORIGIN] as number,
      floats[(event + WORD.MONOTONIC) >> 1] as number,
      wallMillis(words, event),
    );
  const correction = offsetMs - origin.offsetMs - (hostTime(start) - hostTime(origin.start));
  return Math.abs(correction) <= ROUNDING_MS ? 0 : roundMs(correction);
}
