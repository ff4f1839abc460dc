import { escapeXml } from '../formats/escape-xml';
import { msText } from '../formats/service-map';
import { barEnd, niceStep, type RunSeries, type Series } from './run-series';

/** Of a chart across the page, and of the same chart on a narrow screen, where the first one's texts would be too small. */
const WIDTHS = { wide: 720, narrow: 380 } as const;
const HISTOGRAM_WIDTH = 360;
export const HEIGHT = 220;
export const LEFT = 52;
const RIGHT = 44;
/** Room for a time below the axis, with the space beside it. */
export const TICK_WIDTH = 104;
/** A run in which all took equally long is no wall of one bar. */
const LEAST_BARS = 12;
const FAILED_HEIGHT = 26;
export const TOP = 12;
export const BOTTOM = 26;

const PERCENTILES = [
  [0.99, 'p99'],
  [0.9, 'p90'],
  [0.5, 'p50'],
] as const;

/** Something that was done to the run. */
export interface ChartMark {
  /** Since the chart's start. */
  readonly atMs: number;
  readonly text: string;
}

/** Percentiles over time as lines, failed requests in a strip of their own below them; a table of the same numbers is below it. */
export function latencyChart({ flows, bucketMs }: RunSeries, marks: readonly ChartMark[] = []): string {
  const most = Math.max(1e-3, ...flows.buckets.map(({ duration }) => duration.percentile(0.99) || 0));
  const label = `Latency of user requests over the run: p50, p90 and p99 in steps of ${secondsText(bucketMs)}, at most ${msText(most)}`;
  return figure(label, (width) => latencyLines(flows, bucketMs, marks, width), table(flows, bucketMs));
}

function latencyLines(flows: Series, bucketMs: number, marks: readonly ChartMark[], width: number): string[] {
  const rows = flows.buckets.map((bucket, index) => ({ index, bucket }));
  const known = rows.filter(({ bucket }) => bucket.duration.count > 0);
  const most = Math.max(1e-3, ...known.map(({ bucket }) => bucket.duration.percentile(0.99)));
  const least = Math.min(most, ...known.map(({ bucket }) => bucket.duration.percentile(0.5)));
  const ticks = scaleTicks(least, most);
  const bottom = ticks[0] as number;
  const top = ticks[ticks.length - 1] as number;
  const spanMs = flows.buckets.length * bucketMs;
  const x = (ms: number): number => LEFT + ((width - LEFT - RIGHT) * ms) / spanMs;
  const share = (ms: number): number =>
    bottom > 0 ? Math.log(Math.max(ms, bottom) / bottom) / Math.log(top / bottom) : Math.min(ms, top) / top;
  const foot = rows.some(({ bucket }) => bucket.errors > 0) ? FAILED_HEIGHT : 0;
  const y = (ms: number): number => HEIGHT - BOTTOM - foot - (HEIGHT - TOP - BOTTOM - foot) * share(ms);
  const at = (index: number): number => x((index + 0.5) * bucketMs);
  const lines: string[] = [];
  for (const tick of ticks) {
    lines.push(
      `<line class="grid" x1="${LEFT}" x2="${width - RIGHT}" y1="${fixed(y(tick))}" y2="${fixed(y(tick))}"/>`,
      `<text class="tick end" x="${LEFT - 8}" y="${fixed(y(tick) + 4)}">${escapeXml(tick === 0 ? '0' : msText(tick))}</text>`,
    );
  }
  const timeStep = niceStep(spanMs / Math.ceil(width / TICK_WIDTH));
  for (let tick = 0; tick <= spanMs; tick += timeStep) {
    lines.push(`<text class="tick" x="${fixed(x(tick))}" y="${HEIGHT - 8}">${escapeXml(secondsText(tick))}</text>`);
  }
  for (const { index, bucket } of rows) {
    if (bucket.errors === 0) continue;
    const thick = Math.max(2, ((width - LEFT - RIGHT) / rows.length) * 0.7);
    const height = 4 + ((FAILED_HEIGHT - 8) * bucket.errors) / bucket.count;
    lines.push(
      `<rect class="failed" x="${fixed(at(index) - thick / 2)}" y="${fixed(HEIGHT - BOTTOM - height)}" width="${fixed(thick)}" height="${fixed(height)}"><title>${bucket.errors} of ${bucket.count} failed</title></rect>`,
    );
  }
  if (foot > 0) {
    lines.push(
      `<line class="axis" x1="${LEFT}" x2="${width - RIGHT}" y1="${HEIGHT - BOTTOM}" y2="${HEIGHT - BOTTOM}"/>`,
      `<text class="series failures" x="${width - RIGHT + 6}" y="${HEIGHT - BOTTOM - 2}">failed</text>`,
    );
  }
  for (const { atMs, text } of marks) {
    if (atMs < 0 || atMs > spanMs) continue;
    const left = fixed(x(atMs));
    lines.push(
      `<g class="mark"><title>${escapeXml(`${secondsText(atMs)}: ${text}`)}</title><path d="M${left} ${TOP}V${HEIGHT - BOTTOM}"/><path class="flag" d="M${left} ${TOP}l7 4l-7 4Z"/></g>`,
    );
  }
  let labelY = Number.NEGATIVE_INFINITY;
  for (const [index, [q, name]] of PERCENTILES.entries()) {
    const points = known.map((row) => [at(row.index), y(row.bucket.duration.percentile(q))] as const);
    const last = points[points.length - 1];
    if (!last) continue;
    // Three names stand above that of the strip below them.
    labelY = Math.min(
      Math.max(last[1] + 4, labelY + 13),
      HEIGHT - BOTTOM - foot + 4 - 13 * (PERCENTILES.length - 1 - index),
    );
    lines.push(
      `<path class="line ${name}" d="M${points.map(([px, py]) => `${fixed(px)} ${fixed(py)}`).join('L')}"/>`,
      ...(points.length === 1
        ? [`<circle class="dot ${name}" cx="${fixed(last[0])}" cy="${fixed(last[1])}" r="3"/>`]
        : []),
      `<text class="series ${name}" x="${width - RIGHT + 6}" y="${fixed(labelY)}">${name}</text>`,
    );
  }
  return lines;
}

/** From 0 in even steps; decades, where the tail is far from the median: an even scale would leave that a flat line. */
function scaleTicks(least: number, most: number): number[] {
  if (least <= 0 || most / least < 25) {
    const step = niceStep(most / 4);
    return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, index) => index * step);
  }
  const first = Math.floor(Math.log10(least));
  return Array.from({ length: Math.ceil(Math.log10(most)) - first + 1 }, (_, index) => 10 ** (first + index));
}

function table({ buckets }: Series, bucketMs: number): string {
  const rows = buckets.map(({ count, errors, duration }, index) => {
    const values = [0.5, 0.9, 0.99].map((q) => `<td>${msText(duration.percentile(q))}</td>`).join('');
    return `<tr><th scope="row">${secondsText(index * bucketMs)}</th><td>${count}</td><td>${errors}</td>${values}</tr>`;
  });
  return `<details class="numbers"><summary>Numbers</summary><div class="scroll" tabindex="0" role="region" aria-label="Latency over time, numbers"><table><thead><tr><th scope="col">From</th><th scope="col">Requests</th><th scope="col">Failed</th><th scope="col">p50</th><th scope="col">p90</th><th scope="col">p99</th></tr></thead><tbody>${rows.join('')}</tbody></table></div></details>`;
}

/** How many requests took how long; the scale of time is logarithmic. */
export function histogramChart({ flows: { bars, duration } }: RunSeries): string {
  const used = bars.flatMap((count, bar) => (count > 0 ? [bar] : []));
  const spare = Math.max(0, LEAST_BARS - ((used[used.length - 1] ?? 0) - (used[0] ?? 0) + 1));
  const first = Math.max(0, (used[0] ?? 0) - Math.floor(spare / 2));
  const last = Math.min(bars.length - 1, (used[used.length - 1] ?? 0) + Math.ceil(spare / 2));
  const shown = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  const most = Math.max(1, ...bars);
  const cell = (HISTOGRAM_WIDTH - 24) / shown.length;
  const lines = shown.flatMap((bar, index) => {
    const count = bars[bar] as number;
    const height = count === 0 ? 0 : Math.max(1.5, ((HEIGHT - TOP - BOTTOM) * count) / most);
    const x = 12 + index * cell;
    const range = `${msText(barEnd(bar - 1))} to ${msText(barEnd(bar))}`;
    return [
      `<rect class="bar" x="${fixed(x + 0.75)}" y="${fixed(HEIGHT - BOTTOM - height)}" width="${fixed(Math.max(1, cell - 1.5))}" height="${fixed(height)}"><title>${count} request${count === 1 ? '' : 's'} took ${range}</title></rect>`,
      ...(index % Math.ceil(shown.length / 6) === 0
        ? [`<text class="tick start" x="${fixed(x)}" y="${HEIGHT - 8}">${escapeXml(msText(barEnd(bar - 1)))}</text>`]
        : []),
    ];
  });
  lines.push(
    `<line class="axis" x1="12" x2="${HISTOGRAM_WIDTH - 12}" y1="${HEIGHT - BOTTOM}" y2="${HEIGHT - BOTTOM}"/>`,
  );
  const label = `Distribution of latency: half of the requests within ${msText(duration.percentile(0.5))}, 99 of 100 within ${msText(duration.percentile(0.99))}`;
  return `<figure>${picture(label, lines, HISTOGRAM_WIDTH)}</figure>`;
}

/** Values over the run, as small as a word; NaN where there is none. */
export function sparkline(values: readonly number[]): string {
  const [width, height] = [96, 22];
  const most = Math.max(1e-9, ...values.filter((value) => !Number.isNaN(value)));
  const points = values.flatMap((value, index) =>
    Number.isNaN(value)
      ? []
      : [`${fixed(((index + 0.5) * width) / values.length)} ${fixed(height - 2 - ((height - 4) * value) / most)}`],
  );
  const path = points.length === 1 ? `M${points[0]}h2` : `M${points.join('L')}`;
  return `<svg class="spark" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" aria-hidden="true">${points.length > 0 ? `<path class="line p99" d="${path}"/>` : ''}</svg>`;
}

/** Drawn for wide and for narrow screens; the style shows one of them, which is also the one that is read out. */
export function figure(label: string, draw: (width: number) => readonly string[], after = ''): string {
  const pictures = Object.entries(WIDTHS).map(([name, width]) => picture(label, draw(width), width, ` ${name}`));
  return `<figure>${pictures.join('')}${after}</figure>`;
}

function picture(label: string, lines: readonly string[], width: number, className = ''): string {
  return `<svg class="chart${className}" viewBox="0 0 ${width} ${HEIGHT}" role="img" aria-label="${escapeXml(label)}">${lines.join('')}</svg>`;
}

/** Milliseconds of a run as `0 s`, `2.5 s`, `3 min`. */
export function secondsText(ms: number): string {
  if (ms >= 120_000) return `${Number((ms / 60_000).toFixed(1))} min`;
  return ms > 0 && ms < 100 ? `${Number(ms.toPrecision(2))} ms` : `${Number((ms / 1000).toFixed(2))} s`;
}

export function fixed(value: number): string {
  return `${Math.round(value * 10) / 10}`;
}

export function whole(value: number): string {
  return value.toLocaleString('en');
}
