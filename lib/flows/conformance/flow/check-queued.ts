import { explain } from '../departure';
import { TAIL_CAUSES } from '../lost-tails';
import { isAccepted } from '../span/check-unworked';
import { reporter } from '../span/span-report';
import type { FlowRecord, SpanRecord } from '../span-record';
import type { FlowContext } from './flow-context';

/** Whether the span is the work of a `send` that another span of the flow accepted. */
export function isQueued(span: SpanRecord, { spans }: FlowRecord): boolean {
  const { parentRequestId } = span.events[0] ?? {};
  if (parentRequestId === undefined) return false;
  if (span.received) return span.received.via === 'queue';
  const parent = spans.get(parentRequestId);
  return parent !== undefined && isAccepted(parent);
}

/** A `send` that was accepted is worked on once, at its own place. */
export function checkQueued(accepted: SpanRecord, works: readonly SpanRecord[], context: FlowContext): void {
  const { findings, tails } = context;
  const { service } = accepted;
  const [work, ...surplus] = works;
  if (!work) {
    const tail = tails.ofProcess(accepted.process);
    if (tail) {
      explain(findings, TAIL_CAUSES[tail]);
      return;
    }
    const text = `${service} accepted a send and never worked on it`;
    reporter(accepted, findings)('missing-call', null, 'its work', 'none', text);
    return;
  }
  for (const other of surplus) {
    const text = `${service} worked on one send twice`;
    reporter(other, findings)('extra-call', null, 'one work', `${works.length}`, text);
  }
  const [expected, actual] = [accepted.events[0]?.place, work.events[0]?.place];
  if (expected !== actual) {
    const text = `${service} worked on a send at another place than it accepted it at`;
    reporter(work, findings)('wrong-place', null, String(expected), String(actual), text);
  }
}
