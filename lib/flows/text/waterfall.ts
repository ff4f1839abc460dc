import type { Call, Flow, Span, SpanDecision } from '../flow';
import { orderLines } from './order-lines';
import { cut, millis, paint, printable, type Style } from './style';

export interface WaterfallOptions {
  /** Show each span's raw wall clock, and by how much it was moved. */
  readonly raw?: boolean;
  /** List the orderings between hosts that nothing proves; else they are counted. @default false */
  readonly orders?: boolean;
  /** Rows beyond which the rest is counted only. @default 60 */
  readonly rows?: number;
}

interface Row {
  readonly label: string;
  readonly note: string;
  readonly bad: boolean;
  readonly critical: boolean;
  readonly offsetMs: number;
  readonly durationMs: number | null;
}

/** A flow as a tree with bars on one axis; the critical path is marked, and its bars are solid. */
export function waterfall(
  flow: Flow,
  style: Style,
  { raw = false, orders = false, rows: most = 60 }: WaterfallOptions = {},
): readonly string[] {
  const rows: Row[] = [];
  spanRows(flow.root, '', '', rows, style, raw);
  for (const orphan of flow.orphans) spanRows(orphan, style.unicode ? '? ' : '? ', '  ', rows, style, raw);
  const shown = rows.slice(0, most);
  const end = Math.max(0.001, ...rows.map(({ offsetMs, durationMs }) => offsetMs + (durationMs ?? 0)));
  const start = Math.min(0, ...rows.map(({ offsetMs }) => offsetMs));
  const notes = Math.max(0, ...shown.map(({ note }) => note.length));
  const labels = Math.min(Math.max(...shown.map(({ label }) => label.length + 2)), Math.floor(style.width * 0.5));
  const timeWidth = 7;
  const noteWidth = Math.min(notes, 24);
  const bars = Math.max(10, style.width - labels - timeWidth - (noteWidth > 0 ? noteWidth + 1 : 0) - 3);
  const lines = shown.map((row) => {
    const mark = row.critical ? (style.unicode ? '●' : '*') : ' ';
    const label = cut(`${mark} ${row.label}`, labels, style).padEnd(labels);
    const bar = barOf(row, start, end, bars, style);
    const time = millis(row.durationMs).padStart(timeWidth);
    const note = row.note ? ` ${cut(row.note, noteWidth, style)}` : '';
    const colour = row.bad ? 'red' : row.critical ? 'cyan' : undefined;
    return `${colour ? paint(style, colour, label) : label} ${colour ? paint(style, colour, bar) : bar}${time}${row.bad ? paint(style, 'red', note) : note}`.trimEnd();
  });
  return [
    headline(flow, style),
    ...lines,
    ...more(rows.length - shown.length),
    ...orderLines(flow, style, orders),
    ...warnings(flow, style),
  ];
}

function headline(flow: Flow, style: Style): string {
  const status = flow.status === null ? 'no answer' : String(flow.status);
  const failed = flow.status === null || flow.status >= 500;
  const parts = [
    paint(style, 'bold', flow.traceId),
    `${millis(flow.durationMs)} ms`,
    failed ? paint(style, 'red', status) : status,
    flow.startTime.slice(11),
    ...(flow.key === flow.traceId ? [] : [`key ${printable(flow.key)}`]),
    ...(flow.complete ? [] : [paint(style, 'yellow', 'incomplete')]),
  ];
  return parts.join('  ');
}

function more(number: number): readonly string[] {
  return number > 0 ? [`  and ${number} more requests (all of them: --format json)`] : [];
}

function warnings(flow: Flow, style: Style): readonly string[] {
  const shown = flow.warnings.slice(0, 8).map((warning) => paint(style, 'yellow', `  ! ${printable(warning)}`));
  const left = flow.warnings.length - shown.length;
  return left > 0 ? [...shown, paint(style, 'yellow', `  ! and ${left} more warnings`)] : shown;
}

/** One thing below a span. */
interface Inner {
  readonly call?: Call;
  readonly decision?: SpanDecision;
  readonly queued?: Span;
}

/** Calls stay in the order sent where times are equal. */
function inOrder<T extends { readonly at: number }>(list: readonly T[]): readonly T[] {
  return [...list].sort((a, b) => a.at - b.at);
}

function spanRows(
  span: Span,
  lead: string,
  indent: string,
  rows: Row[],
  style: Style,
  raw: boolean,
  callError?: string,
): void {
  const failed = span.status !== null && span.status >= 500;
  const doubt = span.order === 'within-clock-error' ? (style.unicode ? '≈ ' : '~ ') : '';
  const notes = [
    ...(span.status !== null && span.status !== 200 ? [String(span.status)] : []),
    ...(span.error ? [span.error.kind] : []),
    ...(callError ? [`caller saw ${callError}`] : []),
    ...(span.inferred
      ? [span.inferredFrom === 'topology' ? 'inferred by topology' : 'inferred']
      : span.complete
        ? []
        : ['incomplete']),
    ...(span.correctionMs !== 0 ? [`moved ${signed(span.correctionMs)} ms`] : []),
    ...(raw ? [span.startTime.slice(11, 23)] : []),
  ];
  rows.push({
    label: printable(`${lead}${doubt}${span.instance} ${span.endpoint ?? ''}`.trimEnd()),
    note: printable(notes.join(' ')),
    bad: failed || span.error !== null || callError !== undefined,
    critical: span.critical,
    offsetMs: span.offsetMs,
    durationMs: span.durationMs,
  });
  const [tee, corner, pipe] = style.unicode ? ['├ ', '└ ', '│ '] : ['|-', '`-', '| '];
  const inner: readonly Inner[] = [
    ...inOrder([
      ...span.calls.map((call) => ({ call, at: call.offsetMs })),
      ...span.decisions.map((decision) => ({ decision, at: decision.offsetMs })),
    ]),
    ...span.queued.map((queued) => ({ queued })),
  ];
  for (const [index, { call, queued, decision }] of inner.entries()) {
    const last = index === inner.length - 1;
    const next = indent + (last ? corner : tee);
    const below = indent + (last ? '  ' : pipe);
    if (queued) spanRows(queued, `${next}later: `, below, rows, style, raw);
    else if (decision) rows.push(decisionRow(decision, next));
    else if (call?.child) spanRows(call.child, next + attemptMark(call), below, rows, style, raw, call.error?.kind);
    else if (call) rows.push(unanswered(call, next));
  }
}

/** A moment and no stretch of time. */
function decisionRow({ event, callee, offsetMs }: SpanDecision, lead: string): Row {
  const label = printable(`${lead}${event} ${callee ?? ''}`.trimEnd());
  return { label, note: '', bad: false, critical: false, offsetMs, durationMs: 0 };
}

function unanswered(call: Call, lead: string): Row {
  const who = call.callee ?? call.peer ?? 'a callee';
  const outcome = call.error?.kind ?? (call.status === null ? 'no end' : String(call.status));
  return {
    label: printable(`${lead}${attemptMark(call)}${who}`),
    note: printable(outcome),
    bad: true,
    critical: call.critical,
    offsetMs: call.offsetMs,
    durationMs: call.durationMs,
  };
}

function attemptMark({ attempt, reconnect }: Call): string {
  const again = attempt !== null && attempt > 1 ? `try ${attempt} ` : '';
  return reconnect > 0 ? `${again}reconnect ${reconnect} ` : again;
}

/** Eighths of a cell at both ends where the terminal has them; whatever happened fills at least one. */
function barOf(
  { offsetMs, durationMs, critical }: Row,
  start: number,
  end: number,
  width: number,
  { unicode }: Style,
): string {
  const scale = width / (end - start);
  const from = Math.min(width - 1, Math.max(0, Math.floor((offsetMs - start) * scale)));
  const to = Math.min(width, Math.max(from + 1, Math.round((offsetMs - start + (durationMs ?? 0)) * scale)));
  const fill = durationMs === null ? '?' : unicode ? (critical ? '█' : '░') : critical ? '#' : '=';
  return ' '.repeat(from) + fill.repeat(to - from) + ' '.repeat(width - to);
}

function signed(ms: number): string {
  return `${ms > 0 ? '+' : '-'}${millis(Math.abs(ms))}`;
}
