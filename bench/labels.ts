import { spawnSync } from 'node:child_process';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { labelLines } from '../lib/flows/formats/labels';
import { labelRun } from '../lib/flows/labels/label-run';
import { type RunSource, readRun } from '../lib/flows/read-run';
import { reportRun } from '../lib/flows/run-report';
import { fileStream } from '../lib/logs/read-file';
import { temporarySpill } from '../lib/logs/temporary-spill';
import type { ManifestStart } from '../lib/model/manifest';
import { resolve } from '../lib/model/resolve';
import type { TopologySpec } from '../lib/model/spec';
import { simulateInto } from '../test/support/simulate';
import { lineOf } from '../test/support/simulated-log';

/**
 * What the labels of a run full of faults cost, as a ratio of CPU times to the plain timeline of the same files, each in a
 * process of its own. Peak memory is what the process had above one that only loads the program.
 *
 * - `timeline`: statistics and slowest flows, as the command prints them
 * - `labels`: every line of `--format labels`
 */
const WAYS = ['idle', 'timeline', 'labels'] as const;
type Way = (typeof WAYS)[number];

const NAME = 'labelled';
/** Every second flow is struck; hedges, retries and an open breaker follow. */
const SPEC = {
  services: {
    web: {
      edge: true,
      calls: [
        [
          { call: 'catalog', hedge: { afterMs: 30 } },
          { call: 'ads', optional: true, timeoutMs: 100 },
        ],
        { call: 'orders', retries: 2, breaker: { consecutiveFailures: 3, openMs: 200 } },
      ],
    },
    catalog: {
      replicas: 2,
      latencyMs: { lognormal: { median: 10, sigma: 0.5 } },
      faults: [{ type: 'latency', at: 'before', probability: 0.2, args: { delay: { uniform: [10, 200] } } }],
    },
    ads: { latencyMs: 5, faults: [{ type: 'latency', at: 'after', probability: 0.1, args: { delay: 300 } }] },
    orders: { calls: ['stock'], faults: [{ type: 'error', at: 'before', probability: 0.2 }] },
    stock: { latencyMs: { uniform: [1, 9] } },
  },
};

interface Measured {
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly peakMb: number;
  readonly count: number;
}

function main(): void {
  const program = new Command()
    .description('Ratio of labels to the plain timeline of the same run.')
    .option('--flows <n>', 'how many', '100000')
    .option('--rounds <n>', 'interleaved rounds', '1')
    .parse();
  const { flows, rounds } = program.opts<{ flows: string; rounds: string }>();
  const folder = mkdtempSync(join(tmpdir(), 'microcosm-bench-'));
  try {
    const run = generate(folder, Number(flows));
    const results = new Map<Way, Measured[]>(WAYS.map((way) => [way, []]));
    for (let round = 0; round < Number(rounds); round++) {
      for (const way of WAYS) results.get(way)?.push(inProcess(folder, run, way));
    }
    print(results, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Writes the logs of a simulated run, and its manifest beside them. */
function generate(folder: string, requests: number): string {
  const files = new Map<string, { readonly fd: number; lines: string[] }>();
  const flush = ({ fd, lines }: { readonly fd: number; readonly lines: string[] }): void => {
    if (lines.length > 0) writeSync(fd, `${lines.join('\n')}\n`);
    lines.length = 0;
  };
  const topology = resolve(SPEC as unknown as TopologySpec, NAME);
  const { run, manifest } = simulateInto({ topology, requests, rate: 200, breakers: true }, ({ file, event }) => {
    const known = files.get(file) ?? { fd: openSync(join(folder, file), 'w'), lines: [] };
    files.set(file, known);
    known.lines.push(lineOf(event));
    if (known.lines.length > 1000) flush(known);
  });
  for (const file of files.values()) {
    flush(file);
    closeSync(file.fd);
  }
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest[0]));
  return run;
}

function inProcess(folder: string, run: string, way: Way): Measured {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['-r', require.resolve('ts-node/register/transpile-only'), __filename],
    { env: { ...process.env, BENCH_LABELS: JSON.stringify({ folder, run, way }) }, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`${way}: ${stderr}`);
  return JSON.parse(stdout);
}

async function measure({ folder, run, way }: { folder: string; run: string; way: Way }): Promise<void> {
  const start: ManifestStart = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
  const files = readdirSync(folder).filter((file) => file.endsWith('.log'));
  const source: RunSource = {
    run,
    topology: NAME,
    sinceMs: null,
    manifest: { start, end: null, scenario: null, steps: [], foreign: 0 },
    async *streams() {
      for (const file of files) yield fileStream(file, join(folder, file));
    },
  };
  const before = process.cpuUsage();
  const began = process.hrtime.bigint();
  const count = await COUNTS[way](source);
  const { user, system } = process.cpuUsage(before);
  const wallSeconds = Number(process.hrtime.bigint() - began) / 1e9;
  const peakMb = process.resourceUsage().maxRSS / 1024;
  const measured: Measured = { cpuSeconds: (user + system) / 1e6, wallSeconds, peakMb, count };
  process.stdout.write(JSON.stringify(measured));
}

const COUNTS: Readonly<Record<Way, (source: RunSource) => Promise<number>>> = {
  idle: async () => 0,
  timeline: async (source) => {
    const spill = temporarySpill();
    const { report } = reportRun(await readRun(source, { spill }), { slowest: 3, failed: 3 });
    spill.close();
    return report.statistics.flows;
  },
  labels: async (source) => {
    const spill = temporarySpill();
    const run = await readRun(source, { spill });
    let lines = 0;
    for (const line of labelLines(labelRun(run, run.flows()) ?? [])) if (line.length > 1) lines += 1;
    spill.close();
    return lines;
  },
};

function print(results: ReadonlyMap<Way, readonly Measured[]>, folder: string): void {
  const of = (way: Way, field: keyof Measured): number => {
    const sorted = (results.get(way) ?? []).map((one) => one[field]).sort((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? Number.NaN;
  };
  const logs = readdirSync(folder).filter((file) => file.endsWith('.log'));
  const megabytes = logs.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0) / 1e6;
  console.log(`${of('labels', 'count')} flows, ${megabytes.toFixed(0)} MB of logs`);
  for (const way of ['timeline', 'labels'] as const) {
    const ratio = of(way, 'cpuSeconds') / of('timeline', 'cpuSeconds');
    const each = (1e3 * of(way, 'cpuSeconds')) / of(way, 'count');
    const memory = of(way, 'peakMb') - of('idle', 'peakMb');
    console.log(
      `${way.padEnd(9)} ${of(way, 'cpuSeconds').toFixed(1)} s CPU, ${each.toFixed(2)} ms a flow  ${ratio.toFixed(1)}x  +${memory.toFixed(0)} MB peak`,
    );
  }
}

const asked = process.env.BENCH_LABELS;
if (asked === undefined) main();
else measure(JSON.parse(asked));
