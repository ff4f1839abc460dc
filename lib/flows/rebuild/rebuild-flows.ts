import { WORD } from '../events/event-record';
import type { EventStore } from '../events/event-store';
import { assembleFlows } from './assemble-flows';
import { judgeCompleteness, type RunKnowledge } from './completeness';
import { markCriticalPath } from './critical-path';
import { groupingMemory, groupSpans, type SpanTable } from './group-spans';
import { pairReceipts } from './pair-receipts';
import type { FlowNode } from './span-node';
import { startMillis } from './span-times';

/** The flows of one part of the run's records, by start. */
export interface FlowBatch {
  /** Number of the part. */
  readonly part: number;
  readonly table: SpanTable;
  readonly flows: readonly FlowNode[];
}

/**
 * Rebuilds flows from records, part by part: what a batch holds is overwritten when the next one is asked for.
 *
 * The order of the steps:
 * 1. Events of one request make a span. (Lines read twice are gone already: the reader knows them by sequence number.)
 * 2. Receipts find the call that they answer, and inferred spans fill holes. Only then is it known who has no caller.
 * 3. Trees become flows; what hangs nowhere joins the flow of its trace.
 * 4. What is lost is judged on the finished trees: only there does a missing child show.
 * 5. The critical path needs the finished trees too, and nothing of the judgement.
 *
 * @param only the parts wanted; all where left out
 */
export function* rebuildFlows(store: EventStore, run: RunKnowledge, only?: ReadonlySet<number>): Generator<FlowBatch> {
  const { parts } = store;
  const memory = groupingMemory();
  for (let part = 0; part < parts; part++) {
    if (only && !only.has(part)) continue;
    const words = store.part(part);
    if (words.length === 0) continue;
    const table = groupSpans(words, run.isClient, memory);
    const pairing = pairReceipts(table);
    const flows = assembleFlows(table, pairing);
    judgeCompleteness(flows, table, pairing, run);
    for (const flow of flows) markCriticalPath(flow, table);
    yield { part, table, flows: sortByStart(flows, table) };
  }
}

function sortByStart(flows: readonly FlowNode[], table: SpanTable): readonly FlowNode[] {
  const { words } = table;
  const starts = Float64Array.from(flows, ({ root }) => startMillis(table, root));
  if (starts.every((start, index) => index === 0 || (starts[index - 1] as number) < start)) return flows;
  const sequence = (index: number): number => words[(flows[index] as FlowNode).root.record + WORD.SEQ] as number;
  const order = Int32Array.from(flows.keys()).sort(
    (a, b) => (starts[a] as number) - (starts[b] as number) || sequence(a) - sequence(b),
  );
  return Array.from(order, (index) => flows[index] as FlowNode);
}
