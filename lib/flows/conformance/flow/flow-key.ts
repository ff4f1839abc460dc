import { type Hash, hashText } from '../../../model/draw';
import type { SpanRecord } from '../span-record';

export interface FlowKey {
  readonly text: string;
  readonly hash: Hash;
}

/** What most of the flow's events carry as its key, or the trace id where they carry none. */
export function flowKey(spans: Iterable<SpanRecord>, traceId: string): FlowKey {
  const counts = new Map<string, number>();
  for (const { events } of spans) {
    for (const { key = traceId } of events) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  let [text, most] = [traceId, 0];
  for (const [key, count] of counts) if (count > most) [text, most] = [key, count];
  return { text, hash: hashText(text) };
}
