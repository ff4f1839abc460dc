import { WORD } from './event-record';
import type { CallNode, FlowNode, SpanNode } from './span-node';

/**
 * Marks the calls and spans that the flow's end waited for. From the end of a span backwards: the call that ended last is
 * on the path, then the one that ended last before that call was sent, and so on; in each such call the same again. Order
 * within a span is the process's own sequence, so that no clock enters. Queued work is nobody's wait.
 */
export function markCriticalPath({ root, client }: FlowNode, words: Int32Array): void {
  if (client) client.critical = true;
  const stack: SpanNode[] = [root];
  for (let span = stack.pop(); span !== undefined; span = stack.pop()) {
    if (span.critical && span !== client) continue;
    span.critical = true;
    for (const call of criticalCalls(span.calls, words)) {
      call.critical = true;
      if (call.child) stack.push(call.child);
    }
  }
}

function criticalCalls(calls: readonly CallNode[], words: Int32Array): readonly CallNode[] {
  if (calls.length === 0) return calls;
  const ended = calls.filter((call) => call.ended >= 0);
  if (ended.length < 2) return ended;
  const seqAt = (record: number): number => (words[record + WORD.SEQ] as number) >>> 0;
  ended.sort((a, b) => seqAt(b.ended) - seqAt(a.ended));
  let before = Number.POSITIVE_INFINITY;
  return ended.filter((call) => {
    if (seqAt(call.ended) >= before) return false;
    before = seqAt(call.sent >= 0 ? call.sent : call.ended);
    return true;
  });
}
