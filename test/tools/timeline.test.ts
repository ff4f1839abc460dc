import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { loadTopology } from '../../lib/model/load-topology';
import { type Files, loseLines } from '../support/distort';
import { type Simulation, simulate } from '../support/simulate';

const ROOT = join(__dirname, '..', '..');
const RUN = 'shop-20261121t054429z-k3qa';
const simulationTopology = loadTopology('shop', { cwd: ROOT });
const simulation = simulate({
  topology: simulationTopology,
  run: RUN,
  requests: 60,
  failures: { connect: 0.02, overload: 0.03, internal: 0.02 },
});

interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface How {
  readonly env?: NodeJS.ProcessEnv;
  /** Closes standard output after the first piece, as `head` does. */
  readonly closeEarly?: boolean;
  /** Takes standard output in place of a pipe. */
  readonly stdout?: number;
}

function timeline(
  cwd: string,
  args: readonly string[],
  { env = {}, closeEarly = false, stdout: to }: How = {},
): Promise<Result> {
  const { AWS_REGION: _region, AWS_DEFAULT_REGION: _default, AWS_PROFILE: _profile, ...inherited } = process.env;
  const child = spawn(
    process.execPath,
    ['-r', join(ROOT, 'bin', 'typescript.cjs'), join(ROOT, 'tools', 'timeline.ts'), ...args],
    {
      cwd,
      env: { ...inherited, HOME: cwd, TS_NODE_PROJECT: join(ROOT, 'tsconfig.json'), LC_ALL: 'C.UTF-8', ...env },
      stdio: ['ignore', to ?? 'pipe', 'pipe'],
    },
  );
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk) => {
    stdout += chunk;
    if (closeEarly) child.stdout?.destroy();
  });
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
}

async function folder(
  t: ExecutionContext,
  { manifest }: Pick<Simulation, 'manifest'> = simulation,
  files: Files = simulation.files,
): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'microcosm-timeline-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const run = join(directory, '.microcosm', 'runs', RUN);
  await mkdir(run, { recursive: true });
  await writeFile(join(run, 'manifest.jsonl'), manifest.map((record) => `${JSON.stringify(record)}\n`).join(''));
  for (const [file, lines] of files) await writeFile(join(run, file), lines.map((line) => `${line}\n`).join(''));
  return directory;
}

test('the text shows the summary, both tables, and flows as trees, within 80 columns', async (t) => {
  const { code, stdout, stderr } = await timeline(await folder(t), [RUN]);
  t.is(code, 0, stderr);
  t.regex(stdout, new RegExp(`^${RUN}  finished, complete\n  60 flows, \\d+ failed; ${requestEvents()} events`));
  t.regex(stdout, /^web → sessions GET \/sessions\/:id +\d+/m);
  t.regex(stdout, /^● └ |^● ├ /m);
  for (const line of stdout.split('\n')) t.true(line.length <= 80, line);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a pipe must get none of them
  t.notRegex(stdout, /\u001b/);
});

test('without a UTF-8 locale the text is ASCII', async (t) => {
  const { stdout } = await timeline(await folder(t), [RUN], { env: { LC_ALL: 'C' } });
  t.regex(stdout, /^web -> sessions/m);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: all of ASCII
  t.regex(stdout, /^[\u0000-\u007f]*$/);
});

test('the JSON has the fixed shape, and every flow', async (t) => {
  const { code, stdout } = await timeline(await folder(t), [RUN, '--format', 'json']);
  t.is(code, 0);
  const result = JSON.parse(stdout);
  t.like(result, { run: RUN, topology: 'shop', complete: true, events: requestEvents(), warnings: [] });
  t.is(result.tail, null, 'the slowest of sixty tell nothing');
  const [endpoint] = result.statistics.endpoints;
  const windowMs = Date.parse(result.window.endTime) - Date.parse(result.window.startTime);
  t.true(Math.abs(endpoint.requestsPerSecond * windowMs - 1000 * endpoint.calls) < 1e-6 * windowMs);
  const { services, lengthMs } = result.concurrency;
  const web = services.find(({ service }: { service: string }) => service === 'web');
  t.true(web.mean > 0 && web.mean <= web.peak && web.peak <= web.peakAtMost && lengthMs >= windowMs - 1);
  t.is(result.flows.length, 60);
  const truth = simulation.flows.find(({ root }) => root && root.children.length > 0 && root.status === 200);
  const flow = result.flows.find(({ traceId }: { traceId: string }) => traceId === truth?.traceId);
  t.like(flow, { status: 200, complete: true, warnings: [] });
  t.is(typeof flow.durationMs, 'number');
  t.like(flow.root, {
    service: 'web',
    endpoint: truth?.root?.endpoint,
    requestId: truth?.root?.requestId,
    status: 200,
  });
  t.is(flow.root.startTime, flow.startTime);
  t.is(flow.root.children.length, truth?.root?.children.length);
});

test('a log that lacks events is no error: the summary and the flows say what is lost', async (t) => {
  const directory = await folder(t, simulation, loseLines(simulation, 0.02, 7));
  const text = await timeline(directory, [RUN]);
  t.is(text.code, 0);
  t.regex(text.stdout, /finished, incomplete/);
  t.regex(text.stdout, /! \w+-\d \(process \w+\): \d+ events? lost/);
  const json = JSON.parse((await timeline(directory, [RUN, '--format', 'json'])).stdout);
  t.false(json.complete);
  t.true(json.flows.some(({ complete, warnings }: Flow) => !complete && warnings.length > 0));
});

interface Flow {
  readonly complete: boolean;
  readonly warnings: readonly string[];
  readonly status: number | null;
  readonly durationMs: number;
}

test('a log that cannot be read is an error that names it', async (t) => {
  const directory = await folder(t);
  const gone = join('.microcosm', 'runs', RUN, 'web-3.log');
  await symlink('/nowhere/web-3.log', join(directory, gone));
  const { code, stdout, stderr } = await timeline(directory, [RUN]);
  t.deepEqual([code, stdout], [2, '']);
  t.is(
    stderr,
    `${gone}: the file can't be read: it is a link to a file that is gone; make it readable, or take it out of its folder\n`,
  );
});

test('a run without end record is called unfinished', async (t) => {
  const { stdout } = await timeline(await folder(t, { manifest: simulation.manifest.slice(0, 1) }), [RUN]);
  t.regex(stdout, /unfinished, incomplete/);
});

test('--flow shows one flow, also by the first digits of its trace id; an unknown one is the user’s mistake', async (t) => {
  const directory = await folder(t);
  const { traceId } = simulation.flows[3] as Simulation['flows'][number];
  const { code, stdout } = await timeline(directory, [RUN, '--flow', traceId.slice(0, 12), '--raw']);
  t.is(code, 0);
  t.true(stdout.includes(traceId));
  t.false(stdout.includes('REQUESTS HANDLED'));
  t.regex(stdout, /\d\d:\d\d:\d\d\.\d{3}$/m, 'raw times stand beside the bars');
  const unknown = await timeline(directory, [RUN, '--flow', '0'.repeat(32)]);
  t.is(unknown.code, 2);
  t.regex(unknown.stderr, /^--flow: no flow of .*\n$/);
});

test('--errors, --slowest and --service choose flows', async (t) => {
  const directory = await folder(t);
  const json = async (...args: string[]): Promise<{ readonly flows: readonly Flow[] }> =>
    JSON.parse((await timeline(directory, [RUN, '--format', 'json', ...args])).stdout);
  const failed = simulation.flows.filter(({ status }) => status === undefined || status >= 500).length;
  t.true(failed > 0);
  t.is((await json('--errors')).flows.length, failed);
  const all = (await json()).flows.map(({ durationMs }) => durationMs).sort((a, b) => b - a);
  const slowest = (await json('--slowest', '2')).flows.map(({ durationMs }) => durationMs).sort((a, b) => b - a);
  t.deepEqual(slowest, all.slice(0, 2));
  const checkouts = simulation.flows.filter(({ root }) => touches(root, 'payments')).length;
  t.is((await json('--service', 'payments')).flows.length, checkouts);
  const unknown = await timeline(directory, [RUN, '--service', 'paiments']);
  t.is(unknown.code, 2);
  t.regex(unknown.stderr, /services that logged: .*payments/);
});

test('an unknown run is exit 2, and the error names the runs that exist', async (t) => {
  const { code, stdout, stderr } = await timeline(await folder(t), ['shop-20261121t054429z-zzzz']);
  t.is(code, 2);
  t.is(stdout, '');
  t.is(stderr, `run: there is no run shop-20261121t054429z-zzzz; runs that exist: ${RUN}\n`);
});

test('wrong options are told all at once', async (t) => {
  const { code, stderr } = await timeline(await folder(t), [RUN, '--format', 'xml', '--flow', 'xyz', '--since', '1h']);
  t.is(code, 2);
  t.deepEqual(
    stderr
      .trim()
      .split('\n')
      .map((line) => line.split(':')[0]),
    ['--format', '--flow', '--since'],
  );
});

test('a reader that stops early ends it quietly', async (t) => {
  const { code, stderr } = await timeline(await folder(t), [RUN, '--format', 'json'], { closeEarly: true });
  t.is(code, 0);
  t.is(stderr, '');
});

test('adhoc shows the requests without a run, from the deployment’s logs', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'microcosm-timeline-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const logs = join(directory, '.microcosm', 'deployments', 'shop-20261121t054000z-aaaa', 'logs');
  await mkdir(logs, { recursive: true });
  const now = simulate({
    topology: loadTopology('shop', { cwd: ROOT }),
    run: 'adhoc',
    requests: 20,
    startAt: Date.now() - 5000,
  });
  for (const [file, lines] of now.files) {
    if (file !== 'client.log') await writeFile(join(logs, file), lines.map((line) => `${line}\n`).join(''));
  }
  const { code, stdout, stderr } = await timeline(directory, [
    'adhoc',
    '--topology',
    'shop',
    '--since',
    '10m',
    '--format',
    'json',
  ]);
  t.is(code, 0, stderr);
  const result = JSON.parse(stdout);
  t.like(result, { run: 'adhoc', topology: 'shop', complete: true, state: null });
  t.is(result.flows.length, 20);
});

function requestEvents(): number {
  return simulation.events.filter(({ run }) => run === RUN).length;
}

function touches(span: Simulation['flows'][number]['root'], service: string): boolean {
  return span !== null && (span.service === service || span.children.some((child) => touches(child, service)));
}

test('every export is written to a file, with the same flows as in JSON', async (t) => {
  const cwd = await folder(t);
  const { flows } = JSON.parse((await timeline(cwd, [RUN, '--format', 'json'])).stdout);
  const formats: readonly (readonly [format: string, count: (text: string) => number])[] = [
    ['jaeger', (text) => JSON.parse(text).data.length],
    ['shiviz', (text) => text.match(/^=== /gm)?.length ?? 0],
    [
      'csv',
      (text) =>
        new Set(
          text
            .split('\r\n')
            .slice(1, -1)
            .map((row) => row.slice(0, 32)),
        ).size,
    ],
  ];
  for (const [format, count] of formats) {
    const { code, stdout, stderr } = await timeline(cwd, [RUN, '--format', format, '--out', 'exported']);
    t.deepEqual([code, stdout, stderr], [0, '', '']);
    t.is(count(await readFile(join(cwd, 'exported'), 'utf8')), flows.length);
  }
});

test('--clocks shows a row a host, and without it only what is remarkable', async (t) => {
  const slow = { 'catalog-1': { offsetMs: -2_500, source: 'unknown' } } as const;
  const wrong = simulate({
    topology: simulationTopology,
    run: RUN,
    requests: 300,
    rate: 20,
    hostOf: (name) => name,
    clocks: slow,
  });
  const right = await timeline(await folder(t), [RUN]);
  t.notRegex(right.stdout, /^CLOCKS/m);
  const cwd = await folder(t, wrong, wrong.files);
  const short = (await timeline(cwd, [RUN])).stdout;
  t.regex(short, /^CLOCKS against the clock of \S+, by \d+ messages between hosts$/m);
  t.regex(short, /^ {2}catalog-1: moved by \+2[45]\d\d ms \(off by -2[45]\d\d ± [\d.]+ ms/m);
  t.notRegex(short, /^HOST +SOURCE/m);
  const { code, stdout, stderr } = await timeline(cwd, [RUN, '--clocks']);
  t.deepEqual([code, stderr], [0, '']);
  const rows = stdout.split('\n').filter((line) => /^[a-z]+-\d .*(machine|unknown)/.test(line));
  t.is(rows.length, wrong.files.size);
  t.is(rows.filter((row) => row.includes('axis')).length, 1);
  const json = JSON.parse((await timeline(cwd, [RUN, '--format', 'json'])).stdout);
  t.is(json.clocks.hosts.length, rows.length);
  t.true(json.clocks.remarkable);
});

test('--against compares two runs in text and in JSON, and nothing else', async (t) => {
  const OTHER = 'shop-20261121t064429z-qqqq';
  const keys = Array.from({ length: 60 }, (_, index) => `k${index}`);
  const first = simulate({ topology: simulationTopology, run: RUN, requests: 60, keys });
  const other = simulate({ topology: simulationTopology, run: OTHER, requests: 60, keys, seed: 2, networkMs: () => 9 });
  const cwd = await folder(t, first, first.files);
  const run = join(cwd, '.microcosm', 'runs', OTHER);
  await mkdir(run);
  await writeFile(join(run, 'manifest.jsonl'), other.manifest.map((record) => `${JSON.stringify(record)}\n`).join(''));
  for (const [file, lines] of other.files) await writeFile(join(run, file), lines.map((line) => `${line}\n`).join(''));
  const { code, stdout, stderr } = await timeline(cwd, [OTHER, '--against', RUN]);
  t.deepEqual([code, stderr], [0, '']);
  t.true(stdout.startsWith(`${OTHER} against ${RUN}\n  the same 60 requests in both: +`), stdout.slice(0, 200));
  t.regex(stdout, /^FLOWS \(ms\)/m);
  for (const line of stdout.split('\n')) t.true(line.length <= 80, line);
  const json = JSON.parse((await timeline(cwd, [OTHER, '--against', RUN, '--format', 'json'])).stdout);
  t.like(json, { run: OTHER, against: RUN });
  t.is(json.paired.flows, 60);
  t.true(json.paired.interval.low > 0);
  const page = await timeline(cwd, [OTHER, '--against', RUN, '--format', 'html']);
  t.is(page.code, 2);
  t.regex(page.stderr, /^--against: compares in text and json, not in html/);
  const nowhere = await timeline(cwd, [OTHER, '--against', 'shop-20261121t064429z-zzzz']);
  t.deepEqual([nowhere.code, nowhere.stdout], [2, '']);
  t.regex(nowhere.stderr, /there is no run shop-20261121t064429z-zzzz/);
  const narrowed = await timeline(cwd, [OTHER, '--against', RUN, '--service', 'mail', '--errors', '--flow', 'ab']);
  t.is(narrowed.code, 2);
  for (const option of ['service', 'errors', 'flow']) {
    t.regex(narrowed.stderr, new RegExp(`^--${option}: does not go with --against;`, 'm'));
  }
});

// A device of Linux to which nothing can be written.
(existsSync('/dev/full') ? test : test.skip)('a disk that is full is an error in one line', async (t) => {
  const cwd = await folder(t);
  for (const format of ['text', 'json', 'html']) {
    const { code, stderr } = await timeline(cwd, [RUN, '--format', format, '--out', '/dev/full']);
    t.deepEqual([code, stderr], [2, '--out: the disk of /dev/full is full; name a file in a folder of yours\n']);
  }
  const full = await open('/dev/full', 'w');
  t.teardown(() => full.close());
  const { code, stderr } = await timeline(cwd, [RUN, '--format', 'json'], { stdout: full.fd });
  t.is(code, 2);
  t.regex(stderr, /^standard output: ENOSPC: no space left on device, write; write where there is room\n$/);
});

test('a diagram needs its flow, and a file a folder', async (t) => {
  const cwd = await folder(t);
  const unnamed = await timeline(cwd, [RUN, '--format', 'mermaid']);
  t.is(unnamed.code, 2);
  t.regex(unnamed.stderr, /^--flow: mermaid draws one flow/);
  const { flows } = JSON.parse((await timeline(cwd, [RUN, '--format', 'json', '--slowest', '1'])).stdout);
  const named = await timeline(cwd, [RUN, '--format', 'mermaid', '--flow', flows[0].traceId]);
  t.regex(named.stdout, /^sequenceDiagram\n/);
  const nowhere = await timeline(cwd, [RUN, '--format', 'svg', '--out', 'no/such/folder.svg']);
  t.deepEqual([nowhere.code, nowhere.stderr.split(':')[0]], [2, '--out']);
});
