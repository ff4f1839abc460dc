import { Command } from 'commander';
import type { Flow, Span } from '../lib/flows/flow';
import type { Run } from '../lib/flows/read-run';
import { resolve } from '../lib/model/resolve';
import type { TopologySpec } from '../lib/model/spec';
import type { Topology } from '../lib/model/topology';
import { type Random, seededRandom } from '../test/support/random';
import type { HostClock } from '../test/support/simulated-log';
import { simulatedRun } from '../test/support/simulated-run';

/**
 * What the clocks of simulated runs do to their timelines: hosts skewed by up to 10 s, drifting by up to 200 ppm, some
 * stepping by up to 10 s in mid-run, and 1 to 50 ms of network latency each way; every fifth run has true clocks.
 *
 * - inversions: receipts shown before their sendings, answers received before they were sent
 * - within bound: share of the estimated offsets that are no further from the truth than they say
 * - bound: median of the stated bounds, as a ratio to half the smallest round trips in the window from the host to the
 *   axis, plus the drift allowance of 500 ppm
 * - moved: spans moved in runs with true clocks
 *
 *     npx ts-node bench/skew.ts [--cases 100] [--requests 300] [--seed 1]
 */
const DRIFT_ALLOWANCE_MS = 500e-6 * 10_000;
const WINDOW_MS = 10_000;
const RATE = 20;

interface Result {
  inversions: number;
  estimates: number;
  within: number;
  readonly boundRatios: number[];
  moved: number;
  spans: number;
  unknown: number;
  contradictory: number;
}

async function main(): Promise<void> {
  const program = new Command()
    .option('--cases <n>', 'simulated runs', Number, 100)
    .option('--requests <n>', `requests of each, at ${RATE} a second`, Number, 300)
    .option('--seed <n>', 'first seed', Number, 1)
    .parse();
  const { cases, requests, seed } = program.opts<{ cases: number; requests: number; seed: number }>();
  const total: Result = {
    inversions: 0,
    estimates: 0,
    within: 0,
    boundRatios: [],
    moved: 0,
    spans: 0,
    unknown: 0,
    contradictory: 0,
  };
  for (let index = 0; index < cases; index++) await oneCase(seed + index, requests, index % 5 === 4, total);
  total.boundRatios.sort((a, b) => a - b);
  const share = total.within / total.estimates;
  const ratio = total.boundRatios[total.boundRatios.length >> 1] ?? Number.NaN;
  const lines: readonly (readonly [string, string, string])[] = [
    ['causal inversions', String(total.inversions), verdict(total.inversions === 0, 'none')],
    ['offsets within bound', `${(100 * share).toFixed(3)} %`, verdict(share >= 0.99, 'at least 99 %')],
    ['median bound, ratio', ratio.toFixed(3), verdict(ratio <= 1, 'at most 1')],
    ['moved without skew', String(total.moved), verdict(total.moved === 0, 'none')],
  ];
  process.stdout.write(
    `${cases} runs of ${requests} requests, ${total.spans} spans, ${total.estimates} offsets (${total.unknown} unknown, ${total.contradictory} contradictory windows)\n`,
  );
  for (const [what, value, limit] of lines)
    process.stdout.write(`${what.padEnd(22)} ${value.padStart(10)}  ${limit}\n`);
  if (lines.some(([, , limit]) => limit.startsWith('MISSED'))) process.exitCode = 1;
}

function verdict(met: boolean, limit: string): string {
  return `${met ? 'met' : 'MISSED'} (${limit})`;
}

async function oneCase(seed: number, requests: number, trueClocks: boolean, total: Result): Promise<void> {
  const random = seededRandom(seed);
  const lengthMs = (requests * 1000) / RATE;
  const clocks: Record<string, HostClock> = {};
  const clockOf = (host: string): HostClock => {
    clocks[host] ??= trueClocks ? { source: 'unknown' } : randomClock(random, lengthMs);
    return clocks[host] as HostClock;
  };
  const topology = randomTopology(random);
  for (const { name, replicas } of Object.values(topology.services)) {
    for (let replica = 1; replica <= replicas; replica++) clockOf(`${name}-${replica}`);
  }
  clockOf('client-1');
  const links = new Map<string, number>();
  const run = await simulatedRun({
    topology,
    requests,
    rate: RATE,
    seed,
    startAt: START,
    hostOf: (instance) => instance,
    clocks,
    networkMs: (from, to) => {
      const key = from < to ? `${from} ${to}` : `${to} ${from}`;
      const base = links.get(key) ?? 1 + 30 * random.next() ** 2;
      links.set(key, base);
      return Math.min(50, base + 20 * random.next() ** 3);
    },
  });
  judge(run, clocks, trueClocks, total);
}

const START = Date.UTC(2026, 10, 21, 5, 44, 29);

function randomClock(random: Random, lengthMs: number): HostClock {
  const signed = (most: number): number => (2 * random.next() - 1) * most;
  const steps =
    random.next() < 0.3 ? [{ atMs: lengthMs * (0.2 + 0.6 * random.next()), byMs: Math.round(signed(10_000)) }] : [];
  return { offsetMs: signed(10_000), driftPpm: signed(200), steps, source: 'unknown' };
}

function randomTopology(random: Random): Topology {
  const count = 3 + Math.floor(random.next() * 4);
  const services: Record<string, unknown> = {};
  for (let index = 0; index < count; index++) {
    const callees = Array.from({ length: count - index - 1 }, (_, i) => `s${index + 1 + i}`).filter(
      (_, i) => i === 0 || random.next() < 0.4,
    );
    const calls = callees.map((callee) => ({ call: callee, timeoutMs: 20_000 }));
    services[`s${index}`] = {
      edge: index === 0,
      replicas: 1 + Math.floor(random.next() * 2),
      latencyMs: 1 + 5 * random.next(),
      steps: calls.length > 1 && random.next() < 0.6 ? [{ parallel: calls }] : calls,
    };
  }
  const spec = { name: 'skewed', seed: String(random.hex(1)), defaults: { deadlineMs: 50_000 }, services };
  return resolve(spec as unknown as TopologySpec, 'skewed');
}

function judge(run: Run, clocks: Readonly<Record<string, HostClock>>, trueClocks: boolean, total: Result): void {
  const known = run.clocks();
  const { domains } = known.domains;
  const flows = [...run.flows()];
  for (const flow of flows) judgeFlow(flow, trueClocks, total);

  const nameOf = (domain: number): string => domains[domain]?.processes[0]?.instance ?? '?';
  /** Smooth clock minus true time. */
  const error = (domain: number, trueMs: number): number => {
    const { offsetMs = 0, driftPpm = 0 } = clocks[nameOf(domain)] ?? {};
    return offsetMs + ((trueMs - START) * driftPpm) / 1e6;
  };
  const { axis, windows, contradictory } = known.estimates;
  if (axis === 'utc') throw new Error('no clock was vouched for');
  total.contradictory += contradictory.length;
  const trips = roundTrips(flows, (host, raw) => raw - error(idOf(run, host), START));
  for (const { centreMs, hosts } of windows) {
    const trueMs = centreMs - error(axis.host, centreMs - error(axis.host, START));
    const limits = halfTrips(
      trips,
      domains.map((_, id) => nameOf(id)),
      nameOf(axis.host),
      trueMs,
    );
    for (const [host, { offsetMs, boundMs }] of hosts.entries()) {
      if (host === axis.host) continue;
      if (!Number.isFinite(boundMs)) {
        total.unknown += 1;
        continue;
      }
      total.estimates += 1;
      const truth = error(host, trueMs) - error(axis.host, trueMs);
      if (Math.abs(offsetMs - truth) <= boundMs) total.within += 1;
      const limit = (limits.get(nameOf(host)) ?? Number.POSITIVE_INFINITY) + DRIFT_ALLOWANCE_MS;
      total.boundRatios.push(boundMs / limit);
    }
  }
}

function idOf(run: Run, instance: string): number {
  return run.clocks().domains.domains.find(({ processes }) => processes[0]?.instance === instance)?.id ?? 0;
}

function judgeFlow(flow: Flow, trueClocks: boolean, total: Result): void {
  const visit = (span: Span): void => {
    total.spans += 1;
    if (trueClocks && span.correctionMs !== 0) total.moved += 1;
    for (const { child, offsetMs, durationMs, error } of span.calls) {
      if (!child) continue;
      if (child.offsetMs < offsetMs - 0.002) total.inversions += 1;
      const ends = child.offsetMs + (child.durationMs ?? 0);
      if (!error && durationMs !== null && ends > offsetMs + durationMs + 0.002) total.inversions += 1;
      visit(child);
    }
    for (const child of span.queued) {
      if (child.offsetMs < span.offsetMs - 0.002) total.inversions += 1;
      visit(child);
    }
  };
  visit(flow.root);
  const { client } = flow;
  if (client && client.offsetMs > 0.002) total.inversions += 1;
}

interface Trip {
  readonly pair: readonly [string, string];
  readonly atMs: number;
  readonly tripMs: number;
}

/** What each call spent in the network, both ways together. */
function roundTrips(flows: readonly Flow[], trueTime: (instance: string, rawMs: number) => number): readonly Trip[] {
  const trips: Trip[] = [];
  const visit = (span: Span): void => {
    for (const { child, durationMs } of span.calls) {
      if (!child) continue;
      if (durationMs !== null && child.durationMs !== null) {
        const atMs = trueTime(child.instance, Date.parse(child.startTime));
        trips.push({ pair: [span.instance, child.instance], atMs, tripMs: durationMs - child.durationMs });
      }
      visit(child);
    }
  };
  for (const { root, client } of flows) {
    visit(root);
    if (!client || client.durationMs === null || root.durationMs === null) continue;
    const atMs = trueTime(root.instance, Date.parse(root.startTime));
    trips.push({ pair: ['client-1', root.instance], atMs, tripMs: client.durationMs - root.durationMs });
  }
  return trips;
}

/** Half the smallest round trips in the window, added up along the shortest way to the axis. */
function halfTrips(
  trips: readonly Trip[],
  names: readonly string[],
  axis: string,
  centreMs: number,
): ReadonlyMap<string, number> {
  const links = new Map<string, Trip>();
  for (const trip of trips) {
    // A stepped clock misplaces its trips here; they then count for no window or another one, which is all the same.
    if (Math.abs(trip.atMs - centreMs) > WINDOW_MS) continue;
    const key = [...trip.pair].sort().join(' ');
    if (trip.tripMs < (links.get(key)?.tripMs ?? Number.POSITIVE_INFINITY)) links.set(key, trip);
  }
  const halves = new Map(names.map((name) => [name, name === axis ? 0 : Number.POSITIVE_INFINITY]));
  for (let round = 0; round < names.length; round++) {
    for (const { pair, tripMs } of links.values()) {
      for (const [a, b] of [pair, [pair[1], pair[0]] as const]) {
        halves.set(b, Math.min(halves.get(b) ?? 0, (halves.get(a) ?? 0) + tripMs / 2));
      }
    }
  }
  return halves;
}

void main();
