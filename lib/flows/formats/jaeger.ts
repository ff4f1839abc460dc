import type { Flow, Ordering } from '../flow';
import { openOrderings, openOrderingText } from './open-orderings';
import { orderMark } from './order-mark';
import type { RunName } from './otlp';
import { itemFailed, type TraceItem, traceItems } from './trace-item';

/**
 * The JSON that Jaeger's UI takes under "Upload" and its query API answers: `{ "data": [trace, …] }`.
 * Shapes: https://github.com/jaegertracing/jaeger, `internal/uimodel/model.go`. Times are whole microseconds.
 */
export function* jaeger(flows: Iterable<Flow>, { run, topology }: RunName): Generator<string> {
  yield '{"data":[';
  let separator = '\n';
  for (const flow of flows) {
    yield separator + JSON.stringify(traceOf(flow, run, topology));
    separator = ',\n';
  }
  yield '\n]}\n';
}

interface Tag {
  readonly key: string;
  readonly type: 'string' | 'bool' | 'int64' | 'float64';
  readonly value: string | number | boolean;
}

function traceOf(flow: Flow, run: string, topology: string): unknown {
  const items = traceItems(flow);
  const ids = new Map<string, string>();
  const processes: Record<string, unknown> = {};
  const processId = ({ service, instance, process }: TraceItem): string => {
    const key = JSON.stringify([service, instance, process]);
    let id = ids.get(key);
    if (id === undefined) {
      id = `p${ids.size + 1}`;
      ids.set(key, id);
      processes[id] = {
        serviceName: service,
        tags: tags({ 'service.instance.id': instance, 'microcosm.process': process, run, topology }),
      };
    }
    return id;
  };
  const { traceId, warnings } = flow;
  const known = new Set(items.map(({ spanId }) => spanId));
  const open = openOrderings(flow);
  const spans = items.map((item) => spanOf(flow, item, processId(item), known, open.get(item.span?.requestId ?? '')));
  return { traceID: traceId, spans, processes, warnings: warnings.length > 0 ? warnings : null };
}

function spanOf(
  flow: Flow,
  item: TraceItem,
  processID: string,
  known: ReadonlySet<string>,
  open: readonly Ordering[] = [],
): unknown {
  const { traceId: traceID } = flow;
  const { kind, spanId, parentSpanId, callee, endpoint, startMs, endMs } = item;
  const refType = kind === 'consumer' ? 'FOLLOWS_FROM' : 'CHILD_OF';
  // A parent outside the trace (a foreign caller) would stand as a warning beside every span.
  const hasParent = parentSpanId !== null && known.has(parentSpanId);
  const warnings = [...warningsOf(item), ...open.map(openOrderingText)];
  return {
    traceID,
    spanID: spanId,
    operationName: kind === 'producer' ? `send ${callee}` : endpoint,
    references: hasParent ? [{ refType, traceID, spanID: parentSpanId }] : [],
    startTime: microseconds(flow, startMs),
    duration: Math.max(0, Math.round((endMs - startMs) * 1000)),
    tags: tags(tagsOf(item)),
    logs: logsOf(flow, item),
    processID,
    warnings: warnings.length > 0 ? warnings : null,
  };
}

function tagsOf(item: TraceItem): Record<string, unknown> {
  const { kind, status, callee, span, call, critical } = item;
  const [method] = /^\S+(?= \/)/.exec(item.endpoint) ?? [];
  return {
    'span.kind': kind,
    'http.request.method': method,
    'http.response.status_code': status,
    error: itemFailed(item) || undefined,
    'peer.service': callee,
    'microcosm.critical': critical || undefined,
    'microcosm.step': call?.step,
    'microcosm.attempt': call?.attempt,
    'microcosm.reconnect': call?.reconnect || undefined,
    'microcosm.peer_instance': call?.peer,
    'microcosm.place': span?.place,
    'microcosm.self_ms': span?.selfMs,
    'microcosm.start_time_raw': span?.startTime,
    'microcosm.correction_ms': span?.correctionMs || undefined,
    ...(span && prefixed(orderMark(span))),
  };
}

function prefixed(mark: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(mark).map(([key, value]) => [`microcosm.${key}`, value]));
}

function warningsOf({ span, endKnown }: TraceItem): readonly string[] {
  return [
    ...(endKnown ? [] : ['its end is lost: it may have taken longer']),
    ...(span?.inferred
      ? [
          `all its events are lost: this is what ${span.inferredFrom === 'topology' ? 'the topology proves' : 'its caller tells'}`,
        ]
      : []),
    ...(span && !span.inferred && !span.complete ? ['events of it are lost'] : []),
  ];
}

function logsOf(flow: Flow, { span, error, startMs, endMs }: TraceItem): unknown[] {
  const faults = (span?.faults ?? []).map((fault) => ({
    timestamp: microseconds(flow, startMs),
    fields: tags({ event: 'fault', ...fault }),
  }));
  const decisions = (span?.decisions ?? []).map(({ event, offsetMs, figures, ...call }) => ({
    timestamp: microseconds(flow, offsetMs),
    fields: tags({ ...figures, ...call, event }),
  }));
  const own = [...faults, ...decisions];
  if (error === null) return own;
  const fields = tags({ event: 'error', 'error.kind': error.kind, message: error.message });
  return [...own, { timestamp: microseconds(flow, endMs), fields }];
}

function tags(values: Readonly<Record<string, unknown>>): Tag[] {
  return Object.entries(values).flatMap(([key, value]): Tag[] => {
    if (value === undefined || value === null) return [];
    if (typeof value === 'string') return [{ key, type: 'string', value }];
    if (typeof value === 'boolean') return [{ key, type: 'bool', value }];
    if (typeof value === 'number') return [{ key, type: Number.isSafeInteger(value) ? 'int64' : 'float64', value }];
    return [{ key, type: 'string', value: JSON.stringify(value) }];
  });
}

function microseconds({ startTime }: Flow, offsetMs: number): number {
  return Date.parse(startTime) * 1000 + Math.round(offsetMs * 1000);
}
