import { roundMs } from '../model/event-line';
import type { TailExplanation } from './analysis/explain-tail';
import type { Histogram } from './analysis/histogram';
import type { Call, Flow, Span } from './flow';
import type { Run } from './read-run';
import { type RunReport, windowSeconds } from './run-report';

/**
 * A span in the timeline's JSON: as `Span`, but with `children` (the spans that answered its calls, in the order sent,
 * then queued work) in place of `calls` and `queued`. Each child that answers a call has that call, as its caller saw it,
 * in `call`; attempts that nobody is known to have received are in `unanswered`.
 */
export interface SpanJson extends Omit<Span, 'calls' | 'queued'> {
  readonly call?: Omit<Call, 'child'>;
  readonly children: readonly SpanJson[];
  readonly unanswered: readonly Omit<Call, 'child'>[];
}

export function spanJson({ calls, queued, ...span }: Span): SpanJson {
  const children = calls.flatMap(({ child, ...call }) => (child ? [{ ...spanJson(child), call }] : []));
  const unanswered = calls.flatMap(({ child, ...call }) => (child ? [] : [call]));
  return { ...span, children: [...children, ...queued.map(spanJson)], unanswered };
}

export function flowJson({ root, client, orphans, ...flow }: Flow): unknown {
  const { child: _root, ...call } = client ?? { child: null };
  return { ...flow, client: client ? call : null, root: spanJson(root), orphans: orphans.map(spanJson) };
}

/**
 * The timeline as JSON, in pieces:
 *
 * `{ run, topology, complete, events, warnings, state, processEvents, window, requests, scenario, statistics, concurrency, processes,
 * absent, irregular, clocks, tail, flows }`, the last one flow a line. Durations are milliseconds; percentiles are within
 * 0.2 %; an endpoint's `requestsPerSecond` is over the `window`; `concurrency` has its own, which ends with the last work.
 *
 * @param select which flows to write; the numbers are of all
 * @param tail what the slowest flows of all have in common; null where that is not known
 */
export function* runJson(
  run: Run,
  report: RunReport,
  select: (flow: Flow) => boolean,
  tail: TailExplanation | null = null,
): Generator<string> {
  const { statistics, run: id, topology, complete, events, warnings, ...rest } = report;
  const head = { run: id, topology, complete, events, warnings, ...rest, statistics: statisticsJson(report), tail };
  yield `${JSON.stringify(head).slice(0, -1)},"flows":[`;
  let separator = '\n';
  for (const flow of run.flows()) {
    if (!select(flow)) continue;
    yield separator + JSON.stringify(flowJson(flow));
    separator = ',\n';
  }
  yield '\n]}\n';
}

function statisticsJson(report: RunReport): unknown {
  const { statistics } = report;
  const seconds = windowSeconds(report);
  return {
    flows: statistics.flows,
    failed: statistics.failed,
    incomplete: statistics.incomplete,
    spans: statistics.spans,
    statuses: Object.fromEntries([...statistics.statuses].map(([status, count]) => [status || 'none', count])),
    durationMs: summaryOf(statistics.duration),
    endpoints: Array.from(statistics.endpoints.values(), ({ duration, self, decisions, ...endpoint }) => ({
      ...endpoint,
      requestsPerSecond: seconds > 0 ? endpoint.calls / seconds : null,
      decisions: Object.fromEntries(decisions),
      durationMs: summaryOf(duration),
      selfMs: summaryOf(self),
    })),
    edges: Array.from(statistics.edges.values(), ({ duration, errorKinds, decisions, ...edge }) => ({
      ...edge,
      decisions: Object.fromEntries(decisions),
      errorKinds: Object.fromEntries(errorKinds),
      durationMs: summaryOf(duration),
    })),
  };
}

function summaryOf(values: Histogram): unknown {
  if (values.count === 0) return null;
  const at = (q: number): number => roundMs(values.percentile(q));
  return {
    mean: values.sum / values.count,
    min: values.min,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    max: values.max,
  };
}
