import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { TailExplanation } from '../analysis/explain-tail';
import type { Flow } from '../flow';
import { escapeXml } from '../formats/escape-xml';
import { serviceMap } from '../formats/service-map';
import type { RunReport } from '../run-report';
import { encodeFlows } from './encode-flows';
import { pageBundle } from './page-bundle';
import { runSeries } from './run-series';
import { sections } from './sections';

/** As many flows as a page shows quickly; of larger runs it has the failed, the slowest and an even sample. */
export const MOST_FLOWS = 10_000;

export interface ReportInput {
  readonly report: RunReport;
  /** Goes through the flows, anew at each call. */
  flows(): Iterable<Flow>;
  /** @default MOST_FLOWS */
  readonly mostFlows?: number;
  /** What the slowest flows have in common. @default not told */
  readonly tail?: TailExplanation | null;
}

/**
 * The run as one HTML page that needs nothing else: numbers, charts and the service map stand in it as they are; its script
 * adds the list of flows and their waterfalls. The page's own policy lets it run just its own script and style, and load
 * nothing. All numbers are of all flows, also where the list has a part of them.
 */
export async function* reportHtml({
  report,
  flows,
  mostFlows = MOST_FLOWS,
  tail = null,
}: ReportInput): AsyncGenerator<string> {
  const { window } = report;
  const series = runSeries(Date.parse(window?.startTime ?? ''), Date.parse(window?.endTime ?? ''));
  const map = serviceMap();
  let encoder = encodeFlows();
  let total = 0;
  const durations: number[] = [];
  let failed = 0;
  const orders = { causal: 0, apart: 0, open: 0 };
  for (const flow of flows()) {
    total += 1;
    series.add(flow);
    map.add(flow);
    durations.push(flow.durationMs ?? 0);
    if (isNotable(flow)) failed += 1;
    for (const { proof } of flow.orderings) orders[proof ?? 'open'] += 1;
    if (total <= mostFlows) encoder.add(flow);
  }
  if (total > mostFlows) {
    encoder = encodeFlows();
    const choose = chooser(durations, failed, mostFlows);
    for (const flow of flows()) if (choose(flow)) encoder.add(flow);
  }
  const { head, bytes } = encoder.finish();
  const { script, style } = await pageBundle();
  const data = json({ run: report.run, startAt: series.startAt, head });
  const policy = [
    "default-src 'none'",
    `script-src '${digest(script)}'`,
    `style-src '${digest(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  yield `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${escapeXml(report.run)}</title>
<style>${style}</style>
</head>
<body>
`;
  yield* sections({ report, series, map, tail, total, listed: head.flows, orders });
  yield `<script type="application/json" id="data">${data}</script>\n<script type="text/plain" id="flows">`;
  const packed = gzipSync(bytes, { level: 9 }).toString('base64');
  for (let at = 0; at < packed.length; at += 1 << 16) yield packed.slice(at, at + (1 << 16));
  yield `</script>\n<script>${script}</script>\n</body>\n</html>\n`;
}

/**
 * Which flows of a large run to list: incomplete and failed ones up to half of the room, the slowest up to a quarter, and an
 * even sample of the others.
 */
function chooser(durations: readonly number[], notable: number, most: number): (flow: Flow) => boolean {
  const slowRoom = Math.floor(most / 4);
  const slowFrom = [...durations].sort((a, b) => b - a)[slowRoom] ?? 0;
  const notableEvery = Math.max(1, notable / (most / 2));
  const rest = most - slowRoom - Math.min(notable, most / 2);
  const restEvery = Math.max(1, (durations.length - slowRoom - notable) / Math.max(1, rest));
  let notableSeen = 0;
  let restSeen = 0;
  let chosen = 0;
  return (flow) => {
    const isSlow = (flow.durationMs ?? 0) > slowFrom;
    const takes = isSlow
      ? true
      : isNotable(flow)
        ? Math.floor(notableSeen / notableEvery) !== Math.floor(++notableSeen / notableEvery)
        : Math.floor(restSeen / restEvery) !== Math.floor(++restSeen / restEvery);
    if (!takes || chosen >= most) return false;
    chosen += 1;
    return true;
  };
}

function isNotable({ complete, status }: Flow): boolean {
  return !complete || status === null || status >= 500;
}

/** JSON that ends no script element. */
function json(value: unknown): string {
  return JSON.stringify(value)
    .replaceAll('<', '\\u003c')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');
}

function digest(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
