import type { ReportCall, ReportFlow, ReportOrdering, ReportSpan } from '../flow-fields';

/** A line of the waterfall: a span with the attempt that led to it, or an attempt that nobody is known to have received. */
export interface WaterfallRow {
  readonly depth: number;
  readonly kind: 'client' | 'span' | 'queued' | 'attempt' | 'orphan';
  readonly title: string;
  readonly place: string;
  readonly span: ReportSpan | null;
  readonly call: ReportCall | null;
  readonly startMs: number;
  /** Null where it is lost. */
  readonly endMs: number | null;
  readonly critical: boolean;
  readonly failed: boolean;
  readonly status: string;
  /** What stands beside the name, and is read out. */
  readonly notes: readonly string[];
  readonly faults: readonly ShownFault[];
  /** Orderings between hosts that nothing proves, of which the span is either side. */
  readonly open: readonly ReportOrdering[];
}

export interface ShownFault {
  readonly name: string;
  readonly atMs: number;
  /** All that its event says. */
  readonly text: string;
}

/** Of a row whose beginning or end is shown after what it may have come before. */
export const OPEN_NOTE = '≈ order unproved';

export function waterfallRows({ client, root, orphans, open }: ReportFlow): WaterfallRow[] {
  const rows: WaterfallRow[] = [];
  const openOf = bySpan(open);

  const addAttempt = (call: ReportCall, depth: number, kind: 'attempt' | 'client', place: string): void => {
    const { callee, peer, offsetMs, durationMs, status, error } = call;
    const [service = '?', ...endpoint] = (callee ?? '?').split(' ');
    rows.push({
      depth,
      kind,
      title: kind === 'client' ? 'client' : service,
      place: kind === 'client' ? place : [endpoint.join(' '), peer].filter(Boolean).join(' · '),
      span: null,
      call,
      startMs: offsetMs,
      endMs: durationMs === null ? null : offsetMs + durationMs,
      critical: call.critical,
      failed: error !== null || (status ?? 0) >= 400,
      status: error ?? (status === null ? 'no answer' : `${status}`),
      notes: [...(call.sent ? [] : ['never sent']), ...attemptNotes(call)],
      faults: [],
      open: [],
    });
  };

  const addSpan = (span: ReportSpan, depth: number, kind: WaterfallRow['kind'], call: ReportCall | null): void => {
    const { offsetMs, durationMs, status, error } = span;
    const faults = span.faults.map((fault) => shownFault(fault, offsetMs));
    const unproved = openOf.get(span) ?? [];
    rows.push({
      depth,
      kind,
      title: span.service,
      place: [span.endpoint ?? '?', span.instance].join(' · '),
      span,
      call,
      startMs: offsetMs,
      endMs: durationMs === null ? null : offsetMs + durationMs,
      critical: span.critical,
      failed: (status ?? 0) >= 500 || error !== null || call?.error != null,
      status: status === null ? (error ?? 'unknown') : `${status}`,
      notes: [
        ...(kind === 'queued' ? ['queued'] : kind === 'orphan' ? ['caller unknown'] : []),
        ...(call ? attemptNotes(call) : []),
        ...(call?.error ? [`caller saw ${call.error}`] : []),
        ...(span.inferredFrom
          ? [`inferred from ${span.inferredFrom === 'topology' ? 'the topology' : 'its caller'}`]
          : span.complete
            ? []
            : ['events lost']),
        ...(unproved.some(({ second }) => second.span === span) ? [OPEN_NOTE] : []),
        ...faults.map(({ name }) => `fault ${name}`),
        ...span.decisions,
      ],
      faults,
      open: unproved,
    });
    for (const each of span.calls) {
      if (each.child) addSpan(each.child, depth + 1, 'span', each);
      else addAttempt(each, depth + 1, 'attempt', '');
    }
    for (const child of span.queued) addSpan(child, depth + 1, 'queued', null);
  };

  if (client) addAttempt(client, 0, 'client', client.callee ?? '');
  const isClient = root.service === 'client';
  if (!isClient) addSpan(root, client ? 1 : 0, 'span', null);
  for (const orphan of orphans) addSpan(orphan, 0, 'orphan', null);
  return rows;
}

function attemptNotes({ attempt, reconnect }: ReportCall): string[] {
  return [...((attempt ?? 1) > 1 ? [`attempt ${attempt}`] : []), ...(reconnect > 0 ? [`reconnect ${reconnect}`] : [])];
}

function bySpan(open: readonly ReportOrdering[]): ReadonlyMap<ReportSpan, readonly ReportOrdering[]> {
  const found = new Map<ReportSpan, ReportOrdering[]>();
  for (const ordering of open) {
    for (const { span } of [ordering.first, ordering.second]) {
      const list = found.get(span);
      if (list) list.push(ordering);
      else found.set(span, [ordering]);
    }
  }
  return found;
}

/** Of other versions any field may be missing. */
function shownFault(json: string, spanMs: number): ShownFault {
  const { type, offsetMs, args, ...fields } = JSON.parse(json) as Readonly<Record<string, unknown>>;
  const name = typeof type === 'string' ? type : 'injected';
  const drawn = typeof args === 'object' ? args : { args };
  const more = Object.entries({ ...drawn, ...fields }).map(
    ([key, value]) => `${key} ${typeof value === 'object' ? JSON.stringify(value) : value}`,
  );
  return { name, atMs: typeof offsetMs === 'number' ? offsetMs : spanMs, text: [name, ...more].join(', ') };
}
