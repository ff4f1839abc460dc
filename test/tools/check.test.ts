import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import { STATE } from '../../lib/model/contract';
import { resolve } from '../../lib/model/resolve';
import { removeFile, truncateLastLine } from '../support/distort';
import { type Simulation, simulate } from '../support/simulate';

const repository = join(__dirname, '..', '..');

const shop = resolve(
  { services: { web: { edge: true, calls: ['cart', ['stock', 'cart']] }, cart: { latencyMs: 3 }, stock: {} } },
  'shop',
);

async function withRun(t: ExecutionContext, simulation: Simulation): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'microcosm-check-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const folder = join(directory, STATE.runs, simulation.run);
  await mkdir(folder, { recursive: true });
  const manifest = simulation.manifest.map((record) => `${JSON.stringify(record)}\n`).join('');
  await writeFile(join(folder, STATE.manifest), manifest);
  for (const [file, lines] of simulation.files) await writeFile(join(folder, file), lines.join('\n'));
  return directory;
}

async function check(directory: string, ...parameters: string[]) {
  const command = [
    join(repository, 'node_modules', 'ts-node', 'dist', 'bin.js'),
    join(repository, 'tools', 'check.ts'),
  ];
  const child = spawn(process.execPath, [...command, ...parameters], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((done) => child.on('close', done)),
  ]);
  return { stdout, stderr, code };
}

test('a run that conforms is said to, with exit code 0', async (t) => {
  const simulation = simulate({ topology: shop, requests: 20, failures: { balancer: 0.2 } });
  const { stdout, code } = await check(await withRun(t, simulation), simulation.run);
  t.regex(stdout, /conforms to shop\n {2}20 flows/);
  t.regex(stdout, /explained by the log: \d+ × answered 502 by the balancer/);
  t.is(code, 0);
});

test('a departure is shown with its flow and the command to look at it, with exit code 1', async (t) => {
  const simulation = simulate({ topology: shop, requests: 5 });
  const traceId = simulation.flows[2]?.traceId as string;
  const files = new Map(
    Array.from(simulation.files, ([file, lines]) => [
      file,
      lines.map((line) =>
        line.includes(traceId) && file === 'web-1.log' ? line.replaceAll('stock GET', 'cart GET') : line,
      ),
    ]),
  );
  const { stdout, code } = await check(await withRun(t, { ...simulation, files }), simulation.run);
  t.is(code, 1);
  t.regex(stdout, /DEPARTS from shop/);
  t.true(stdout.includes(`npx ts-node tools/timeline.ts ${simulation.run} --flow ${traceId}`));
});

test('a lost file is told apart from wrong behaviour; --json has the same', async (t) => {
  const simulation = simulate({ topology: shop, requests: 30 });
  const directory = await withRun(t, { ...simulation, files: removeFile(simulation, 'stock-1.log') });
  const { stdout, code } = await check(directory, simulation.run);
  t.is(code, 1);
  t.regex(stdout, /incomplete log/);
  t.regex(stdout, /10 more departures; --all shows them/);
  const json = JSON.parse((await check(directory, simulation.run, '--json')).stdout);
  t.is(json.verdict, 'incomplete');
  t.is(json.departures.length, 30);
  t.true(json.departures.every(({ kind }: { kind: string }) => kind === 'lost'));
});

test('a half-written last line is counted, and what it held is missed', async (t) => {
  const simulation = simulate({ topology: shop, requests: 3 });
  const directory = await withRun(t, { ...simulation, files: truncateLastLine(simulation, 'client.log') });
  const { stdout, code } = await check(directory, simulation.run);
  t.is(code, 1);
  t.regex(stdout, /1 line that is no event/);
  t.regex(stdout, /part of the client's log is lost/);
});

test('an unfinished run is called so, and what has not ended is not held against it', async (t) => {
  const simulation = simulate({ topology: shop, requests: 3 });
  const files = new Map(
    Array.from(simulation.files, ([file, lines]) => [file, file === 'client.log' ? lines.slice(0, -1) : lines]),
  );
  const directory = await withRun(t, { ...simulation, files, manifest: simulation.manifest.slice(0, 1) });
  const { stdout, code } = await check(directory, simulation.run);
  t.is(code, 0);
  t.regex(stdout, /unfinished: the run has no end record/);
});

test('an unknown run ends with exit code 2 and the runs that exist, without a stack trace', async (t) => {
  const simulation = simulate({ topology: shop, requests: 1 });
  const { stderr, stdout, code } = await check(await withRun(t, simulation), 'shop-20261121t054429z-nope');
  t.is(code, 2);
  t.is(stdout, '');
  t.true(stderr.includes(simulation.run));
  t.false(stderr.includes('    at '));
});
