import type { Concurrency } from '../concurrency/concurrency';
import type { InProgress } from '../concurrency/in-progress';
import { cutMiddle } from '../formats/cut-middle';
import { escapeXml } from '../formats/escape-xml';
import { BOTTOM, figure, fixed, HEIGHT, LEFT, secondsText, sparkline, TICK_WIDTH, TOP } from './charts';
import { niceStep } from './run-series';

/** As many lines as can be told apart. */
const MOST_LINES = 5;
/** Room for the services' names. */
const RIGHT = 118;
const LABEL_HEIGHT = 13;

interface Named extends InProgress {
  readonly name: string;
}

/** Requests in progress: the busiest services as lines, and all services, endpoints, instances and calls as numbers. */
export function progressSection(concurrency: Concurrency | null): string {
  if (concurrency === null || concurrency.services.length === 0) return '';
  const { resolutionMs, bucketMs } = concurrency;
  const services = busiest(concurrency.services.map((one) => ({ ...one, name: one.service })));
  const numbers = [
    ['Endpoints', concurrency.endpoints.map((one) => ({ ...one, name: `${one.service} ${one.endpoint}` }))],
    ['Instances', concurrency.instances.map((one) => ({ ...one, name: one.instance }))],
    ['Calls outstanding', concurrency.edges.map((one) => ({ ...one, name: `${one.caller} → ${one.callee}` }))],
  ] as const;
  const details = numbers.map(
    ([title, list]) =>
      `<details class="numbers"><summary>${title}</summary>${table(busiest(list), title, resolutionMs)}</details>`,
  );
  const shown = services.length > MOST_LINES ? `, the ${MOST_LINES} busiest services` : '';
  return `<section aria-labelledby="progress"><h2 id="progress">Requests in progress</h2><p class="hint">Handled at the same time, with what they wait for: means of ${secondsText(bucketMs)}, peaks of one moment.</p><div class="charts"><div><h3>Over the run${shown}</h3>${progressChart(services.slice(0, MOST_LINES), bucketMs)}</div><div><h3>Services</h3>${table(services, 'Services', resolutionMs)}</div></div>${details.join('')}</section>\n`;
}

function busiest(list: readonly Named[]): readonly Named[] {
  return [...list].sort((a, b) => b.mean - a.mean);
}

function table(list: readonly Named[], title: string, resolutionMs: number): string {
  const rows = list.map(({ name, mean, peak, peakAtMost, means }) => {
    const most = peakAtMost > peak ? `<small title="within ${resolutionMs} ms"> to ${peakAtMost}</small>` : '';
    return `<tr><th scope="row">${escapeXml(name)}</th><td>${meanText(mean)}</td><td>${peak}${most}</td><td>${sparkline(means)}</td></tr>`;
  });
  return `<div class="scroll" tabindex="0" role="region" aria-label="Requests in progress, ${title.toLowerCase()}"><table class="progress"><thead><tr><th scope="col" class="text">${title}</th><th scope="col">Mean</th><th scope="col">Peak</th><th scope="col">Over the run</th></tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}

function progressChart(services: readonly Named[], bucketMs: number): string {
  const told = services.map(({ name, mean, peak }) => `${name} ${meanText(mean)}, at most ${peak}`);
  const label = `Requests in progress over the run in steps of ${secondsText(bucketMs)}: ${told.join('; ')}`;
  return figure(label, (width) => progressLines(services, bucketMs, width));
}

function progressLines(services: readonly Named[], bucketMs: number, width: number): string[] {
  const buckets = services[0]?.means.length ?? 1;
  const spanMs = buckets * bucketMs;
  const step = niceStep(Math.max(0.01, ...services.flatMap(({ means }) => means)) / 4);
  const top = step * Math.ceil(Math.max(step, ...services.flatMap(({ means }) => means)) / step - 1e-9);
  const x = (ms: number): number => LEFT + ((width - LEFT - RIGHT) * ms) / spanMs;
  const y = (value: number): number => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * value) / top;
  const lines: string[] = [];
  for (let tick = 0; tick <= top * 1.0001; tick += step) {
    lines.push(
      `<line class="grid" x1="${LEFT}" x2="${width - RIGHT}" y1="${fixed(y(tick))}" y2="${fixed(y(tick))}"/>`,
      `<text class="tick end" x="${LEFT - 8}" y="${fixed(y(tick) + 4)}">${Number(tick.toPrecision(6))}</text>`,
    );
  }
  const timeStep = niceStep(spanMs / Math.ceil(width / TICK_WIDTH));
  for (let tick = 0; tick <= spanMs; tick += timeStep) {
    lines.push(`<text class="tick" x="${fixed(x(tick))}" y="${HEIGHT - 8}">${escapeXml(secondsText(tick))}</text>`);
  }
  const ends = labelHeights(services.map(({ means }) => y(means[buckets - 1] ?? 0) + 4));
  for (const [index, { name, mean, peak, means }] of services.entries()) {
    const points = means.map((value, bucket) => `${fixed(x((bucket + 0.5) * bucketMs))} ${fixed(y(value))}`);
    const path = points.length === 1 ? `M${points[0]}h2` : `M${points.join('L')}`;
    const title = `<title>${escapeXml(name)}: ${meanText(mean)} on average, ${peak} at most</title>`;
    const short = cutMiddle(name, 16);
    lines.push(
      `<path class="line s${index}" d="${path}">${title}</path>`,
      `<text class="series s${index}" x="${width - RIGHT + 6}" y="${fixed(ends[index] as number)}">${escapeXml(short)}${title}</text>`,
    );
  }
  return lines;
}

/** As near to their lines' ends as they can be without covering each other. */
function labelHeights(wanted: readonly number[]): readonly number[] {
  const placed = [...wanted];
  const order = wanted.map((_, index) => index).sort((a, b) => (wanted[a] as number) - (wanted[b] as number));
  const lowest = HEIGHT - BOTTOM + 4;
  for (const [rank, index] of order.entries()) {
    const above = rank > 0 ? (placed[order[rank - 1] as number] as number) + LABEL_HEIGHT : TOP;
    placed[index] = Math.max(placed[index] as number, above);
  }
  for (const [back, index] of [...order].reverse().entries()) {
    placed[index] = Math.min(placed[index] as number, lowest - back * LABEL_HEIGHT);
  }
  return placed;
}

function meanText(mean: number): string {
  return mean < 9.95 ? mean.toFixed(2) : mean.toFixed(1);
}
