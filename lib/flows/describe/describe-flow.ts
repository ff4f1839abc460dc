import { roundMs } from '../../model/event-line';
import { flowDurationMs, flowStatus } from '../analysis/statistics';
import { type NodeOrdering, orderings } from '../clocks/orderings';
import { placeFlow } from '../clocks/place-flow';
import { eachSpan } from '../clocks/run-clocks';
import { extraOf, hexOf, WORD } from '../events/event-record';
import type { Flow, Ordering } from '../flow';
import { inferExpected } from '../inference/infer-expected';
import type { FlowNode, SpanNode } from '../rebuild/span-node';
import { firstEvent, startMillis, unseenMs } from '../rebuild/span-times';
import { describeCall, describeSpan } from './describe-span';
import { bounded, isoTime, known } from './figures';
import { clientOffset, type Describing, startOffset } from './placing';

/** A flow as users see it. */
export function describeFlow(flow: FlowNode, describing: Describing): Flow {
  const { table, clocks } = describing;
  const { words } = table;
  const { root, client } = flow;
  const start = firstEvent(table, root);
  const startMs = startMillis(table, root);
  const placement = placeFlow(flow, table, clocks);
  const ordered = orderings(flow, table, placement, clocks);
  const orders = new Map<SpanNode, 'proved' | 'within-clock-error'>();
  for (const { second, proof } of ordered) {
    if (second.at !== 'start') continue;
    if (proof === null) orders.set(second.span, 'within-clock-error');
    else if (!orders.has(second.span)) orders.set(second.span, 'proved');
  }
  const context = { ...describing, placement, origin: { start, offsetMs: unseenMs(table, root) }, orders };
  const traceId = hexOf(words, root.record + WORD.TRACE, 4);
  const clientCall = client?.calls[0];
  const key = keyOf(flow, words);
  const described: Flow = {
    traceId,
    key: key ?? traceId,
    startTime: isoTime(startMs),
    durationMs: known(flowDurationMs(flow, table)),
    status: flowStatus(flow) || null,
    complete: flow.complete,
    warnings: flow.warnings.map(({ text }) => text),
    client: clientCall ? describeCall(clientCall, context, clientOffset(clientCall, flow, context), null) : null,
    root: describeSpan(root, context, 0),
    orphans: flow.orphans.map((orphan) => describeSpan(orphan, context, startOffset(orphan, context))),
    orderings: ordered.map((ordering) => describeOrdering(ordering, describing)),
  };
  const isDoubtful = key === undefined || flow.warnings.some(({ kind }) => kind === 'second-root' || kind === 'cycle');
  return describing.expectation === null || isDoubtful ? described : inferExpected(described, describing.expectation);
}

function describeOrdering({ first, second, apartMs, boundMs, proof }: NodeOrdering, context: Describing): Ordering {
  const { table, processes } = context;
  const event = ({ span, at }: NodeOrdering['first']): Ordering['first'] => ({
    requestId: hexOf(table.words, span.record + WORD.REQUEST, 2),
    instance: processes[span.origin]?.instance ?? '?',
    at,
  });
  return { first: event(first), second: event(second), apartMs: roundMs(apartMs), boundMs: bounded(boundMs), proof };
}

/** As the beginning of any of its requests tells; undefined where all of those are lost. */
function keyOf({ root, client, orphans }: FlowNode, words: Int32Array): string | undefined {
  const of = (record: number): string => extraOf(words, record).key ?? hexOf(words, record + WORD.TRACE, 4);
  const sent = client?.calls[0]?.sent ?? -1;
  if (root.received >= 0) return of(root.received);
  if (sent >= 0) return of(sent);
  let key: string | undefined;
  for (const top of [root, ...orphans]) {
    eachSpan(top, ({ received }) => {
      if (received >= 0) key ??= of(received);
    });
  }
  return key;
}
