import { parseCallee } from '../../model/callee';
import { CLIENT_SERVICE } from '../../model/contract';
import { combine, formatHash, hashText } from '../../model/draw';
import type { EventError } from '../../model/event';
import type { Call, Flow, Span } from '../flow';

/**
 * A flow as other tools think of traces: one kind of thing, with an id and a parent. Our spans are `server` items, or
 * `consumer` ones for the work of a `send`; our attempts become spans of their own (`client`, `producer` for a `send`).
 * Times are milliseconds from the flow's start, placed by causality.
 */
export interface TraceItem {
  readonly kind: 'server' | 'consumer' | 'client' | 'producer';
  /** Of a span its request id; of an attempt derived from it, the same in every export. */
  readonly spanId: string;
  readonly parentSpanId: string | null;
  /** Where it ran: for an attempt, who made it. */
  readonly service: string;
  readonly instance: string;
  readonly process: string | null;
  /** `METHOD /path` of the request handled or sent, or `?`. */
  readonly endpoint: string;
  /** Of an attempt: the service called, or `?`. */
  readonly callee: string | null;
  readonly startMs: number;
  /** Where its end is lost: the latest that is known of it. */
  readonly endMs: number;
  readonly endKnown: boolean;
  readonly status: number | null;
  readonly error: EventError | null;
  readonly critical: boolean;
  /** What is behind it: a span, an attempt, or both for the client where nobody received its request. */
  readonly span: Span | null;
  readonly call: Call | null;
}

/** All items of a flow, each parent before its children. */
export function traceItems({ client, root, orphans }: Flow): TraceItem[] {
  const items: TraceItem[] = [];
  if (client !== null) {
    const isRoot = root.service === CLIENT_SERVICE;
    const spanId = isRoot ? root.requestId : (root.parentRequestId ?? derivedId(root.requestId, 'client', 0));
    items.push({
      ...attempt(client, { service: CLIENT_SERVICE, instance: CLIENT_SERVICE, process: null }, spanId, null),
      endpoint: isRoot ? endpointOf(client.callee) : (root.endpoint ?? '?'),
      callee: isRoot ? serviceOf(client.callee) : root.service,
      span: isRoot ? root : null,
    });
    if (!isRoot) addSpan(root, spanId, items);
  } else addSpan(root, root.parentRequestId, items);
  for (const orphan of orphans) addSpan(orphan, orphan.parentRequestId, items);
  return items;
}

/** Whether its outcome is a failure: an error, or a status that its side of the call counts as one. */
export function itemFailed({ kind, status, error }: TraceItem): boolean {
  const least = kind === 'client' || kind === 'producer' ? 400 : 500;
  return error !== null || (status !== null && status >= least);
}

/** Where an attempt hangs on: the attempt itself, or the root for the client. */
function addSpan(span: Span, parentSpanId: string | null, items: TraceItem[], isQueued = span.via === 'queue'): void {
  const spanId = usableId(span, parentSpanId);
  const at = items.length;
  const { service, instance, process, status, error, critical } = span;
  const item: TraceItem = {
    kind: isQueued ? 'consumer' : 'server',
    spanId,
    parentSpanId,
    service,
    instance,
    process,
    endpoint: span.endpoint ?? '?',
    callee: null,
    startMs: span.offsetMs,
    endMs: latestOf(span),
    endKnown: span.durationMs !== null,
    status,
    error,
    critical,
    span,
    call: null,
  };
  items[at] = item;
  for (const [index, call] of span.calls.entries()) {
    const callId = derivedId(spanId, call.callPlace ?? `${index}`, call.reconnect);
    items.push(attempt(call, span, callId, spanId));
    if (call.child) addSpan(call.child, callId, items);
  }
  for (const child of span.queued) addSpan(child, spanId, items, true);
}

function attempt(
  call: Call,
  { service, instance, process }: Pick<Span, 'service' | 'instance' | 'process'>,
  spanId: string,
  parentSpanId: string | null,
): TraceItem {
  const { child, offsetMs, durationMs, status, error, critical } = call;
  const isSend = (call.step?.startsWith('send:') ?? false) || (child?.queued.length ?? 0) > 0;
  return {
    kind: isSend ? 'producer' : 'client',
    spanId,
    parentSpanId,
    service,
    instance,
    process,
    endpoint: child?.endpoint ?? endpointOf(call.callee),
    callee: child?.service ?? serviceOf(call.callee),
    startMs: offsetMs,
    endMs: offsetMs + (durationMs ?? 0),
    endKnown: durationMs !== null,
    status,
    error,
    critical,
    span: null,
    call,
  };
}

/** A span's end; where that is lost, the end of what it is known to have begun. */
function latestOf({ offsetMs, durationMs, calls }: Span): number {
  if (durationMs !== null) return offsetMs + durationMs;
  return calls.reduce((latest, call) => Math.max(latest, call.offsetMs + (call.durationMs ?? 0)), offsetMs);
}

function derivedId(requestId: string, callPlace: string, reconnect: number): string {
  return formatHash(combine(hashText(requestId), hashText(callPlace), hashText(`attempt ${reconnect}`)));
}

/** An inferred span whose request id nobody told still needs one. */
function usableId({ requestId, place }: Span, parentSpanId: string | null): string {
  return /^0*$/.test(requestId) ? derivedId(parentSpanId ?? '', place ?? '', -1) : requestId;
}

/** `service METHOD /path` */
function serviceOf(callee: string | null): string {
  return parseCallee(callee ?? '').service || '?';
}

function endpointOf(callee: string | null): string {
  const space = callee?.indexOf(' ') ?? -1;
  return callee === null || space < 0 ? '?' : callee.slice(space + 1);
}
