import { roundMs } from '../../model/event-line';
import type { Span } from '../flow';
import type { Draft } from './infer-expected';

/**
 * Flows are placed before anything is inferred, so that no message ties a request to a caller that only the topology knows.
 * Afterwards what began at an unknown time began no later than what came of it; and what would still stand before its
 * sending, by its clock's error, is moved behind it.
 */
export function keepCausalOrder(top: Draft<Span>): void {
  beginInTime(top);
  beginAfter(top, top.offsetMs);
}

function beginInTime(span: Draft<Span>): void {
  for (const call of span.calls) {
    if (call.child === null) continue;
    beginInTime(call.child);
    const isUnknown = call.sent !== true && call.durationMs === null;
    if (isUnknown) call.offsetMs = Math.min(call.offsetMs, call.child.offsetMs);
  }
  for (const child of span.queued) beginInTime(child);
  const isUnknown = span.inferred || (span.via === null && span.durationMs === null);
  if (!isUnknown) return;
  for (const { offsetMs } of [...span.calls, ...span.queued]) span.offsetMs = Math.min(span.offsetMs, offsetMs);
}

function beginAfter(span: Draft<Span>, sentMs: number): void {
  if (span.offsetMs < sentMs) move(span, sentMs - span.offsetMs);
  for (const call of span.calls) {
    if (span.inferred) call.offsetMs = Math.max(call.offsetMs, span.offsetMs);
    if (call.child) beginAfter(call.child, call.offsetMs);
  }
  for (const child of span.queued) beginAfter(child, span.offsetMs);
}

/** With all that its process saw of it. */
function move(span: Draft<Span>, byMs: number): void {
  span.offsetMs = roundMs(span.offsetMs + byMs);
  if (span.inferred) return;
  span.correctionMs = roundMs(span.correctionMs + byMs);
  for (const seen of [...span.calls, ...span.faults, ...span.decisions]) seen.offsetMs = roundMs(seen.offsetMs + byMs);
}
