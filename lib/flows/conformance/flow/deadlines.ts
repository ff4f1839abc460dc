import { elapsedMs } from '../span/span-report';
import type { SpanRecord } from '../span-record';
import type { Topologies } from '../topologies';
import { endpointOf, type Sent } from './requests-sent';

/**
 * Milliseconds that each span had: its endpoint's deadline where it begins a flow or is the work of a `send`, else what was
 * left of its caller's. Undefined where events that tell it are lost.
 */
export function deadlines(
  sentFor: ReadonlyMap<SpanRecord, Sent>,
  begins: (span: SpanRecord) => boolean,
  topologies: Topologies,
): (span: SpanRecord) => number | undefined {
  const known = new Map<string, number | undefined>();
  const handedOn = ({ parent, connection: { sent } }: Sent): number | undefined => {
    const parents = sent && deadlineOf(parent);
    const elapsed = sent && elapsedMs(parent, sent);
    return parents === undefined || elapsed === undefined ? undefined : Math.floor(parents - elapsed);
  };
  const deadlineOf = (span: SpanRecord): number | undefined => {
    if (known.has(span.requestId)) return known.get(span.requestId);
    known.set(span.requestId, undefined);
    const from = sentFor.get(span);
    const own = begins(span) || span.received?.via === 'queue';
    const deadline = from ? handedOn(from) : own ? endpointOf(span, topologies)?.deadlineMs : undefined;
    known.set(span.requestId, deadline);
    return deadline;
  };
  return deadlineOf;
}
