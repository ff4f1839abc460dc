import { checkSpan } from '../span/check-span';
import { isAccepted } from '../span/check-unworked';
import type { SpanContext } from '../span/span-context';
import type { FlowRecord, SpanRecord } from '../span-record';
import { checkClient } from './check-client';
import { checkPair, checkUnsent } from './check-pair';
import { checkQueued, isQueued } from './check-queued';
import { beginsFlow, checkRoot, overlayOf } from './check-root';
import { deadlines } from './deadlines';
import type { FlowContext } from './flow-context';
import { flowKey } from './flow-key';
import { pairKey, type RequestsSent, requestsSent, type Sent } from './requests-sent';

/**
 * Checks one flow: its beginning, each span by itself, each request sent against the span that handled it, and the
 * client's. Pure; what it finds goes to the context's findings.
 */
export function checkFlow(flow: FlowRecord, context: FlowContext): void {
  const { topologies, findings, tails, hasClient } = context;
  const sent = requestsSent(flow, topologies);
  const { roots, sentFor, queued } = joined(flow, sent, context);
  const begins = (span: SpanRecord): boolean => roots.includes(span) && beginsFlow(span, flow);
  const deadlineOf = deadlines(sentFor, begins, topologies);
  const ofFlow = { topologies, findings, key: flowKey(flow.spans.values(), flow.traceId) };
  const overlay = overlayOf(roots, flow);

  for (const root of roots) checkRoot(root, flow, context);
  for (const span of flow.spans.values()) {
    const spanContext: SpanContext = {
      ...ofFlow,
      overlay,
      deadlineMs: deadlineOf(span),
      cutBy: tails.ofProcess(span.process),
      asked: sentFor.get(span)?.kind,
      clockMoved: [span.received, span.last].some((event) => event !== undefined && context.clockMoved(event)),
    };
    checkSpan(span, spanContext);
    if (isAccepted(span)) checkQueued(span, queued.get(span.requestId) ?? [], context);
  }
  for (const request of sent.values()) checkPair(request, context);
  if (hasClient) checkClient(flow, roots, context);
}

interface Joined {
  /** Spans without a caller among the spans. */
  readonly roots: readonly SpanRecord[];
  /** The request that each of the others handled. */
  readonly sentFor: ReadonlyMap<SpanRecord, Sent>;
  /** The work of `send`s, by the request that accepted it. */
  readonly queued: ReadonlyMap<string, readonly SpanRecord[]>;
}

/** Joins each span to the request that it handled; a span that its caller says nothing of is reported. */
function joined(flow: FlowRecord, sent: RequestsSent, context: FlowContext): Joined {
  const roots: SpanRecord[] = [];
  const sentFor = new Map<SpanRecord, Sent>();
  const queued = new Map<string, SpanRecord[]>();
  for (const span of flow.spans.values()) {
    const { parentRequestId, place } = span.events[0] ?? {};
    if (parentRequestId === undefined) {
      roots.push(span);
      continue;
    }
    if (isQueued(span, flow)) {
      const works = queued.get(parentRequestId);
      if (works) works.push(span);
      else queued.set(parentRequestId, [span]);
      continue;
    }
    const own = sent.get(pairKey(parentRequestId, place));
    const parent = flow.spans.get(parentRequestId);
    if (own) {
      own.children.push(span);
      sentFor.set(span, own);
    } else if (parent) checkUnsent(span, parent, sent, context);
    else roots.push(span);
  }
  return { roots, sentFor, queued };
}
