import { explain } from '../departure';
import { loggedCause } from '../logged-causes';
import type { SpanRecord } from '../span-record';
import type { SpanContext } from './span-context';
import type { Report } from './span-report';

/** A request that was refused before any step: the status fits the cause, and nothing ran. */
export function checkRefused(span: SpanRecord, { findings, asked }: SpanContext, report: Report): void {
  const { result, last, service, received, decisions } = span;
  const kind = result?.error?.kind ?? last?.error?.kind;
  const status = result?.status ?? last?.status;
  if (status === undefined) return;
  explain(findings, kind ?? `answered ${status}`);
  const answers = loggedCause(kind)?.answers ?? [];
  if (!answers.includes(status)) {
    const expected = answers.length > 0 ? answers.join(' or ') : 'a status with a cause';
    const text = `${service} answered ${status} for ${kind ?? 'no cause'}`;
    report('wrong-status', null, expected, String(status), text);
  }
  const isCall = asked === 'call' || received?.via === 'edge';
  if (kind === 'OVERLOAD' && isCall && span.complete && !decisions.some(({ event }) => event === 'REQUEST_SHED')) {
    // The queue of sends is the only other bound that a node has.
    const text = `${service} turned a call away, and no limit had it so`;
    report('missing-decision', null, 'REQUEST_SHED', 'none', text);
  }
  for (const { step, repetition } of span.calls.values()) {
    const text = `${step} ran although the request was refused (${kind})`;
    report('extra-call', step, 'no call', `repetition ${repetition}`, text);
  }
}

/** The request of a `send`, answered 202: its work is another span. */
export function isAccepted({ last, result, received }: SpanRecord): boolean {
  return last?.status === 202 && result === undefined && received?.via !== 'queue';
}

export function checkAccepted(span: SpanRecord, { asked }: SpanContext, report: Report): void {
  if (asked === 'call') {
    const text = `${span.service} queued a call that waits for its answer`;
    report('wrong-status', null, 'the answer of the work', '202', text);
  }
  for (const { step } of span.calls.values()) {
    report('extra-call', step, 'no call before 202', step, `${step} ran in the request that was answered 202`);
  }
}
