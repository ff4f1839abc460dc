import { formatDuration } from './duration';
import type { Figures, Percentiles } from './measures';
import type { LoadProgress, LoadResult } from './run-load';

const LINE_WIDTH = 80;
/** Of `answered  ` and the like. */
const LABEL_WIDTH = 10;
/** Of `response time` and the like. */
const NAME_WIDTH = 15;

/** What a run came to, as text of at most 80 columns but for names and URLs that are longer. */
export function formatSummary(result: LoadResult): string {
  const { figures, total, plan } = result;
  const rate = `${formatRate(figures.achievedRate)} of ${formatRate(figures.plannedRate)} planned`;
  const warmup = total.sent - figures.sent;
  const lines = [
    '',
    `run       ${result.run}${result.finished ? '' : '  (ended before its time)'}`,
    `target    ${result.url}${result.topology ? `  (${result.topology})` : ''}`,
    `seed      ${result.seed}`,
    '',
    `sent      ${count(figures.sent)} in ${formatDuration(figures.spanMs)}, ${rate}`,
    ...(warmup > 0
      ? [`warm-up   ${count(warmup)} more in ${formatDuration(plan.warmupMs)}, left out of the figures`]
      : []),
    ...(figures.notSent > 0
      ? [`not sent  ${count(figures.notSent)}, held back by the bound on requests in flight`]
      : []),
    `answered  ${count(figures.answered)}${tally(figures.statuses, figures.answered)}`,
    ...(figures.sent > figures.answered
      ? [`errors    ${count(figures.sent - figures.answered)}${tally(figures.errors, figures.sent)}`]
      : []),
    '',
    ...timeTable(figures),
    '',
    ...(figures.errors.TIMEOUT ? ['Requests that timed out count with the time they waited.', ''] : []),
    ...(result.topology ? [] : ["The target is no deployment: the timeline has the client's view only.", '']),
    `npx ts-node tools/timeline.ts ${result.run}`,
    ...(result.topology ? [`npx ts-node tools/check.ts ${result.run}`] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function timeTable({ responseTime, serviceTime, sendLag }: Figures): readonly string[] {
  const row = (name: string, { count: measured, p50, p90, p99, p999, max }: Percentiles): string =>
    name.padEnd(NAME_WIDTH) +
    [p50, p90, p99, p999, max].map((ms) => (measured > 0 ? formatMs(ms) : '-').padStart(10)).join('');
  return [
    'milliseconds'.padEnd(NAME_WIDTH) + ['p50', 'p90', 'p99', 'p99.9', 'max'].map((name) => name.padStart(10)).join(''),
    `${row('response time', responseTime)}  from planned`,
    `${row('service time', serviceTime)}  from sent`,
    row('send lag', sendLag),
  ];
}

/** `  200: 2,990 (99.7 %)  502: 8 (0.3 %)`, on further lines where one is too short. */
function tally(counts: Readonly<Record<string, number>>, of: number): string {
  const parts = Object.entries(counts).map(
    ([name, n]) => `  ${name}: ${count(n)}${n < of ? ` (${((n * 100) / of).toFixed(1)} %)` : ''}`,
  );
  let width = LABEL_WIDTH + count(of).length;
  let text = '';
  for (const part of parts) {
    if (width + part.length > LINE_WIDTH) {
      text += `\n${' '.repeat(LABEL_WIDTH)}`;
      width = LABEL_WIDTH;
    }
    text += part;
    width += part.length;
  }
  return text;
}

/** One line, for a terminal. */
export function formatProgress({ elapsedMs, inFlight, warmingUp, counts }: LoadProgress): string {
  const held = counts.notSent > 0 ? `, ${count(counts.notSent)} held back` : '';
  return `${warmingUp ? 'warming up, ' : ''}${formatDuration(elapsedMs)}: ${count(counts.sent)} sent, ${count(
    counts.answered,
  )} answered, ${count(counts.failed)} failed, ${count(inFlight)} in flight${held}, p99 ${formatMs(counts.p99)} ms`;
}

/** Three digits that matter, as the histogram has them. */
function formatMs(ms: number): string {
  if (ms >= 100) return count(Math.round(ms));
  return ms >= 10 ? ms.toFixed(1) : ms.toFixed(2);
}

function formatRate(rate: number): string {
  return `${rate >= 1000 ? count(Math.round(rate)) : rate.toFixed(1)}/s`;
}

function count(n: number): string {
  return n.toLocaleString('en-US');
}
