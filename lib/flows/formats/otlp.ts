import type { Flow, Ordering } from '../flow';
import { openOrderings, openOrderingText } from './open-orderings';
import { orderMark } from './order-mark';
import { itemFailed, type TraceItem, traceItems } from './trace-item';

/**
 * OTLP/JSON: OpenTelemetry's trace format, as lines of one `TracesData` object each (the File Exporter's format, which
 * the collector's `otlpjsonfile` receiver reads; each line is also a body for `POST /v1/traces`).
 *
 * - https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding (ids in hexadecimal, 64-bit integers as text)
 * - https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/
 * - https://opentelemetry.io/docs/specs/semconv/http/http-spans/, .../general/recording-errors/, .../resource/
 *
 * A resource is one process of an instance. What OpenTelemetry has no name for is under `microcosm.`.
 *
 * @param run names the run in each resource
 */
export function* otlp(flows: Iterable<Flow>, run: RunName): Generator<string> {
  let batch: Resources = new Map();
  let spans = 0;
  for (const flow of flows) {
    const open = openOrderings(flow);
    for (const item of traceItems(flow)) {
      addItem(batch, flow, item, open.get(item.span?.requestId ?? ''));
      spans += 1;
    }
    if (spans < SPANS_A_LINE) continue;
    yield line(batch, run);
    batch = new Map();
    spans = 0;
  }
  if (spans > 0) yield line(batch, run);
}

export interface RunName {
  readonly run: string;
  readonly topology: string;
}

/** About a megabyte: collectors accept 4 MB over gRPC by default. */
const SPANS_A_LINE = 1500;

const KINDS = { server: 2, client: 3, producer: 4, consumer: 5 } as const;
const STATUS_ERROR = 2;

interface Resource {
  readonly service: string;
  readonly instance: string;
  readonly process: string | null;
  readonly spans: unknown[];
}

type Resources = Map<string, Resource>;
type Value = string | number | boolean | null | undefined;

function addItem(resources: Resources, flow: Flow, item: TraceItem, open: readonly Ordering[] = []): void {
  const { service, instance, process } = item;
  const key = JSON.stringify([service, instance, process]);
  let resource = resources.get(key);
  if (!resource) {
    resource = { service, instance, process, spans: [] };
    resources.set(key, resource);
  }
  resource.spans.push(spanOf(flow, item, open));
}

function line(resources: Resources, { run, topology }: RunName): string {
  const resourceSpans = Array.from(resources.values(), ({ service, instance, process, spans }) => ({
    resource: {
      attributes: attributes({
        'service.name': service,
        'service.namespace': topology,
        'service.instance.id': instance,
        'microcosm.run': run,
        'microcosm.process': process,
      }),
    },
    scopeSpans: [{ scope: { name: 'microcosm' }, spans }],
  }));
  return `${JSON.stringify({ resourceSpans })}\n`;
}

function spanOf(flow: Flow, item: TraceItem, open: readonly Ordering[]): unknown {
  const { kind, spanId, parentSpanId, endpoint, callee, status, error } = item;
  const failed = itemFailed(item);
  const events = [...eventsOf(flow, item), ...open.map((ordering) => orderEvent(flow, item, ordering))];
  return {
    traceId: flow.traceId,
    spanId,
    ...(parentSpanId !== null && { parentSpanId }),
    name: kind === 'producer' ? `send ${callee}` : kind === 'consumer' ? `process ${endpoint}` : endpoint,
    kind: KINDS[kind],
    startTimeUnixNano: unixNano(flow, item.startMs),
    endTimeUnixNano: unixNano(flow, item.endMs),
    attributes: attributes({ ...httpAttributes(item), ...ownAttributes(flow, item) }),
    ...(events.length > 0 && { events }),
    // A server's 4xx is no error of the server; what is fine stays unset, as the conventions ask.
    status: failed ? { code: STATUS_ERROR, message: error ? `${error.kind}: ${error.message}` : `${status}` } : {},
  };
}

function httpAttributes(item: TraceItem): Record<string, Value> {
  const { kind, endpoint, callee, status, error, call } = item;
  const [, method, path] = /^(\S+) (\/.*)$/.exec(endpoint) ?? [];
  const errorType = itemFailed(item) ? (error?.kind ?? `${status}`) : undefined;
  if (kind === 'consumer') {
    return {
      'messaging.system': 'microcosm',
      'messaging.operation.type': 'process',
      'messaging.operation.name': 'process',
      'messaging.destination.name': item.service,
      'error.type': errorType,
    };
  }
  const common = { 'http.request.method': method, 'http.response.status_code': status, 'error.type': errorType };
  if (kind === 'server') return { ...common, 'http.route': path, 'url.scheme': 'http' };
  const resends = (call?.attempt ?? 1) - 1 + (call?.reconnect ?? 0);
  return {
    ...common,
    'url.template': path,
    'server.address': callee,
    'http.request.resend_count': resends > 0 ? resends : undefined,
    'http.response.body.size': call?.bytes,
    ...(kind === 'producer' && {
      'messaging.system': 'microcosm',
      'messaging.operation.type': 'send',
      'messaging.operation.name': 'send',
      'messaging.destination.name': callee,
    }),
  };
}

function ownAttributes(flow: Flow, { span, call, critical, endKnown }: TraceItem): Record<string, Value> {
  const { order, uncertaintyMs } = span ? orderMark(span) : {};
  return {
    'microcosm.key': flow.key === flow.traceId ? undefined : flow.key,
    'microcosm.critical': critical,
    'microcosm.end_known': endKnown ? undefined : false,
    'microcosm.place': span?.place,
    'microcosm.via': span?.via,
    'microcosm.epoch': span?.epoch,
    'microcosm.start_time_raw': span?.startTime,
    'microcosm.correction_ms': span?.correctionMs || undefined,
    'microcosm.self_ms': span?.selfMs,
    'microcosm.complete': span && !span.complete ? false : undefined,
    'microcosm.inferred': span?.inferred || undefined,
    'microcosm.inferred_from': span?.inferredFrom,
    'microcosm.order': order,
    'microcosm.uncertainty_ms': uncertaintyMs,
    'microcosm.step': call?.step,
    'microcosm.repetition': call?.repetition,
    'microcosm.attempt': call?.attempt,
    'microcosm.reconnect': call?.reconnect || undefined,
    'microcosm.call_place': call?.callPlace,
    'microcosm.peer_instance': call?.peer,
    'microcosm.sent': call?.sent === false ? false : undefined,
  };
}

/** The log's events without a time in the flow stand at the start (faults) and the end (errors) of their span. */
function eventsOf(flow: Flow, { span, error, startMs, endMs }: TraceItem): unknown[] {
  const faults = (span?.faults ?? []).map((fault) => ({
    timeUnixNano: unixNano(flow, startMs),
    name: 'microcosm.fault',
    attributes: attributes(
      Object.fromEntries(Object.entries(fault).map(([key, value]) => [`microcosm.fault.${key}`, plain(value)])),
    ),
  }));
  const decisions = (span?.decisions ?? []).map(({ event, offsetMs, figures, ...call }) => ({
    timeUnixNano: unixNano(flow, offsetMs),
    name: 'microcosm.decision',
    attributes: attributes({
      'microcosm.decision.event': event,
      ...prefixed('microcosm.decision.', { ...call, ...figures }),
    }),
  }));
  const own = [...faults, ...decisions];
  if (error === null) return own;
  const attributesOfError = attributes({ 'exception.type': error.kind, 'exception.message': error.message });
  return [...own, { timeUnixNano: unixNano(flow, endMs), name: 'exception', attributes: attributesOfError }];
}

/** At the beginning or end that may have come before what it is shown after. */
function orderEvent(flow: Flow, { startMs, endMs }: TraceItem, ordering: Ordering): unknown {
  const { first, second, apartMs, boundMs } = ordering;
  return {
    timeUnixNano: unixNano(flow, second.at === 'start' ? startMs : endMs),
    name: 'microcosm.order_within_clock_error',
    attributes: attributes({
      'microcosm.order.what': openOrderingText(ordering),
      'microcosm.order.with': first.requestId,
      'microcosm.order.apart_ms': apartMs,
      'microcosm.order.bound_ms': boundMs,
    }),
  };
}

function prefixed(prefix: string, values: Readonly<Record<string, unknown>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [prefix + key, plain(value)]));
}

function plain(value: unknown): Value {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : (value as Value);
}

function attributes(values: Record<string, Value>): unknown[] {
  return Object.entries(values).flatMap(([key, value]) =>
    value === undefined || value === null ? [] : [{ key, value: anyValue(value) }],
  );
}

function anyValue(value: string | number | boolean): unknown {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isSafeInteger(value) ? { intValue: `${value}` } : { doubleValue: value };
}

function unixNano({ startTime }: Flow, offsetMs: number): string {
  return `${BigInt(Date.parse(startTime)) * 1_000_000n + BigInt(Math.round(offsetMs * 1e6))}`;
}
