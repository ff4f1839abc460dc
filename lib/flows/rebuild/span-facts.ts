import { KIND, kindOf, statusOf, WORD } from '../events/event-record';
import { hasId, type SpanTable } from './group-spans';
import type { CallNode, SpanNode } from './span-node';

/** Whether all events of a span are there, as its last one counts them. */
export function isWhole(span: SpanNode): boolean {
  if (span.inferred) return false;
  if (span.isClient) {
    return span.calls.length > 0 && span.calls.every(({ sent, ended }) => sent >= 0 && ended >= 0);
  }
  return span.received >= 0 && span.expected > 0 && span.events >= span.expected;
}

/** Whether an instance certainly handled the request of a call: it says so, or gave a success. */
export function wasReceived({ words }: Pick<SpanTable, 'words'>, { ended }: CallNode): boolean {
  if (ended < 0 || kindOf(words[ended] as number) !== KIND.RESPONSE_RECEIVED) return false;
  const status = statusOf(words[ended] as number);
  return hasId(words, ended + WORD.PEER_REQUEST) || (status >= 200 && status < 400);
}

/** Whether certainly nobody handled it: no byte was sent. */
export function wasRefused({ errorKind }: CallNode): boolean {
  return errorKind === 'CONNECT' || errorKind === 'NO_INSTANCE';
}
