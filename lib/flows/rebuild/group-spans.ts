import {
  errorKindOf,
  FLAG,
  flagsOf,
  isDecision,
  KIND,
  kindOf,
  SHORT_WORDS,
  statusOf,
  WORD,
} from '../events/event-record';
import { recordAfter, recordFrom } from '../events/event-store';
import { type CallNode, type NodePool, nodePool, type SpanNode } from './span-node';

// The compiler knows a constant of this module by its value, that of another's object only once it has met it.
const { REQUEST_RECEIVED, REQUEST_SENT, RESULT_PRODUCED, RESPONSE_SENT, ERROR, FAULT_INJECTED } = KIND;

/** The spans of a part, and what finds one by its ids (`findSpan`). */
export interface SpanTable {
  readonly words: Int32Array;
  readonly floats: Float64Array;
  readonly spans: readonly SpanNode[];
  /** Makes further nodes of this part. */
  readonly nodes: NodePool;
  /** Open addressing by the ids: the index + 1 of a span, 0 where free. As many as a power of two. */
  readonly slots: Int32Array;
  /** Of each span. */
  readonly firstRecords: Int32Array;
  /** Spans that nobody logged, each with where an id stands under which it is known. */
  readonly inferred: { readonly span: SpanNode; readonly id: number }[];
}

/** Working memory for grouping part after part: a table is valid until it is used for the next part. */
export interface GroupingMemory {
  readonly nodes: NodePool;
  /** Arrays with room for as many records; `slots` has a size of its own, and holds zeros. */
  of(records: number, slots: number): Readonly<Record<(typeof COLUMNS)[number] | 'slots', Int32Array>>;
}

const COLUMNS = ['records', 'groupOf', 'firstRecords', 'sizes', 'ends', 'sorted'] as const;

export function groupingMemory(): GroupingMemory {
  let memory = new Int32Array(0);
  return {
    nodes: nodePool(),
    of(records, slots) {
      const needed = COLUMNS.length * records + slots;
      if (memory.length < needed) memory = new Int32Array(Math.ceil(1.25 * needed));
      const column = (index: number): Int32Array => memory.subarray(index * records, (index + 1) * records);
      return {
        records: column(0),
        groupOf: column(1),
        firstRecords: column(2),
        sizes: column(3),
        ends: column(4),
        sorted: column(5),
        slots: memory.subarray(COLUMNS.length * records, needed).fill(0),
      };
    },
  };
}

/**
 * Gathers the events of each request. Within a span the process's own sequence is the order; requests that bear the same
 * id in different processes stay apart.
 */
export function groupSpans(
  words: Int32Array,
  isClient: (origin: number) => boolean,
  memory: GroupingMemory = groupingMemory(),
): SpanTable {
  const floats = new Float64Array(words.buffer, words.byteOffset, words.length >> 1);
  const most = Math.ceil(words.length / SHORT_WORDS) + 1;
  const { records, groupOf, firstRecords, sizes, ends, sorted, slots } = memory.of(most, powerOfTwo(2 * most));
  let events = 0;
  let groups = 0;
  for (let record = recordFrom(words, 0); record < words.length; record = recordAfter(words, record)) {
    const slot = slotOf(words, record, slots, firstRecords);
    let group = (slots[slot] as number) - 1;
    if (group < 0) {
      group = groups++;
      slots[slot] = group + 1;
      firstRecords[group] = record;
      sizes[group] = 0;
    }
    sizes[group] = (sizes[group] as number) + 1;
    records[events] = record;
    groupOf[events] = group;
    events += 1;
  }

  // Counting sort: each span's records side by side, in the order read.
  let sum = 0;
  for (let group = 0; group < groups; group++) {
    ends[group] = sum;
    sum += sizes[group] as number;
  }
  for (let i = 0; i < events; i++) {
    const group = groupOf[i] as number;
    sorted[ends[group] as number] = records[i] as number;
    ends[group] = (ends[group] as number) + 1;
  }

  const { nodes } = memory;
  nodes.reset();
  const spans: SpanNode[] = [];
  for (let group = 0; group < groups; group++) {
    const end = ends[group] as number;
    const start = end - (sizes[group] as number);
    sortBySequence(words, sorted, start, end);
    spans.push(spanFrom(words, floats, sorted, start, end, isClient, nodes));
  }

  return { words, floats, spans, nodes, slots, firstRecords, inferred: [] };
}

/** The slot of a record's span, or the free one that it goes to. */
function slotOf(words: Int32Array, record: number, slots: Int32Array, firstRecords: Int32Array): number {
  const mask = slots.length - 1;
  let slot = hashAt(words, record + WORD.TRACE, record + WORD.REQUEST) & mask;
  while (slots[slot] !== 0 && !sameSpan(words, firstRecords[(slots[slot] as number) - 1] as number, record)) {
    slot = (slot + 1) & mask;
  }
  return slot;
}

/** The span with the request id at `id`, in the trace of the record at `trace`. */
export function findSpan(table: SpanTable, trace: number, id: number): SpanNode | undefined {
  const { words, slots, firstRecords } = table;
  const mask = slots.length - 1;
  let slot = hashAt(words, trace + WORD.TRACE, id) & mask;
  while (slots[slot] !== 0) {
    const group = (slots[slot] as number) - 1;
    const record = firstRecords[group] as number;
    if (sameTrace(words, record, trace) && sameId(words, record + WORD.REQUEST, id)) return table.spans[group];
    slot = (slot + 1) & mask;
  }
  if (table.inferred.length === 0) return undefined;
  return table.inferred.find((known) => sameTrace(words, known.span.record, trace) && sameId(words, known.id, id))
    ?.span;
}

function spanFrom(
  words: Int32Array,
  floats: Float64Array,
  sorted: Int32Array,
  start: number,
  end: number,
  isClient: (origin: number) => boolean,
  nodes: NodePool,
): SpanNode {
  const first = sorted[start] as number;
  const origin = words[first + WORD.ORIGIN] as number;
  const span = nodes.span(first, origin, isClient(origin), false);
  span.events = end - start;
  for (let i = start; i < end; i++) {
    const record = sorted[i] as number;
    const meta = words[record] as number;
    const kind = kindOf(meta);
    if (isDecision(kind)) span.decisions = [...span.decisions, record];
    else if (kind === FAULT_INJECTED) span.faults = [...span.faults, record];
    else if ((flagsOf(meta) & FLAG.CALL) !== 0) {
      if (kind === REQUEST_SENT) {
        nodes.call(span, record, -1);
      } else {
        const call = endedCall(words, span, record, nodes);
        if (kind === ERROR) call.errorKind = errorKindOf(words, record);
      }
    } else if (kind === REQUEST_RECEIVED) span.received = record;
    else if (kind === RESULT_PRODUCED) span.result = record;
    else if (kind === RESPONSE_SENT) span.ended = record;
    else if (kind === ERROR) span.error = record;
    const announced = words[record + WORD.SPAN_EVENTS] as number;
    if (announced > 0) {
      span.expected = announced;
      span.ended = record;
    }
  }
  if (span.isClient) {
    const answered = span.calls[span.calls.length - 1]?.ended ?? -1;
    span.ended = answered;
  }
  if (span.ended >= 0) {
    span.durationMs = floats[(span.ended + WORD.DURATION) >> 1] as number;
    span.status = statusOf(words[span.ended] as number);
  }
  if (span.status === 0 && span.result >= 0) span.status = statusOf(words[span.result] as number);
  return span;
}

/** The answer, or the failure, of the attempt that is still open at the same place; alone where it never started. */
function endedCall(words: Int32Array, span: SpanNode, record: number, nodes: NodePool): CallNode {
  const { calls } = span;
  for (let i = 0; i < calls.length; i++) {
    const call = calls[i] as CallNode;
    if (call.ended >= 0 || call.sent < 0) continue;
    if (!sameId(words, call.sent + WORD.CALL_PLACE, record + WORD.CALL_PLACE)) continue;
    if (words[call.sent + WORD.ATTEMPT] !== words[record + WORD.ATTEMPT]) continue;
    call.ended = record;
    return call;
  }
  return nodes.call(span, -1, record);
}

function sortBySequence(words: Int32Array, sorted: Int32Array, start: number, end: number): void {
  for (let i = start + 1; i < end; i++) {
    const record = sorted[i] as number;
    const seq = (words[record + WORD.SEQ] as number) >>> 0;
    let j = i;
    while (j > start && (words[(sorted[j - 1] as number) + WORD.SEQ] as number) >>> 0 > seq) {
      sorted[j] = sorted[j - 1] as number;
      j -= 1;
    }
    sorted[j] = record;
  }
}

function sameSpan(words: Int32Array, a: number, b: number): boolean {
  return (
    words[a + WORD.ORIGIN] === words[b + WORD.ORIGIN] &&
    sameId(words, a + WORD.REQUEST, b + WORD.REQUEST) &&
    sameTrace(words, a, b)
  );
}

export function sameTrace(words: Int32Array, a: number, b: number): boolean {
  return sameId(words, a + WORD.TRACE, b + WORD.TRACE) && sameId(words, a + WORD.TRACE + 2, b + WORD.TRACE + 2);
}

/** Whether two ids of two words are the same. */
export function sameId(words: Int32Array, a: number, b: number): boolean {
  return words[a] === words[b] && words[a + 1] === words[b + 1];
}

export function hasId(words: Int32Array, at: number): boolean {
  return words[at] !== 0 || words[at + 1] !== 0;
}

/** Mixes the last words of the trace id with the request id (multipliers of MurmurHash3's finaliser). */
function hashAt(words: Int32Array, trace: number, id: number): number {
  let h = Math.imul((words[id] as number) ^ (words[trace + 3] as number), 0x85ebca6b);
  h = Math.imul((h ^ (h >>> 15)) + (words[id + 1] as number), 0xc2b2ae35);
  return h ^ (h >>> 13);
}

function powerOfTwo(least: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(2, least)));
}
