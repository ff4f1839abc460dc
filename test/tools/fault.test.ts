import type { ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { ChangeReport } from '../../lib/local/give-slices';
import { type LocalRun, launch } from '../../lib/local/launch';
import { STATE } from '../../lib/model/contract';
import type { Event } from '../../lib/model/event';
import { loadTopology } from '../../lib/model/load-topology';
import type { Slice } from '../../lib/model/slice';
import { outcome, toolsIn } from '../support/tool';

const cwd = mkdtempSync(join(tmpdir(), 'microcosm-fault-'));
mkdirSync(join(cwd, 'topologies'));
writeFileSync(
  join(cwd, 'topologies', 'duo.json'),
  JSON.stringify({ services: { web: { edge: true, calls: [{ call: 'back', retries: 2 }] }, back: { replicas: 2 } } }),
);

let deployed: LocalRun;
test.before(async () => {
  deployed = await launch(loadTopology('duo', { cwd }), { cwd, publicFaults: true });
});
test.after.always(async () => {
  await deployed?.kill();
  rmSync(cwd, { recursive: true, force: true });
});

// A line of the timeline is as wide as the terminal.
process.env.COLUMNS = '200';
const tool = toolsIn(cwd);
const fault = (t: ExecutionContext, ...args: string[]) => outcome(tool(t, 'fault', 'duo', ...args));

interface Traffic {
  readonly run: string;
  readonly total: { readonly answered: number };
}

async function traffic(t: ExecutionContext, ...args: string[]): Promise<Traffic> {
  return resultOf(t, tool(t, 'load', 'duo', '--json', ...args));
}

async function resultOf(t: ExecutionContext, load: ChildProcess): Promise<Traffic> {
  const { stdout, stderr, code } = await outcome(load);
  t.is(code, 0, stderr);
  return JSON.parse(stdout) as Traffic;
}

/** Thirty requests a second until told to stop, as soon as the first have been handled. */
async function startTraffic(t: ExecutionContext) {
  const before = new Set(runs());
  const load = tool(t, 'load', 'duo', '--json', '--rate', '30', '--duration', '1h');
  const result = resultOf(t, load);
  const started = () => runs().find((run) => !before.has(run) && handled(run, 'back-1').length > 0);
  await until(() => started() !== undefined);
  return {
    run: started() as string,
    async stop() {
      load.kill('SIGINT');
      await result;
    },
  };
}

/** Resolves once it holds; the test's own time-out is its bound. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 50));
}

function runs(): readonly string[] {
  const folder = join(cwd, STATE.runs);
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** Of what the instance has written by now; none where the run has no log of it yet. */
function eventsOf(run: string, instance: string): readonly Event[] {
  const path = join(cwd, STATE.runs, run, `${instance}.log`);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Event);
}

const handled = (run: string, instance: string): readonly Event[] =>
  eventsOf(run, instance).filter((each) => each.run === run && each.event === 'REQUEST_RECEIVED');

const strikes = (run: string, id: string): readonly Event[] =>
  ['web-1', 'back-1', 'back-2'].flatMap((instance) =>
    eventsOf(run, instance).filter(({ event, fault: struck }) => event === 'FAULT_INJECTED' && struck?.id === id),
  );

async function conforms(t: ExecutionContext, run: string): Promise<string> {
  const { stdout, code } = await outcome(tool(t, 'check', run));
  t.is(code, 0, stdout);
  return stdout;
}

test.serial('each action has a help text, and what is asked wrongly is refused with every mistake', async (t) => {
  const [help, addHelp, wrong, unknown, which, nowhere] = await Promise.all([
    fault(t, '--help'),
    fault(t, 'add', '--help'),
    fault(t, 'add', '-s', 'back', '-t', 'latenc', '--arg', 'delay', '--for', '2h', '--probability', 'often'),
    fault(t, 'add', '-s', 'bakc', '-t', 'latency', '--arg', 'delay=3'),
    fault(t, 'clear'),
    outcome(tool(t, 'fault', 'nowhere', 'list')),
  ]);
  t.is(help.code, 0);
  for (const action of ['add', 'list', 'clear', 'connect', 'itinerary', 'overlay'])
    t.regex(help.stdout, RegExp(`\\b${action}\\b`));
  t.is(addHelp.code, 0);
  t.regex(addHelp.stdout, /--probability/);
  for (const { code, stdout, stderr } of [wrong, unknown, which, nowhere]) {
    t.is(code, 2);
    t.is(stdout, '');
    t.notRegex(stderr, /\n {4}at /);
  }
  for (const part of ['delay has no value', '2h is too long', 'often is no number', 'did you mean latency'])
    t.true(wrong.stderr.includes(part), `${part}: ${wrong.stderr}`);
  t.regex(unknown.stderr, /bakc/);
  t.regex(which.stderr, /which fault is not said/);
});

test.serial(
  'a fault strikes until its time is over, the list shows it meanwhile, and the run has it in epochs.jsonl',
  async (t) => {
    const { run, stop } = await startTraffic(t);
    const added = await fault(
      t,
      'add',
      '-s',
      'back',
      '-t',
      'latency',
      '-a',
      'delay=7',
      '--at',
      'before',
      '--for',
      '5s',
      '--id',
      'short',
      '--json',
    );
    t.is(added.code, 0, added.stderr);
    const report = JSON.parse(added.stdout) as ChangeReport;
    t.deepEqual(
      report.instances.map(({ instance, taken }) => [instance, taken]),
      [
        ['back-1', true],
        ['back-2', true],
      ],
    );
    const listed = await fault(t, 'list');
    t.regex(listed.stdout, /^ {2}short: latency delay=7 before, (\d s left|over)$/m);
    const changes = () => eventsOf(run, 'back-1').filter(({ event }) => event === 'TOPOLOGY_CHANGED');
    await until(() => changes().length > 0);
    const slice = changes()[0]?.detail?.slice as Slice | undefined;
    const expiry = Date.parse(slice?.service.faults[0]?.expiresAt ?? '');
    await until(() => handled(run, 'back-1').some(({ timestamp }) => Date.parse(timestamp) > expiry));
    await stop();
    const struck = strikes(run, 'short');
    t.true(struck.length > 0);
    for (const { timestamp } of struck) t.true(Date.parse(timestamp) <= expiry);
    t.regex(await conforms(t, run), /fault: latency/);
    const line = readFileSync(join(cwd, STATE.runs, run, STATE.epochs), 'utf8');
    t.deepEqual(JSON.parse(line), report);
    t.is(readFileSync(join(deployed.folder, STATE.epochs), 'utf8'), line);
  },
);

test.serial('a fault that is cleared is gone; clearing what is not there changes nothing', async (t) => {
  const add = await fault(t, 'add', '-s', 'web', '-t', 'error', '-a', 'status=418', '--at', 'before', '--id', 'teapot');
  t.regex(add.stdout, /teapot of web: error status=418 before, for 60s\n.*(its instance|all \d instances) took it/);
  t.is((await fetch(deployed.url)).status, 418);
  t.is((await fault(t, 'clear', 'teapot')).code, 0);
  t.is((await fetch(deployed.url)).status, 200);
  t.is((await fault(t, 'clear', '--all')).stdout, 'nothing to change\n');
});

test.serial('load brings an overlay along with every request, and the run conforms', async (t) => {
  const rules = [
    { service: 'back', type: 'latency', at: 'before', args: { delay: 3 }, probability: 0.5, id: 'brought' },
    { service: 'web', type: 'error', at: 'call', args: { status: 503 }, callee: 'back', nth: 1, id: 'first' },
  ];
  writeFileSync(join(cwd, 'overlay.json'), JSON.stringify(rules));
  writeFileSync(join(cwd, 'wrong.json'), '[{"service":"back","type":"latenc","at":"before"},3]');
  const [{ run, total }, wrong] = await Promise.all([
    traffic(t, '--requests', '20', '--rate', '20', '--seed', 'overlay', '--overlay', 'overlay.json'),
    outcome(tool(t, 'load', 'duo', '--overlay', 'wrong.json')),
  ]);
  t.is(total.answered, 20);
  t.is(strikes(run, 'first').length, 20);
  const brought = strikes(run, 'brought').length;
  t.true(brought > 0 && brought < 20);
  t.regex(await conforms(t, run), /20 × retry/);
  t.is(wrong.code, 2);
  t.regex(wrong.stderr, /overlay\[0\].*\n.*overlay\[1\]/);
});

test.serial(
  'an injected crash starts the instance again, which the timeline shows and no flow contradicts',
  async (t) => {
    const { run, stop } = await startTraffic(t);
    const crash = await fault(
      t,
      'add',
      '-s',
      'back',
      '--instance',
      'back-1',
      '-t',
      'crash',
      '--for',
      '4s',
      '--id',
      'boom',
      '--json',
    );
    t.is(crash.code, 0, crash.stderr);
    const over = Date.now() + 4_000;
    await until(() => strikes(run, 'boom').length > 0);
    const lastUp = () => eventsOf(run, 'back-1').findLastIndex(({ event }) => event === 'SERVICE_UP');
    await until(() => {
      const since = eventsOf(run, 'back-1').slice(lastUp());
      return since.some(({ run: id, timestamp }) => id === run && Date.parse(timestamp) > over);
    });
    await stop();
    t.true(lastUp() > 0);
    const [shown, checked, labelled] = await Promise.all([
      outcome(tool(t, 'timeline', run)),
      conforms(t, run),
      outcome(tool(t, 'timeline', run, '--format', 'labels')),
    ]);
    t.regex(shown.stdout, /back-1.*ended without a word.*started again/);
    t.regex(checked, /crash of an instance/);
    const flows = labelled.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const exposed = flows.flatMap(({ spans }) => spans).flatMap((span) => span.exposed);
    for (const each of exposed) t.like(each, { type: 'crash', instance: 'back-1', request: null });
  },
);

test.serial('without the key of the deployment nothing is raised', async (t) => {
  const key = join(deployed.folder, STATE.key);
  renameSync(key, `${key}.away`);
  const [add, list] = await Promise.all([
    fault(t, 'add', '-s', 'web', '-t', 'error', '--at', 'before'),
    fault(t, 'list'),
  ]);
  renameSync(`${key}.away`, key);
  for (const { code, stderr } of [add, list]) {
    t.is(code, 2);
    t.regex(stderr, /the key can't be read \(ENOENT\); use the account that started the deployment/);
  }
  t.is((await fetch(deployed.url)).status, 200);
});
