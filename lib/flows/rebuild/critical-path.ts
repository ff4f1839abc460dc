import { WORD } from '../events/event-record';
import type { SpanTable } from './group-spans';
import type { CallNode, FlowNode, SpanNode } from './span-node';
import { callDurationMs, elapsedMs } from './span-times';

type Records = Pick<SpanTable, 'words' | 'floats'>;

/**
 * Marks the calls and spans that the flow's end waited for. From the end of a span backwards: the call that ended last is
 * on the path, then the one that ended last before that call was sent, and so on; in each such call the same again. Order
 * within a span is the process's own sequence, so that no clock enters. Queued work is nobody's wait, nor is what a callee
 * went on with when its caller had given it up: of that the path has the part until then.
 */
export function markCriticalPath({ root, client }: FlowNode, table: Records): void {
  if (client) client.critical = true;
  const stack: SpanNode[] = [root];
  for (let span = stack.pop(); span !== undefined; span = stack.pop()) {
    if (span.critical && span !== client) continue;
    span.critical = true;
    for (const call of criticalCalls(callsInTime(span, table), table.words)) {
      call.critical = true;
      const { child } = call;
      if (!child) continue;
      if (call.errorKind !== undefined || span.waitedMs !== Number.POSITIVE_INFINITY) {
        child.waitedMs = waitedMs(call, table);
      }
      stack.push(child);
    }
  }
}

/** Milliseconds that a span on the critical path spent itself, of those that its caller waited for. NaN where unknown. */
export function criticalOwnMs({ durationMs, waitedMs: waited, calls }: SpanNode, table: Records): number {
  let own = Math.min(durationMs, waited);
  for (const call of calls) if (call.critical) own -= waitedMs(call, table);
  return Math.max(0, own);
}

/** How long a call on the critical path was waited for: no longer than the caller's own caller waited. */
export function waitedMs(call: CallNode, table: Records): number {
  const { caller, sent } = call;
  const took = callDurationMs(table, call) || 0;
  if (caller.waitedMs === Number.POSITIVE_INFINITY || sent < 0 || caller.received < 0) return took;
  return Math.max(0, Math.min(took, caller.waitedMs - elapsedMs(table, caller.received, sent)));
}

/** Those that were sent before the span was given up. */
function callsInTime({ calls, received, waitedMs: waited }: SpanNode, table: Records): readonly CallNode[] {
  if (waited === Number.POSITIVE_INFINITY || received < 0) return calls;
  return calls.filter(({ sent }) => sent >= 0 && elapsedMs(table, received, sent) < waited);
}

/** Up to so many calls looking through them again and again is quicker than sorting. */
const FEW_CALLS = 16;

function criticalCalls(calls: readonly CallNode[], words: Int32Array): readonly CallNode[] {
  // Nothing to choose from, as in most spans.
  if (calls.length === 0 || (calls.length === 1 && (calls[0] as CallNode).ended >= 0)) return calls;
  // What was called off since another attempt was answered is nobody's wait.
  if (calls.some(wasCalledOff)) {
    return criticalCalls(
      calls.filter((call) => !wasCalledOff(call)),
      words,
    );
  }
  const path: CallNode[] = [];
  let before = Number.POSITIVE_INFINITY;
  const take = (call: CallNode): void => {
    path.push(call);
    before = sequenceAt(words, call.sent >= 0 ? call.sent : call.ended);
  };
  if (calls.length > FEW_CALLS) {
    const ended = calls.filter((call) => call.ended >= 0);
    ended.sort((a, b) => sequenceAt(words, b.ended) - sequenceAt(words, a.ended));
    for (const call of ended) if (sequenceAt(words, call.ended) < before) take(call);
    return path;
  }
  for (let call = lastBefore(calls, before, words); call !== null; call = lastBefore(calls, before, words)) take(call);
  return path;
}

function lastBefore(calls: readonly CallNode[], before: number, words: Int32Array): CallNode | null {
  let last: CallNode | null = null;
  let lastSeq = -1;
  for (const call of calls) {
    const seq = call.ended >= 0 ? sequenceAt(words, call.ended) : before;
    if (seq < before && seq > lastSeq) {
      last = call;
      lastSeq = seq;
    }
  }
  return last;
}

function wasCalledOff({ errorKind }: CallNode): boolean {
  return errorKind === 'CANCELLED';
}

function sequenceAt(words: Int32Array, record: number): number {
  return (words[record + WORD.SEQ] as number) >>> 0;
}
