import type { TailExplanation } from '../analysis/explain-tail';
import { escapeXml } from '../formats/escape-xml';
import { errorText, msText, rateText, type ServiceMap } from '../formats/service-map';
import { mapSvg } from '../formats/svg';
import type { ReportedScenario, RunReport } from '../run-report';
import { type ChartMark, histogramChart, latencyChart, secondsText, sparkline, whole } from './charts';
import { clocksSection, type OrderCounts } from './clocks-section';
import { completeness } from './completeness-section';
import { progressSection } from './progress-section';
import type { RunSeries } from './run-series';
import { slowest } from './tail-section';

export interface Overview {
  readonly report: RunReport;
  readonly series: RunSeries;
  readonly map: ServiceMap;
  readonly tail: TailExplanation | null;
  /** Flows of the run, and how many of them the list has. */
  readonly total: number;
  readonly listed: number;
  readonly orders: OrderCounts;
}

/** All of the page's body but its script. */
export function* sections(overview: Overview): Generator<string> {
  yield '<a class="skip" href="#flows-heading">Skip to the flows</a>\n';
  yield header(overview);
  yield '<main>\n';
  yield warnings(overview);
  yield cards(overview);
  yield latency(overview);
  yield map(overview);
  yield endpoints(overview);
  yield progressSection(overview.report.concurrency);
  if (overview.tail) yield slowest(overview.tail);
  yield flowList(overview);
  yield clocksSection(overview.report.clocks, overview.orders);
  yield completeness(overview.report);
  yield '</main>\n<div id="live" class="visually-hidden" role="status" aria-live="polite"></div>\n<dialog id="flow" aria-labelledby="flow-title"></dialog>\n';
}

const STATES = {
  finished: 'finished',
  stopped: 'stopped before its time',
  unfinished: 'unfinished',
} as const;

function header({ report }: Overview): string {
  const { run, topology, state, window, complete } = report;
  const when = window
    ? `<time datetime="${window.startTime}">${window.startTime.slice(0, 19).replace('T', ' ')} UTC</time>`
    : '';
  const badges = [
    ...(state ? [badge(state === 'finished' ? 'good' : 'warn', STATES[state])] : []),
    badge(complete ? 'good' : 'warn', complete ? 'log complete' : 'log incomplete'),
  ].join('');
  return `<header><div><p class="eyebrow">${escapeXml(topology)}</p><h1>${escapeXml(run)}</h1><p class="meta">${when}${badges}</p></div><button type="button" id="theme" hidden>Theme: auto</button></header>\n`;
}

function badge(kind: 'good' | 'warn', text: string): string {
  return `<span class="badge ${kind}">${kind === 'good' ? '✓' : '!'} ${escapeXml(text)}</span>`;
}

function warnings({ report }: Overview): string {
  if (report.warnings.length === 0) return '';
  const items = report.warnings.map((warning) => `<li>${escapeXml(warning)}</li>`).join('');
  const open = report.warnings.length <= 4 ? ' open' : '';
  return `<details class="warnings"${open}><summary>${report.warnings.length} warning${report.warnings.length === 1 ? '' : 's'} about the log</summary><ul>${items}</ul></details>\n`;
}

function cards({ report: { statistics, requests, window }, series }: Overview): string {
  const lengthMs = window ? Date.parse(window.endTime) - Date.parse(window.startTime) : 0;
  const { flows, failed, incomplete, duration } = statistics;
  const sent =
    requests.sent !== null && requests.sent !== flows
      ? `${whole(requests.sent)} sent`
      : rateText(flows, lengthMs / 1000);
  const list = [
    ['Requests', whole(flows), flows > 0 ? sent : '', ''],
    [
      'Failed',
      whole(failed),
      errorText(failed, flows).replace(' errors', ' of all') || 'none',
      failed > 0 ? 'bad' : '',
    ],
    ['Median', msText(duration.percentile(0.5)), 'p50', ''],
    ['Tail', msText(duration.percentile(0.99)), `p99 · most ${msText(duration.max)}`, ''],
    [
      'Incomplete',
      whole(incomplete),
      incomplete > 0 ? 'flows that lost events' : 'no flow lost an event',
      incomplete > 0 ? 'warn' : '',
    ],
    ['Length', secondsText(lengthMs), `${whole(series.endpoints.size)} endpoints`, ''],
  ] as const;
  const items = list.map(
    ([name, value, note, kind]) =>
      `<div class="card ${kind}"><dt>${name}</dt><dd>${escapeXml(value)}<small>${escapeXml(note)}</small></dd></div>`,
  );
  return `<section aria-label="Summary"><dl class="cards">${items.join('')}</dl></section>\n`;
}

function latency({ report: { scenario }, series, total }: Overview): string {
  if (total === 0) return '';
  const zeroMs = scenario ? Date.parse(scenario.startTime) - series.startAt : 0;
  const marks = (scenario?.steps ?? []).map(({ doneMs, did }): ChartMark => ({ atMs: zeroMs + doneMs, text: did }));
  const told = scenario ? `<p class="hint">${scenarioText(scenario)}</p>` : '';
  return `<section aria-labelledby="latency"><h2 id="latency">Latency</h2><div class="charts"><div><h3>Over the run</h3>${latencyChart(series, marks)}${told}</div><div><h3>Distribution</h3>${histogramChart(series)}</div></div></section>\n`;
}

function scenarioText({ name, steps }: ReportedScenario): string {
  const items = steps.map(({ doneMs, did }) => `${secondsText(doneMs)} ${did}`);
  return escapeXml(`Scenario ${name}: ${items.join('; ') || 'no step was made'}.`);
}

function map({ map: services, report }: Overview): string {
  if (services.services.size === 0) return '';
  const rows = Array.from(services.edges.values(), ({ from, to, attempts, errors, retries, duration }) =>
    [
      from,
      to,
      whole(attempts),
      whole(errors),
      whole(retries),
      msText(duration.percentile(0.5)),
      msText(duration.percentile(0.99)),
    ]
      .map((cell, index) => (index < 2 ? `<td class="text">${escapeXml(cell)}</td>` : `<td>${escapeXml(cell)}</td>`))
      .join(''),
  );
  const numbers = `<details class="numbers"><summary>Numbers</summary><div class="scroll" tabindex="0" role="region" aria-label="Connections, numbers"><table><thead><tr>${['From', 'To'].map((name) => `<th scope="col" class="text">${name}</th>`).join('')}${['Attempts', 'Failed', 'Retries', 'p50', 'p99'].map((name) => `<th scope="col">${name}</th>`).join('')}</tr></thead><tbody>${rows.map((row) => `<tr>${row}</tr>`).join('')}</tbody></table></div></details>`;
  return `<section aria-labelledby="map"><h2 id="map">Service map</h2><p class="hint">Calls a second and their failures. Dashed lines are sends, which nobody waits for. Choose a service to see its flows.</p><div class="scroll map" tabindex="0" role="region" aria-label="Service map, picture">${mapSvg(services, report.topology)}</div>${numbers}</section>\n`;
}

function endpoints({ report, series }: Overview): string {
  const all = [...report.statistics.endpoints.values()];
  if (all.length === 0) return '';
  const critical = all.reduce((sum, { criticalMs }) => sum + criticalMs, 0);
  const rows = all
    .sort((a, b) => b.criticalMs - a.criticalMs)
    .map(({ service, endpoint, calls, errors, duration, self, criticalMs }) => {
      const own = series.endpoints.get(`${service} ${endpoint}`);
      const share = critical > 0 ? (100 * criticalMs) / critical : 0;
      const failing = errors > 0 ? ' class="failing"' : '';
      return `<tr><th scope="row"><b>${escapeXml(service)}</b> ${escapeXml(endpoint)}</th><td>${whole(calls)}</td><td${failing}>${whole(errors)}</td><td>${msText(duration.percentile(0.5))}</td><td>${msText(duration.percentile(0.9))}</td><td>${msText(duration.percentile(0.99))}</td><td>${msText(self.percentile(0.5))}</td><td><svg class="share" width="64" height="8" aria-hidden="true"><rect class="rail" width="64" height="8" rx="2"/><rect class="fill" width="${(0.64 * share).toFixed(1)}" height="8" rx="2"/></svg><span class="percent">${share.toFixed(share < 10 ? 1 : 0)} %</span></td><td>${own ? sparkline(own.buckets.map(({ duration: each }) => each.percentile(0.99))) : ''}</td></tr>`;
    });
  const heads = ['Requests', 'Failed', 'p50', 'p90', 'p99', 'Own time p50', 'Critical path', 'p99 over the run'];
  return `<section aria-labelledby="endpoints"><h2 id="endpoints">Endpoints</h2><p class="hint">Ordered by their share of the critical path: where users’ waiting time goes.</p><div class="scroll" tabindex="0" role="region" aria-label="Endpoints, table"><table class="endpoints"><thead><tr><th scope="col" class="text">Endpoint</th>${heads.map((name) => `<th scope="col">${name}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div></section>\n`;
}

function flowList({ total, listed }: Overview): string {
  const part =
    listed < total
      ? `<p class="hint">The list has ${whole(listed)} of ${whole(total)} flows: failed and incomplete ones, the slowest, and an even sample of the others. All numbers above are of all.</p>`
      : '';
  return `<section aria-labelledby="flows-heading"><h2 id="flows-heading" tabindex="-1">Flows</h2>${part}<noscript><p>The list of flows needs JavaScript; everything else on this page does not.</p></noscript><div id="flow-list"></div></section>\n`;
}
