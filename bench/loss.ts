import { Command } from 'commander';
import { type Run, readRun } from '../lib/flows/read-run';
import type { Event } from '../lib/model/event';
import { loadTopology } from '../lib/model/load-topology';
import { memorySource } from '../test/lib/flows/memory-source';
import { type Files, loseLines, removeFile } from '../test/support/distort';
import { type Simulation, simulate } from '../test/support/simulate';

/**
 * What lost lines do to a timeline: the shop simulated with failures, then 0.1, 1 and 10 % of its lines removed at random,
 * and each instance's file removed as a whole. Counted over all: flows that lost an event and were not flagged, flows that
 * lost none and were.
 *
 *     npx ts-node bench/loss.ts [--requests 500] [--rounds 5]
 */
interface Counts {
  lost: number;
  missed: number;
  spared: number;
  accused: number;
}

async function main(): Promise<void> {
  const program = new Command()
    .option('--requests <n>', 'requests of each run', Number, 500)
    .option('--rounds <n>', 'runs, each with other losses', Number, 5)
    .parse();
  const { requests, rounds } = program.opts<{ requests: number; rounds: number }>();
  const topology = await loadTopology('shop');
  const results = new Map<string, Counts>();
  const judge = async (name: string, simulation: Simulation, files: Files): Promise<void> => {
    const counts = results.get(name) ?? { lost: 0, missed: 0, spared: 0, accused: 0 };
    results.set(name, counts);
    const { run, manifest } = simulation;
    count(simulation, files, await readRun(memorySource({ run, files, manifest })), counts);
  };
  for (let seed = 1; seed <= rounds; seed++) {
    const failures = { connect: 0.02, noInstance: 0.01, overload: 0.02, internal: 0.01 };
    const simulation = simulate({ topology, requests, seed, failures });
    for (const share of [0.001, 0.01, 0.1]) {
      await judge(`${100 * share} % of the lines`, simulation, loseLines(simulation, share, seed));
    }
    for (const file of simulation.files.keys()) await judge('one whole file', simulation, removeFile(simulation, file));
  }
  let wrong = 0;
  process.stdout.write(`${'REMOVED'.padEnd(20)} flows that lost events, not flagged   others, flagged\n`);
  for (const [name, { lost, missed, spared, accused }] of results) {
    wrong += missed + accused;
    process.stdout.write(
      `${name.padEnd(20)} ${String(lost).padStart(23)} ${String(missed).padStart(12)} ${String(spared).padStart(8)} ${String(accused).padStart(8)}\n`,
    );
  }
  process.stdout.write(`${wrong === 0 ? 'met' : 'MISSED'} (none of either)\n`);
  if (wrong > 0) process.exitCode = 1;
}

function count(simulation: Simulation, files: Files, run: Run, counts: Counts): void {
  const left = eventsByTrace(Array.from(files.values()).flatMap((lines) => lines.map((line) => JSON.parse(line))));
  const all = eventsByTrace(simulation.events);
  const flagged = new Map<string, boolean>();
  for (const { traceId, complete } of run.flows()) flagged.set(traceId, (flagged.get(traceId) ?? false) || !complete);
  for (const [trace, events] of all) {
    // Of a flow that lost all its events nothing is left to flag: the manifest's count tells of it.
    if (!left.has(trace)) continue;
    if (left.get(trace) !== events) {
      counts.lost += 1;
      if (!flagged.get(trace)) counts.missed += 1;
    } else {
      counts.spared += 1;
      if (flagged.get(trace)) counts.accused += 1;
    }
  }
}

function eventsByTrace(events: readonly Event[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { traceId } of events) if (traceId) counts.set(traceId, (counts.get(traceId) ?? 0) + 1);
  return counts;
}

void main();
