import { FLAG, flagsOf, hexOf, VIA, viaOf, WORD } from '../events/event-record';
import { type SpanTable, sameTrace } from './group-spans';
import type { Pairing } from './pair-receipts';
import type { CallNode, FlowNode, FlowWarning, SpanNode } from './span-node';

/**
 * Makes flows of trees. A flow is one edge request: each client request is one, each root that no client request leads
 * to is one; a second one in the same trace is a flow of its own, with a warning. Orphans (spans whose caller is
 * nowhere) join the flow of their trace. Every span ends in exactly one flow.
 */
export function assembleFlows(table: SpanTable, pairing: Pairing): readonly FlowNode[] {
  const { words, spans } = table;
  const flows: FlowNode[] = [];
  const byTrace = traceIndex(words);

  const add = (client: SpanNode | null, root: SpanNode, orphans: SpanNode[] = []): FlowNode => {
    const flow: FlowNode = { client, root, orphans, warnings: [], complete: true };
    if (client) claim(client);
    claim(root);
    for (const orphan of orphans) claim(orphan);
    flows.push(flow);
    byTrace.add(flow);
    return flow;
  };

  for (const span of spans) {
    if (span.isClient) add(span, span.calls.find(({ child }) => child !== null)?.child ?? span);
  }
  const orphans: SpanNode[] = [];
  for (const span of pairing.parentless) {
    if (isRoot(words, span)) add(null, span);
    else orphans.push(span);
  }
  for (const own of byTrace.several()) {
    const trace = hexOf(words, (own[0] as FlowNode).root.record + WORD.TRACE, 4);
    for (const flow of own) flow.warnings.push(secondRoot(trace, own.length));
  }
  const adopt = (span: SpanNode, warning: FlowWarning): void => {
    const own = byTrace.flowsOf(span);
    // Which of several flows of a trace an orphan belongs to is unknown, so all of them are in doubt.
    for (const flow of own.slice(1)) flow.warnings.push(warning);
    const flow = own[0];
    if (flow === undefined) add(null, span).warnings.push(warning);
    else {
      flow.warnings.push(warning);
      if (flow.root.inFlow) flow.orphans.push(span);
      claim(span);
    }
  };
  for (const span of orphans) {
    adopt(span, {
      kind: 'orphan',
      text: `a request came from ${hexOf(words, span.record + WORD.PARENT, 2)}, of which there is no event`,
    });
  }
  // Only a cycle of parents is left: ids that contradict each other.
  for (const span of spans) {
    if (span.inFlow) continue;
    cut(span);
    adopt(span, { kind: 'cycle', text: 'requests name each other as their callers' });
  }
  return flows;
}

/** A request that came by the edge, or without a caller. */
function isRoot(words: Int32Array, { received, record }: SpanNode): boolean {
  if (received >= 0 && viaOf(words[received] as number) === VIA.edge) return true;
  return received >= 0 && (flagsOf(words[record] as number) & FLAG.PARENT) === 0;
}

/** Takes a span from its caller. */
function cut(span: SpanNode): void {
  const { call, parent } = span;
  if (call) {
    call.child = null;
    const wasMadeUp = call.sent < 0 && call.ended < 0;
    if (wasMadeUp) call.caller.calls.splice(call.caller.calls.indexOf(call), 1);
  }
  if (parent) parent.queued = parent.queued.filter((other) => other !== span);
}

/** Marks a tree as belonging to a flow; stops where it meets itself. */
function claim(span: SpanNode): void {
  const stack = [span];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (node.inFlow) continue;
    node.inFlow = true;
    for (let i = 0; i < node.calls.length; i++) {
      const { child } = node.calls[i] as CallNode;
      if (child) stack.push(child);
    }
    if (node.queued.length > 0) stack.push(...node.queued);
  }
}

/** Flows by trace id. */
interface TraceIndex {
  add(flow: FlowNode): void;
  flowsOf(span: SpanNode): readonly FlowNode[];
  /** Those of each trace that has more than one. */
  several(): readonly (readonly FlowNode[])[];
}

/** By the last word of the trace id, which is as good as random; a text for each flow's would cost more than the rest. */
function traceIndex(words: Int32Array): TraceIndex {
  const lists = new Map<number, FlowNode[]>();
  const shared = new Set<FlowNode[]>();
  const lastWord = ({ record }: SpanNode): number => words[record + WORD.TRACE + 3] as number;
  const flowsOf = (span: SpanNode): readonly FlowNode[] =>
    (lists.get(lastWord(span)) ?? []).filter(({ root }) => sameTrace(words, root.record, span.record));

  return {
    flowsOf,
    add(flow) {
      const key = lastWord(flow.root);
      const list = lists.get(key);
      if (list) shared.add(list);
      if (list) list.push(flow);
      else lists.set(key, [flow]);
    },
    several() {
      const found: (readonly FlowNode[])[] = [];
      for (const list of shared) {
        for (const flow of list) {
          const own = flowsOf(flow.root);
          if (own.length > 1 && own[0] === flow) found.push(own);
        }
      }
      return found;
    },
  };
}

function secondRoot(trace: string, count: number): FlowWarning {
  return { kind: 'second-root', text: `${count} edge requests bear the trace id ${trace}` };
}
