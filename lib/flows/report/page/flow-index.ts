import type { ReportCall, ReportFlow, ReportSpan } from '../flow-fields';

/** A flow as the list shows, sorts and finds it. */
export interface IndexedFlow {
  readonly flow: ReportFlow;
  readonly endpoint: string;
  readonly spans: number;
  readonly retries: number;
  readonly faults: number;
  readonly failed: boolean;
  readonly errors: ReadonlySet<string>;
  readonly services: ReadonlySet<string>;
  /** In lower case: what a search looks through. */
  readonly text: string;
}

export function indexFlow(flow: ReportFlow): IndexedFlow {
  const { root, client, orphans, status, traceId, key } = flow;
  const services = new Set<string>();
  const errors = new Set<string>();
  const words = new Set<string>();
  let spans = 0;
  let retries = 0;
  let faults = 0;

  const addCall = (call: ReportCall): void => {
    if ((call.attempt ?? 1) > 1 || call.reconnect > 0) retries += 1;
    if (call.error) errors.add(call.error);
    if (call.callee) words.add(call.callee);
    if (call.child) addSpan(call.child);
  };
  const addSpan = (span: ReportSpan): void => {
    spans += 1;
    faults += span.faults.length;
    services.add(span.service);
    words.add(span.instance);
    if (span.endpoint) words.add(span.endpoint);
    if (span.error) errors.add(span.error);
    for (const fault of span.faults) words.add(fault);
    span.calls.forEach(addCall);
    span.queued.forEach(addSpan);
  };

  addSpan(root);
  orphans.forEach(addSpan);
  if (client?.error) errors.add(client.error);
  const endpoint = root.service === 'client' ? (client?.callee ?? '?') : (root.endpoint ?? '?');
  const text = [traceId, key, status ?? 'no answer', endpoint, ...services, ...words, ...errors]
    .join('\n')
    .toLowerCase();
  const failed = status === null || status >= 500;
  return { flow, endpoint, spans, retries, faults, failed, errors, services, text };
}

export interface Filter {
  readonly search: string;
  readonly service: string;
  readonly failed: boolean;
  readonly incomplete: boolean;
  readonly retried: boolean;
  readonly faulted: boolean;
}

/** Each word of the search has to occur somewhere in the flow; `>50` and `<50` are milliseconds. */
export function matches({ flow, text, failed, retries, faults, services }: IndexedFlow, filter: Filter): boolean {
  if (filter.failed && !failed) return false;
  if (filter.incomplete && flow.complete) return false;
  if (filter.retried && retries === 0) return false;
  if (filter.faulted && faults === 0) return false;
  if (filter.service !== '' && !services.has(filter.service)) return false;
  return filter.search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => {
      const [, sign, limit] = /^([<>])(\d+(?:\.\d+)?)(?:ms)?$/.exec(word) ?? [];
      if (sign === undefined) return text.includes(word);
      const duration = flow.durationMs ?? Number.NaN;
      return sign === '>' ? duration > Number(limit) : duration < Number(limit);
    });
}

export type SortKey = 'start' | 'endpoint' | 'status' | 'duration' | 'spans' | 'retries';

const SORT_VALUES: Readonly<Record<SortKey, (indexed: IndexedFlow) => number | string>> = {
  start: ({ flow }) => flow.startAt,
  endpoint: ({ endpoint }) => endpoint,
  status: ({ flow }) => flow.status ?? 1000,
  duration: ({ flow }) => flow.durationMs ?? -1,
  spans: ({ spans }) => spans,
  retries: ({ retries }) => retries,
};

export function sortFlows(flows: IndexedFlow[], key: SortKey, descending: boolean): IndexedFlow[] {
  const value = SORT_VALUES[key];
  const sign = descending ? -1 : 1;
  return flows.sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === y) return a.flow.startAt - b.flow.startAt;
    return x < y ? -sign : sign;
  });
}
