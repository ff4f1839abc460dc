import type { Event } from '../../../model/event';
import type { DepartureKind, Findings } from '../departure';
import type { SpanRecord } from '../span-record';

/** Takes in a departure of one span. */
export type Report = (
  kind: DepartureKind,
  step: string | null,
  expected: string,
  actual: string,
  message: string,
) => void;

export function reporter({ traceId, requestId, service }: SpanRecord, { departures }: Findings): Report {
  return (kind, step, expected, actual, message) => {
    departures.push({ kind, traceId, span: requestId, service, step, expected, actual, message });
  };
}

/** Milliseconds from the span's receipt to the event, by the monotonic clock; undefined where the receipt is lost. */
export function elapsedMs({ received }: SpanRecord, event: Event): number | undefined {
  const us = event.monotonicUs - (received?.monotonicUs ?? Number.NaN);
  return Number.isFinite(us) ? us / 1000 : undefined;
}
