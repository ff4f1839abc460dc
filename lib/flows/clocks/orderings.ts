import { KIND, kindOf, WORD } from '../events/event-record';
import { byHybridClock } from '../rebuild/clock-order';
import type { SpanTable } from '../rebuild/group-spans';
import type { FlowNode, SpanNode } from '../rebuild/span-node';
import { firstEvent, knowsStart, unseenMs } from '../rebuild/span-times';
import type { Placement } from './place-flow';
import { eachSpan, type RunClocks } from './run-clocks';

/** Beginning or end of a span. */
export interface SpanEvent {
  readonly span: SpanNode;
  readonly at: 'start' | 'end';
  readonly record: number;
  /** How long before the record it was, where the beginning itself is lost; at least so long where `isKnown` is false. */
  readonly unseenMs: number;
  readonly isKnown: boolean;
}

/** Two events of different hosts, the first of which is shown before the second. */
export interface NodeOrdering {
  readonly first: SpanEvent;
  readonly second: SpanEvent;
  /** By the best guess of both; negative where the order shown is not the likelier one. */
  readonly apartMs: number;
  /** Sum of both clocks' errors; infinite where one is unknown. */
  readonly boundMs: number;
  /** A path of process order and messages leads from one to the other; or they are further apart than the clocks' errors. */
  readonly proof: 'causal' | 'apart' | null;
}

/**
 * The orderings between hosts that a reader takes from a flow: of each two neighbours in its linear order, and of each
 * two neighbours among the spans of one caller, as they are shown one after the other. Those within a host are its own
 * clock's and not in question.
 */
export function orderings(
  flow: FlowNode,
  table: SpanTable,
  placement: Placement,
  { domains }: RunClocks,
): readonly NodeOrdering[] {
  if (domains.domains.length < 2) return [];
  const { words } = table;
  const hostOf = ({ record }: SpanEvent): number => domains.domainOf(words[record + WORD.ORIGIN] as number);
  const events: SpanEvent[] = [];
  const siblings: SpanEvent[][] = [];
  for (const top of [flow.root, ...flow.orphans]) {
    eachSpan(top, (span) => {
      if (!span.inferred && !span.isClient) {
        events.push(startOf(span, table));
        if (span.ended >= 0) events.push({ span, at: 'end', record: span.ended, unseenMs: 0, isKnown: true });
      }
      const children = [...span.calls.flatMap(({ child }) => child ?? []), ...span.queued].filter((c) => !c.inferred);
      if (children.length > 1) siblings.push(children.map((child) => startOf(child, table)));
    });
  }
  const compare = byHybridClock(words);
  const cause = (a: SpanEvent, b: SpanEvent): number => (precedes(a, b, words) ? -1 : precedes(b, a, words) ? 1 : 0);
  const found: NodeOrdering[] = [];
  const seen = new Set<number>();
  const offsetMs = ({ record, unseenMs: before }: SpanEvent): number => placement.offsetMs(record) - before;
  const neighbours = (list: readonly SpanEvent[]): void => {
    const placed = list.map((event) => ({ event, offsetMs: offsetMs(event) }));
    placed.sort(
      (a, b) => a.offsetMs - b.offsetMs || cause(a.event, b.event) || compare(a.event.record, b.event.record),
    );
    for (let i = 1; i < placed.length; i++) {
      const first = (placed[i - 1] as { event: SpanEvent }).event;
      const second = (placed[i] as { event: SpanEvent }).event;
      const pair = first.record * 0x8000000 + second.record;
      if (hostOf(first) === hostOf(second) || seen.has(pair)) continue;
      seen.add(pair);
      const [a, b] = [placement.likely(first.record), placement.likely(second.record)];
      const apartMs = b.offsetMs - second.unseenMs - (a.offsetMs - first.unseenMs);
      const boundMs = a.boundMs + b.boundMs;
      // What began at an unknown time began before it was first seen: it may be the first of two, and not the second.
      const isApart = apartMs > boundMs && second.isKnown;
      const proof = precedes(first, second, words) ? 'causal' : isApart ? 'apart' : null;
      found.push({ first, second, apartMs, boundMs, proof });
    }
  };
  neighbours(events);
  for (const list of siblings) neighbours(list);
  return found.sort(
    (a, b) =>
      offsetMs(a.first) - offsetMs(b.first) ||
      offsetMs(a.second) - offsetMs(b.second) ||
      compare(a.first.record, b.first.record) ||
      compare(a.second.record, b.second.record),
  );
}

function startOf(span: SpanNode, table: SpanTable): SpanEvent {
  const isKnown = knowsStart(table, span);
  return { span, at: 'start', record: firstEvent(table, span), unseenMs: unseenMs(table, span), isKnown };
}

/**
 * Whether a path of process order and messages leads from one event to the other. Paths are sought along the tree and
 * within a process; a path by way of another flow is not looked for, so that an order may be proved and not seen to be,
 * never the reverse.
 */
export function precedes(first: SpanEvent, second: SpanEvent, words: Int32Array): boolean {
  const seq = (record: number): number => (words[record + WORD.SEQ] as number) >>> 0;
  if (words[first.record + WORD.ORIGIN] === words[second.record + WORD.ORIGIN]) {
    return seq(first.record) < seq(second.record);
  }
  const [above, below] = [lineOf(first.span), lineOf(second.span)];
  let common = -1;
  while (above[common + 1] !== undefined && above[common + 1] === below[common + 1]) common += 1;
  if (common < 0) return false;
  const returning = above.slice(common + 1);
  if (returning.length === 0) return first.at === 'start';
  if (!returning.every((span) => isAnswered(span, words))) return false;
  const next = below[common + 1];
  if (next === undefined) return second.at === 'end';
  const answered = returning[0]?.call?.ended ?? -1;
  const sent = next.call?.sent ?? -1;
  return answered >= 0 && sent >= 0 && seq(answered) < seq(sent);
}

/** The span's callers, the flow's first one first, and itself. */
function lineOf(span: SpanNode): readonly SpanNode[] {
  const line: SpanNode[] = [];
  for (let node: SpanNode | null = span; node && line.length < 10_000; node = node.parent) line.push(node);
  return line.reverse();
}

/** Whether the caller has this span's answer, and with it all that it did before. */
function isAnswered({ call, ended }: SpanNode, words: Int32Array): boolean {
  if (!call || call.ended < 0 || ended < 0) return false;
  return (
    kindOf(words[ended] as number) === KIND.RESPONSE_SENT &&
    kindOf(words[call.ended] as number) === KIND.RESPONSE_RECEIVED
  );
}
