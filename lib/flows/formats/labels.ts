import type { FlowLabel, SpanLabel } from '../labels/label';
import { csvRow } from './csv';

/** A flow a line, with its spans: `FlowLabel` of `lib/flows/labels/label.ts`. */
export function* labelLines(flows: Iterable<FlowLabel>): Generator<string> {
  for (const flow of flows) yield `${JSON.stringify(flow)}\n`;
}

type Cell = string | number | boolean | null;

/**
 * A row a span, in the manner of the format `csv`: RFC 4180, a header row, what is unknown is empty. Columns that begin
 * with `flow_` are the same for all spans of a flow; `faults`, `effects` and `exposed` are JSON.
 */
export function* labelsCsv(flows: Iterable<FlowLabel>): Generator<string> {
  yield csvRow(COLUMNS.map(([name]) => name));
  for (const flow of flows) for (const span of flow.spans) yield csvRow(COLUMNS.map(([, value]) => value(span, flow)));
}

const COLUMNS: readonly (readonly [name: string, value: (span: SpanLabel, flow: FlowLabel) => Cell])[] = [
  ['trace_id', (_, flow) => flow.traceId],
  ['request_id', (span) => span.requestId],
  ['parent_request_id', (span) => span.parentRequestId],
  ['service', (span) => span.service],
  ['instance', (span) => span.instance],
  ['endpoint', (span) => span.endpoint],
  ['edge', (span) => span.edge],
  ['start_time_raw', (span) => span.startTime],
  ['offset_ms', (span) => span.offsetMs],
  ['duration_ms', (span) => span.durationMs],
  ['status', (span) => span.status],
  ['anomalous', (span) => span.anomalous],
  ['counterfactual_ms', (span) => span.counterfactualMs],
  ['counterfactual_status', (span) => span.counterfactualStatus],
  ['added_ms', (span) => span.addedMs],
  ['basis', (span) => span.basis],
  ['fault_types', (span) => [...new Set(span.faults.map(({ type }) => type))].join(' ')],
  ['effect_kinds', (span) => [...new Set(span.effects.flatMap(({ kinds }) => kinds))].join(' ')],
  ['exposed_to', (span) => [...new Set(span.exposed.map(({ type }) => type))].join(' ')],
  ['faults', (span) => json(span.faults)],
  ['effects', (span) => json(span.effects)],
  ['exposed', (span) => json(span.exposed)],
  ['indirect', (span) => json(span.indirect)],
  ['flow_status', (_, flow) => flow.status],
  ['flow_duration_ms', (_, flow) => flow.durationMs],
  ['flow_anomalous', (_, flow) => flow.anomalous],
  ['flow_faulted', (_, flow) => flow.faulted],
  ['flow_added_ms', (_, flow) => flow.addedMs],
  ['flow_counterfactual_status', (_, flow) => flow.counterfactualStatus],
];

function json(list: readonly object[]): string | null {
  return list.length > 0 ? JSON.stringify(list) : null;
}
