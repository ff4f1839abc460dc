import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { readEvents } from '../lib/flows/events/read-events';
import { type RunSource, readRun } from '../lib/flows/read-run';
import { reportRun } from '../lib/flows/run-report';
import { fileStream } from '../lib/logs/read-file';
import { temporarySpill } from '../lib/logs/temporary-spill';
import type { Event } from '../lib/model/event';
import { loadTopology } from '../lib/model/load-topology';
import { simulateInto } from '../test/support/simulate';
import { lineOf } from '../test/support/simulated-log';

/**
 * What rebuilding a run's flows costs, as a ratio to reading its files and calling `JSON.parse` on every line, both on
 * the same files in this run. CPU and wall seconds, medians of interleaved rounds, each in a process of its own; the ratio
 * of CPU times is the figure, that of wall times stands beside it (on a busy machine it says little). Peak memory is what
 * the process had above one that only loads the program.
 *
 * - `scan`: records of all events, and nothing more
 * - `flows`: finished flows with trees, completeness and critical paths
 * - `report`: that, and the statistics and slowest flows that the command prints
 * - `other order`: the same flows from lines with their keys in another order, against `JSON.parse` of those lines
 *
 * With `--events 10000000 --only parse,flows` the logs take some 10 GB of the temporary folder until the end.
 */
const WAYS = ['idle', 'parse', 'scan', 'flows', 'report', 'parse other order', 'flows other order'] as const;
type Way = (typeof WAYS)[number];

interface Measured {
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly peakMb: number;
  readonly count: number;
}

const EVENTS_PER_REQUEST = 33.6;

function main(): void {
  const program = new Command()
    .description('Ratio of rebuilding flows to JSON.parse of the same lines.')
    .option('--events <n>', 'how many, about', '200000')
    .option('--rounds <n>', 'interleaved rounds', '3')
    .option('--only <ways>', `some of: ${WAYS.slice(1).join(', ')}`, WAYS.slice(1).join(','))
    .parse();
  const { events, rounds, only } = program.opts<{ events: string; rounds: string; only: string }>();
  const ways = WAYS.filter((way) => way === 'idle' || only.split(/ *, */).includes(way));
  const folder = mkdtempSync(join(tmpdir(), 'microcosm-bench-'));
  try {
    const otherToo = ways.some((way) => way.endsWith('other order'));
    const run = generate(folder, Math.ceil(Number(events) / EVENTS_PER_REQUEST), otherToo);
    const results = new Map<Way, Measured[]>(WAYS.map((way) => [way, []]));
    for (let round = 0; round < Number(rounds); round++) {
      for (const way of ways) results.get(way)?.push(inProcess(folder, run, way));
    }
    print(results, ways, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Writes the logs of a simulated run of the shop, and where asked the same lines in another order of keys beside them. */
function generate(folder: string, requests: number, otherToo: boolean): string {
  const buffers = new Map<string, { readonly fd: number; lines: string[] }>();
  const flush = ({ fd, lines }: { readonly fd: number; readonly lines: string[] }): void => {
    if (lines.length > 0) writeSync(fd, `${lines.join('\n')}\n`);
    lines.length = 0;
  };
  const put = (file: string, line: string): void => {
    let buffer = buffers.get(file);
    if (!buffer) {
      buffer = { fd: openSync(join(folder, file), 'w'), lines: [] };
      buffers.set(file, buffer);
    }
    buffer.lines.push(line);
    if (buffer.lines.length > 1000) flush(buffer);
  };
  const topology = loadTopology('shop', { cwd: join(__dirname, '..') });
  // As the load driver names them: every line of a real run bears its request's key.
  const keys = Array.from({ length: requests }, (_, index) => `k${index}-3c9956667330`);
  const { run } = simulateInto({ topology, requests, rate: 200, keys }, ({ file, event }) => {
    put(file, lineOf(event));
    if (otherToo) put(`${file}.other`, otherOrder(event));
  });
  for (const buffer of buffers.values()) {
    flush(buffer);
    closeSync(buffer.fd);
  }
  return run;
}

function otherOrder({ timestamp, hlc, ...rest }: Event): string {
  return JSON.stringify({ extra: true, ...rest, hlc, timestamp });
}

function inProcess(folder: string, run: string, way: Way): Measured {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['-r', require.resolve('ts-node/register/transpile-only'), __filename],
    { env: { ...process.env, BENCH_TIMELINE: JSON.stringify({ folder, run, way }) }, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`${way}: ${stderr}`);
  return JSON.parse(stdout);
}

async function measure({ folder, run, way }: { folder: string; run: string; way: Way }): Promise<void> {
  const suffix = way.endsWith('other order') ? '.log.other' : '.log';
  const files = readdirSync(folder).filter((file) => file.endsWith(suffix));
  const source: RunSource = {
    run,
    topology: 'shop',
    sinceMs: null,
    manifest: { start: null, end: null, scenario: null, steps: [], foreign: 0 },
    async *streams() {
      for (const file of files) yield fileStream(file, join(folder, file));
    },
  };
  const before = process.cpuUsage();
  const start = process.hrtime.bigint();
  const count = await COUNTS[way](source);
  const { user, system } = process.cpuUsage(before);
  const wallSeconds = Number(process.hrtime.bigint() - start) / 1e9;
  const peakMb = process.resourceUsage().maxRSS / 1024;
  const measured: Measured = { cpuSeconds: (user + system) / 1e6, wallSeconds, peakMb, count };
  process.stdout.write(JSON.stringify(measured));
}

const COUNTS: Readonly<Record<Way, (source: RunSource) => Promise<number>>> = {
  idle: async () => 0,
  parse,
  scan: async (source) => {
    const spill = temporarySpill();
    const { store } = await readEvents(source, { spill });
    spill.close();
    return store.records;
  },
  flows,
  report: async (source) => {
    const spill = temporarySpill();
    const { report } = reportRun(await readRun(source, { spill }), { slowest: 3, failed: 3 });
    spill.close();
    return report.statistics.flows;
  },
  'parse other order': parse,
  'flows other order': flows,
};

async function parse(source: RunSource): Promise<number> {
  let count = 0;
  for await (const { chunks } of source.streams()) {
    let rest = '';
    for await (const chunk of chunks()) {
      const lines = (rest + chunk.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (typeof JSON.parse(line) === 'object') count += 1;
    }
  }
  return count;
}

async function flows(source: RunSource): Promise<number> {
  const spill = temporarySpill();
  const run = await readRun(source, { spill });
  let count = 0;
  for (const batch of run.batches()) count += batch.flows.length;
  spill.close();
  return count;
}

function print(results: ReadonlyMap<Way, readonly Measured[]>, ways: readonly Way[], folder: string): void {
  const of = (way: Way, field: keyof Measured): number => median((results.get(way) ?? []).map((one) => one[field]));
  const logs = readdirSync(folder).filter((file) => file.endsWith('.log'));
  const megabytes = logs.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0) / 1e6;
  console.log(
    `${of('parse', 'count')} lines in ${logs.length} files, ${megabytes.toFixed(0)} MB; ${of('flows', 'count')} flows`,
  );
  for (const way of ways) {
    if (way === 'idle') continue;
    const base = way.endsWith('other order') ? 'parse other order' : 'parse';
    const ratio = of(way, 'cpuSeconds') / of(base, 'cpuSeconds');
    const wall = of(way, 'wallSeconds') / of(base, 'wallSeconds');
    const memory = of(way, 'peakMb') - of('idle', 'peakMb');
    console.log(
      `${way.padEnd(17)} ${of(way, 'cpuSeconds').toFixed(2)} s CPU  ${ratio.toFixed(2)}x (wall ${wall.toFixed(2)}x)  +${memory.toFixed(0)} MB peak`,
    );
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

const asked = process.env.BENCH_TIMELINE;
if (asked === undefined) main();
else measure(JSON.parse(asked));
