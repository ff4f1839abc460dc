import type { Flow } from '../flow';
import { count } from '../loss/loss-warnings';
import { type ReportedScenario, type ReportWithFlows, type RunReport, windowSeconds } from '../run-report';
import { clockText } from './clock-text';
import { progressText } from './progress-text';
import { cut, millis, paint, printable, type Style, whole, wrapped } from './style';
import { type Cell, type Column, table } from './table';
import { type WaterfallOptions, waterfall } from './waterfall';

/** What the text shows beside the summary. */
export interface TextOptions extends WaterfallOptions {
  /** @default true */
  readonly tables?: boolean;
  /** A row for each host's clock; else only what is remarkable. */
  readonly clocks?: boolean;
}

/** The report for people, line by line. */
export function* reportText(
  { report, slowest, failed, ofTrace }: ReportWithFlows,
  style: Style,
  options: TextOptions = {},
): Generator<string> {
  yield* summary(report, style);
  if (report.scenario) yield* scenarioLines(report.scenario, style);
  if (options.tables !== false && report.statistics.flows > 0) {
    yield '';
    yield* endpoints(report, style);
    yield '';
    yield* edges(report, style);
    yield '';
    yield* progressText(report, style);
  }
  if (options.tables !== false || options.clocks) yield* clockText(report.clocks, style, options.clocks ?? false);
  yield* flows('Flows of the trace', ofTrace, style, { ...options, orders: true });
  yield* flows('Failed', failed, style, options);
  yield* flows('Slowest', slowest, style, options);
}

function* summary(report: RunReport, style: Style): Generator<string> {
  const { statistics, state, complete, window, requests } = report;
  const verdict = complete ? paint(style, 'green', 'complete') : paint(style, 'yellow', 'incomplete');
  yield `${paint(style, 'bold', report.run)}  ${[...(state ? [state] : []), verdict].join(', ')}`;
  const sent = requests.sent !== null && requests.sent !== requests.found ? ` of ${requests.sent} sent` : '';
  const failed = statistics.failed > 0 ? paint(style, 'red', `${statistics.failed} failed`) : '0 failed';
  const lost = statistics.incomplete > 0 ? `, ${paint(style, 'yellow', `${statistics.incomplete} incomplete`)}` : '';
  yield `  ${count(statistics.flows, 'flow')}${sent}, ${failed}${lost}; ${report.events} events of ${count(report.processes.length, 'process', 'processes')}`;
  if (window) {
    const seconds = windowSeconds(report);
    const rate = seconds > 0 ? `, ${millis(statistics.flows / seconds)} flows/s` : '';
    yield `  ${window.startTime} to ${window.endTime.slice(11)} (${seconds.toFixed(1)} s${rate})`;
    const { duration } = statistics;
    const at = (q: number): string => millis(duration.percentile(q));
    yield `  duration  p50 ${at(0.5)}  p90 ${at(0.9)}  p99 ${at(0.99)}  max ${millis(duration.max)} ms`;
    const statuses = [...statistics.statuses].sort(([a], [b]) => a - b);
    yield `  status    ${statuses.map(([status, count]) => `${status || 'none'}: ${count}`).join('  ')}`;
  }
  for (const warning of report.warnings.slice(0, 20)) {
    for (const line of wrapped(`  ! ${printable(warning)}`, style.width, '    ')) yield paint(style, 'yellow', line);
  }
  if (report.warnings.length > 20) yield paint(style, 'yellow', `  ! and ${report.warnings.length - 20} more warnings`);
}

/** Each step when it was done with. */
function* scenarioLines({ name, steps }: ReportedScenario, style: Style): Generator<string> {
  yield `  scenario  ${printable(name)}`;
  for (const { doneMs, did, step, what, problem, instances } of steps) {
    const missed = instances.filter(({ taken }) => !taken).map(({ instance }) => instance);
    const text = problem === null ? did : `${what} of ${step} failed: ${problem}`;
    const not = missed.length > 0 ? `; not taken by ${missed.join(', ')}` : '';
    const line = cut(`${(doneMs / 1000).toFixed(1).padStart(9)} s  ${printable(text + not)}`, style.width, style);
    yield problem === null && missed.length === 0 ? line : paint(style, 'yellow', line);
  }
}

const NUMBERS = (...titles: readonly string[]): readonly Column[] => titles.map((title) => ({ title, align: 'right' }));

function endpoints(report: RunReport, style: Style): readonly string[] {
  const { statistics } = report;
  const seconds = windowSeconds(report);
  const rows = [...statistics.endpoints.values()].sort((a, b) => b.criticalMs - a.criticalMs);
  const critical = rows.reduce((sum, row) => sum + row.criticalMs, 0);
  const columns: readonly Column[] = [
    { title: 'REQUESTS HANDLED (ms)', align: 'left', grows: true },
    ...NUMBERS('CALLS', '/S', 'ERR', 'P50', 'P90', 'P99', 'SELF', 'PATH'),
  ];
  const cells = rows.map((row): readonly Cell[] => [
    { text: printable(`${row.service} ${row.endpoint}`) },
    { text: whole(row.calls) },
    { text: millis(seconds > 0 ? row.calls / seconds : null) },
    errorCell(row.errors),
    ...percentiles(row.duration),
    { text: millis(row.self.percentile(0.5)) },
    { text: critical > 0 ? `${((100 * row.criticalMs) / critical).toFixed(1)}%` : '-' },
  ]);
  const decided = rows
    .filter(({ decisions }) => decisions.size > 0)
    .map(({ service, endpoint, decisions }) => {
      const kinds = [...decisions].map(([kind, count]) => `${kind} ${count}`);
      return cut(`  ${printable(`${service} ${endpoint}: ${kinds.join(', ')}`)}`, style.width, style);
    });
  return [
    ...table(columns, cells, style),
    ...decided,
    paint(style, 'dim', 'SELF: median outside of calls; PATH: share of critical paths; within 0.2 %'),
  ];
}

function edges({ statistics }: RunReport, style: Style): readonly string[] {
  const arrow = style.unicode ? '→' : '->';
  const rows = [...statistics.edges.values()].sort(
    (a, b) => compare(a.caller, b.caller) || compare(a.callee, b.callee),
  );
  const columns: readonly Column[] = [
    { title: 'CALLS AS THE CALLER SAW THEM (ms)', align: 'left', grows: true },
    ...NUMBERS('TRIES', 'ERR', 'RETRY', 'P50', 'P90', 'P99'),
  ];
  const cells = rows.map((row): readonly Cell[] => [
    { text: printable(`${row.caller} ${arrow} ${row.callee}`) },
    { text: whole(row.attempts) },
    errorCell(row.errors),
    { text: whole(row.retries) },
    ...percentiles(row.duration),
  ]);
  const failing = rows
    .filter(({ errorKinds, decisions }) => errorKinds.size + decisions.size > 0)
    .map((row) => {
      const kinds = [...row.errorKinds, ...row.decisions]
        .sort((a, b) => b[1] - a[1])
        .map(([kind, count]) => `${kind} ${count}`);
      return cut(`  ${printable(`${row.caller} ${arrow} ${row.callee}: ${kinds.join(', ')}`)}`, style.width, style);
    });
  return [...table(columns, cells, style), ...failing];
}

function* flows(title: string, list: readonly Flow[], style: Style, options: TextOptions): Generator<string> {
  for (const [index, flow] of list.entries()) {
    yield '';
    if (index === 0) {
      const doubtful = list.some(({ orderings }) => orderings.some(({ proof }) => proof === null));
      const legend = doubtful ? `; ${style.unicode ? '≈' : '~'}: order within clock error` : '';
      yield paint(style, 'bold', `${title} (${style.unicode ? '●' : '*'}: on the critical path${legend})`);
    }
    yield* waterfall(flow, style, options);
  }
}

function errorCell(errors: number): Cell {
  return errors > 0 ? { text: whole(errors), colour: 'red' } : { text: '0' };
}

function percentiles(duration: { percentile(q: number): number }): readonly Cell[] {
  return [0.5, 0.9, 0.99].map((q) => ({ text: millis(duration.percentile(q)) }));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
