import type { ReportCall, ReportFlow, ReportSpan } from '../flow-fields';

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
}

export function waterfallRows({ client, root, orphans }: ReportFlow): WaterfallRow[] {
  const rows: WaterfallRow[] = [];

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
    });
  };

  const addSpan = (span: ReportSpan, depth: number, kind: WaterfallRow['kind'], call: ReportCall | null): void => {
    const { offsetMs, durationMs, status, error } = span;
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
        ...(span.order === 'within-clock-error' ? ['order within clock error'] : []),
        ...span.faults.map((fault) => `fault ${faultName(fault)}`),
        ...span.decisions,
      ],
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

function faultName(fault: string): string {
  const { kind } = JSON.parse(fault) as { kind?: unknown };
  return typeof kind === 'string' ? kind : 'injected';
}
