import type { ReportCall, ReportFlow, ReportSpan } from '../flow-fields';

/** A flow as the list shows, sorts and finds it. */
export interface IndexedFlow {
  readonly flow: ReportFlow;
  readonly endpoint: string;
  readonly spans: number;
  readonly retries: number;
  readonly faults: number;
  readonly failed: boolean;
  /** Of the root, or as the client saw it. */
  readonly error: string | null;
  readonly services: ReadonlySet<string>;
  /** In lower case: what a search looks through. */
  readonly text: string;
}

export function indexFlow(flow: ReportFlow): IndexedFlow {
  const { root, client, orphans, status } = flow;
  const services = new Set<string>();
  let spans = 0;
  let retries = 0;
  let faults = 0;
  let error = client?.error ?? null;
  const walk = (span: ReportSpan): void => {
    spans += 1;
    faults += span.faults.length;
    services.add(span.service);
    for (const call of span.calls) {
      if ((call.attempt ?? 1) > 1 || call.reconnect > 0) retries += 1;
      if (call.child) walk(call.child);
    }
    for (const child of span.queued) walk(child);
  };
  walk(root);
  for (const orphan of orphans) walk(orphan);
  error = root.error ?? error;
  const endpoint = root.service === 'client' ? (client?.callee ?? '?') : (root.endpoint ?? '?');
  let text: string | undefined;
  return {
    flow,
    endpoint,
    spans,
    retries,
    faults,
    failed: status === null || status >= 500,
    error,
    services,
    // Made at the first search: the page is to be there before.
    get text() {
      text ??= searchText(flow, endpoint);
      return text;
    },
  };
}

function searchText({ traceId, key, status, client, root, orphans }: ReportFlow, endpoint: string): string {
  const words = new Set<string>([traceId, key, `${status ?? 'no answer'}`, endpoint]);
  const add = (word: string | null): void => {
    if (word !== null) words.add(word);
  };
  const addCall = ({ callee, error, peer, child }: ReportCall): void => {
    for (const word of [callee, error, peer]) add(word);
    if (child) addSpan(child);
  };
  const addSpan = (span: ReportSpan): void => {
    for (const word of [span.service, span.instance, span.endpoint, span.error, span.requestId, ...span.faults])
      add(word);
    span.calls.forEach(addCall);
    span.queued.forEach(addSpan);
  };
  if (client) addCall(client);
  addSpan(root);
  orphans.forEach(addSpan);
  return [...words].join('\n').toLowerCase();
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
export function matches(indexed: IndexedFlow, filter: Filter): boolean {
  const { flow, failed, retries, faults, services } = indexed;
  if (filter.failed && !failed) return false;
  if (filter.incomplete && flow.complete) return false;
  if (filter.retried && retries === 0) return false;
  if (filter.faulted && faults === 0) return false;
  if (filter.service !== '' && !services.has(filter.service)) return false;
  if (filter.search === '') return true;
  return filter.search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => {
      const [, sign, limit] = /^([<>])(\d+(?:\.\d+)?)(?:ms)?$/.exec(word) ?? [];
      if (sign === undefined) return indexed.text.includes(word);
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
