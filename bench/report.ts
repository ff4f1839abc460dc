import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { reportHtml } from '../lib/flows/report/report-html';
import { reportRun } from '../lib/flows/run-report';
import { loadTopology } from '../lib/model/load-topology';
import { CHROMIUM, launchChromium, NO_CHROMIUM } from '../test/support/chromium';
import { simulatedRun } from '../test/support/simulated-run';

/**
 * The report of a shop's 10,000 flows: its size, the time to write it beside the time to go through the same flows once, and
 * what a headless Chromium takes to show it (median of five). Exit code 1 where a limit is missed.
 *
 *     npx ts-node bench/report.ts
 */
const FLOWS = 10_000;
const ROUNDS = 5;
const LIMITS = { bytes: 5_000_000, firstViewMs: 1000 };

main();

async function main(): Promise<void> {
  const run = await simulatedRun({
    topology: loadTopology('shop'),
    requests: FLOWS,
    rate: 200,
    failures: { connect: 0.004, reset: 0.002, lost: 0.002, overload: 0.001, internal: 0.001 },
  });
  const { report } = reportRun(run);
  let spans = 0;
  const walking = Date.now();
  for (const _ of run.flows()) spans += 1;
  const walkMs = Date.now() - walking;

  const writing = Date.now();
  let html = '';
  const flows = () => run.flows();
  for await (const piece of reportHtml({ report, flows })) html += piece;
  const writeMs = Date.now() - writing;
  const bytes = Buffer.byteLength(html);

  print(`${spans} flows, ${report.statistics.spans} spans`);
  print(`written in ${writeMs} ms, ${(writeMs / walkMs).toFixed(1)} times what going through the flows takes`);
  const results = [verdict('size', bytes / 1e6, LIMITS.bytes / 1e6, 'MB')];
  if (CHROMIUM) {
    const { paintMs, readyMs } = await firstView(html);
    results.push(verdict('first view', paintMs, LIMITS.firstViewMs, 'ms'));
    results.push(verdict('list of flows ready', readyMs, LIMITS.firstViewMs, 'ms'));
  } else print(`first view not measured: ${NO_CHROMIUM}`);
  process.exitCode = results.every((passed) => passed) ? 0 : 1;
}

async function firstView(html: string): Promise<{ readonly paintMs: number; readonly readyMs: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'microcosm-report-'));
  const browser = await launchChromium();
  try {
    const file = join(folder, 'report.html');
    writeFileSync(file, html);
    const paints: number[] = [];
    const readies: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const page = await browser.newPage();
      await page.goto(pathToFileURL(file).href);
      await page.waitForSelector('html[data-ready]');
      const [paint, ready] = await page.evaluate<[number, number]>(`[
        performance.getEntriesByName('first-contentful-paint')[0].startTime,
        performance.getEntriesByName('ready')[0].startTime,
      ]`);
      paints.push(paint);
      readies.push(ready);
      await page.close();
    }
    return { paintMs: median(paints), readyMs: median(readies) };
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true });
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number;
}

function verdict(what: string, value: number, limit: number, unit: string): boolean {
  const passed = value < limit;
  print(`${passed ? 'pass' : 'FAIL'}  ${what}: ${Number(value.toPrecision(3))} ${unit} (limit ${limit} ${unit})`);
  return passed;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
