import { explain } from '../departure';
import { TAIL_CAUSES } from '../lost-tails';
import type { SpanRecord } from '../span-record';
import type { SpanContext } from './span-context';
import type { Report } from './span-report';

/** Whether all of the span is there, or what cut it short is known. */
export function checkComplete(span: SpanRecord, { cutBy, findings }: SpanContext, report: Report): void {
  const { complete, received, last, events, service } = span;
  if (complete) return;
  if (received !== undefined && last === undefined && cutBy) {
    explain(findings, TAIL_CAUSES[cutBy]);
    return;
  }
  const missing: string[] = [];
  if (!received) missing.push('its beginning');
  if (!last) missing.push('its end');
  const expected = last?.spanEvents === undefined ? 'a whole span' : `${last.spanEvents} events`;
  if (missing.length === 0) missing.push(`some of its ${last?.spanEvents} events`);
  const text = `${missing.join(' and ')} at ${service} is lost: what it did is not known in full`;
  report('lost', null, expected, `${events.length} events`, text);
}

export function checkKey(span: SpanRecord, { key: { text: expected } }: SpanContext, report: Report): void {
  for (const event of span.events) {
    const key = event.key ?? span.traceId;
    if (key === expected) continue;
    report('wrong-key', null, expected, key, `${span.service} drew with another key than the flow's`);
    return;
  }
}

/** Calls lie between the receipt and the result, the result before the end, and both say the same status. */
export function checkCourse(span: SpanRecord, report: Report): void {
  const { received, result, last, service } = span;
  const from = received?.seq ?? 0;
  const to = result?.seq ?? last?.seq ?? Number.POSITIVE_INFINITY;
  for (const call of span.calls.values()) {
    if (call.firstSeq >= from && call.lastSeq <= to) continue;
    const text = `${call.step} ran before the request was received or after its result was produced`;
    report('reordered', call.step, `events ${from} to ${to}`, `events ${call.firstSeq} to ${call.lastSeq}`, text);
  }
  if (!result || !last) return;
  if (last.seq < result.seq) {
    report('reordered', null, 'the result before the answer', 'after it', `${service} answered before its result`);
  }
  if (result.status === undefined || last.status === undefined || result.status === last.status) return;
  const text = `${service} produced ${result.status} and sent ${last.status}`;
  report('wrong-status', null, String(result.status), String(last.status), text);
}
