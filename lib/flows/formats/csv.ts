import type { Flow, Span } from '../flow';
import { orderMark } from './order-mark';

/**
 * A row a span, for spreadsheets and data frames: RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180), a header row, lines
 * that end in CR LF, UTF-8. What is unknown is empty; truth values are `true` and `false`; `faults` is JSON. Texts stand as
 * they were logged, so read them as text where a spreadsheet would take `=…` for a formula.
 */
export function* csv(flows: Iterable<Flow>): Generator<string> {
  yield csvRow(COLUMNS.map(([name]) => name));
  for (const flow of flows) {
    for (const span of spansOf(flow)) yield csvRow(COLUMNS.map(([, value]) => value(span, flow)));
  }
}

type Cell = string | number | boolean | null | undefined;

const COLUMNS: readonly (readonly [name: string, value: (span: Span, flow: Flow) => Cell])[] = [
  ['trace_id', (_, flow) => flow.traceId],
  ['key', (_, flow) => flow.key],
  ['request_id', (span) => span.requestId],
  ['parent_request_id', (span) => span.parentRequestId],
  ['service', (span) => span.service],
  ['instance', (span) => span.instance],
  ['process', (span) => span.process],
  ['endpoint', (span) => span.endpoint],
  ['via', (span) => span.via],
  ['place', (span) => span.place],
  ['epoch', (span) => span.epoch],
  ['start_time_raw', (span) => span.startTime],
  ['offset_ms', (span) => span.offsetMs],
  ['correction_ms', (span) => span.correctionMs],
  ['duration_ms', (span) => span.durationMs],
  ['self_ms', (span) => span.selfMs],
  ['status', (span) => span.status],
  ['error_kind', (span) => span.error?.kind],
  ['error_message', (span) => span.error?.message],
  ['attempts', (span) => span.calls.length],
  [
    'failed_attempts',
    (span) => span.calls.filter(({ error, status }) => error !== null || (status ?? 0) >= 400).length,
  ],
  ['retries', (span) => span.calls.filter(({ attempt, reconnect }) => (attempt ?? 1) > 1 || reconnect > 0).length],
  ['critical', (span) => span.critical],
  ['complete', (span) => span.complete],
  ['inferred', (span) => span.inferred],
  ['order', (span) => orderMark(span).order],
  ['uncertainty_ms', (span) => orderMark(span).uncertaintyMs],
  ['inferred_from', (span) => span.inferredFrom ?? null],
  ['faults', (span) => (span.faults.length > 0 ? JSON.stringify(span.faults) : null)],
  ['decisions', (span) => (span.decisions.length > 0 ? JSON.stringify(span.decisions) : null)],
];

/** A flow's spans, callers first. */
export function* spansOf({ root, orphans }: Pick<Flow, 'root' | 'orphans'>): Generator<Span> {
  const stack = [root, ...orphans].reverse();
  for (let span = stack.pop(); span !== undefined; span = stack.pop()) {
    yield span;
    const below = [...span.calls.flatMap(({ child }) => child ?? []), ...span.queued];
    stack.push(...below.reverse());
  }
}

/** A line of RFC 4180. */
export function csvRow(cells: readonly Cell[]): string {
  return `${cells.map(field).join(',')}\r\n`;
}

function field(cell: Cell): string {
  const text = cell === null || cell === undefined ? '' : `${cell}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
