import type { Conformance } from '../../lib/flows/conformance/check-run';
import { formatDuration } from '../../lib/load/duration';
import type { Figures } from '../../lib/load/measures';
import type { LoadResult } from '../../lib/load/run-load';
import { FAULT_ARGUMENTS } from '../../lib/model/fault';
import { memorySlope, type ProcessMemory } from './memory';
import type { SoakOutcome } from './soak';

export interface Bounds {
  /** Fails where even the low end of the interval lies above it. MiB per hour and process. */
  readonly mostGrowth: number;
}

export interface Verdict {
  readonly lines: readonly string[];
  /** What is wrong, a sentence each. */
  readonly failures: readonly string[];
}

/** A loaded machine may make an answer so much later than before the storm. */
const SLOWER_FACTOR = 2;
const SLOWER_MS = 15;
const MORE_ERRORS = 0.01;
const SHOWN_DEPARTURES = 5;

/** The outcome in words, and whether it is good. */
export function judge(outcome: SoakOutcome, { mostGrowth }: Bounds): Verdict {
  const failures: string[] = [];
  const missed = Object.keys(FAULT_ARGUMENTS).filter((type) => !outcome.storm.kinds.has(type));
  const { storm, recoveredMs, restarts } = outcome;
  const lines = [
    ...trafficTable(outcome),
    '',
    `itineraries   ${Object.entries(outcome.itineraries)
      .map(([answer, n]) => `${n} × ${answer}`)
      .join(', ')}`,
    `faults        ${storm.raised} raised, ${storm.kinds.size} of ${Object.keys(FAULT_ARGUMENTS).length} kinds; ${storm.notTaken.length} times an instance that was dead or frozen did not take one`,
    `blows         ${storm.blows} processes killed, stopped or frozen; ${restarts} restarts in all`,
    `recovery      ${recoveredMs === undefined ? 'never' : formatDuration(recoveredMs)} until every instance answered`,
  ];
  if (missed.length > 0) failures.push(`nobody took a fault of ${missed.join(', ')}`);
  if (recoveredMs === undefined) failures.push('some instances never came back');
  failures.push(...recoveryFailures(outcome.before.figures, outcome.after.figures));
  for (const result of [outcome.before, outcome.during, outcome.overlaid, outcome.after]) {
    const { sent, answered, errors } = result.total;
    const unanswered = Object.entries(errors).reduce((sum, [kind, n]) => (kind.startsWith('HTTP_') ? sum : sum + n), 0);
    if (sent !== answered + unanswered)
      failures.push(`${result.run}: ${sent} sent, but ${answered + unanswered} ended`);
  }
  lines.push('', ...memoryLines(outcome.memory, mostGrowth, failures), '');
  for (const check of outcome.checks) lines.push(...checkLines(check, failures));
  return { lines, failures };
}

function trafficTable({ before, during, overlaid, after }: SoakOutcome): readonly string[] {
  const row = (name: string, { figures, total }: LoadResult) => {
    const { p50, p99, max } = figures.responseTime;
    return [name.padEnd(12), ...[total.sent, total.answered, total.failed, p50, p99, max].map((n) => cell(n))].join('');
  };
  const head = ['sent', 'answered', 'failed', 'p50 ms', 'p99 ms', 'max ms'].map((name) => name.padStart(10)).join('');
  return [
    ''.padEnd(12) + head,
    row('before', before),
    row('storm', during),
    row('overlays', overlaid),
    row('after', after),
  ];
}

function cell(value: number): string {
  return (Number.isInteger(value) ? String(value) : value.toFixed(1)).padStart(10);
}

function recoveryFailures(before: Figures, after: Figures): readonly string[] {
  const failures: string[] = [];
  const most = SLOWER_FACTOR * before.responseTime.p50 + SLOWER_MS;
  const { p50 } = after.responseTime;
  if (p50 > most) failures.push(`p50 is ${p50.toFixed(1)} ms after the storm, above ${most.toFixed(1)} ms`);
  const [was, is] = [before, after].map(({ failed, sent }) => failed / Math.max(1, sent)) as [number, number];
  if (is > was + MORE_ERRORS) failures.push(`${(100 * is).toFixed(1)} % of the requests after the storm failed`);
  return failures;
}

function memoryLines(memory: readonly ProcessMemory[], mostGrowth: number, failures: string[]): readonly string[] {
  const slope = memorySlope(memory);
  const lines = ['memory          processes   first MiB    last MiB   most MiB (PSS)   most MiB (RSS)'];
  for (const instance of new Set(memory.map((each) => each.instance))) {
    const processes = memory.filter((each) => each.instance === instance);
    const samples = processes.flatMap((each) => each.samples);
    const figures = [
      samples[0]?.pssMiB ?? 0,
      samples.at(-1)?.pssMiB ?? 0,
      Math.max(...samples.map(({ pssMiB }) => pssMiB)),
      Math.max(...samples.map(({ rssMiB }) => rssMiB)),
    ].map((mib, index) => mib.toFixed(1).padStart(index < 2 ? 12 : 16));
    lines.push(`${instance.padEnd(16)}${String(processes.length).padStart(9)}${figures.join('')}`);
  }
  if (!slope) return [...lines, 'growth        no process lived long enough to tell'];
  const { mibPerHour, plusMinus, processes, warmUpMs } = slope;
  lines.push(
    `growth        ${mibPerHour.toFixed(1)} ± ${plusMinus.toFixed(1)} MiB per hour and process (95 %, ${processes} processes after ${(warmUpMs / 1000).toFixed(0)} s of warm-up, bound ${mostGrowth})`,
  );
  if (mibPerHour - plusMinus > mostGrowth) failures.push(`memory grows by ${mibPerHour.toFixed(1)} MiB per hour`);
  return lines;
}

function checkLines(check: Conformance, failures: string[]): readonly string[] {
  const { run, verdict, flows, spans, departures, explained } = check;
  const causes = Object.values(explained).reduce((sum, n) => sum + n, 0);
  const lines = [
    `${run}: ${verdict}; ${flows} flows, ${spans} spans, ${causes} explained, ${departures.length} departures`,
  ];
  if (departures.length === 0) return lines;
  failures.push(`${run} has ${departures.length} unexplained departures`);
  for (const { kind, service, step, message, traceId } of departures.slice(0, SHOWN_DEPARTURES)) {
    lines.push(
      `  ${kind} at ${service}${step === null ? '' : ` (${step})`}: ${message}${traceId ? ` [${traceId}]` : ''}`,
    );
  }
  return lines;
}
