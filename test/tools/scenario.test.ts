import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { type LocalRun, launch } from '../../lib/local/launch';
import { currentTopology } from '../../lib/local/live-change';
import { STATE } from '../../lib/model/contract';
import type { Event } from '../../lib/model/event';
import { loadTopology } from '../../lib/model/load-topology';
import type { ManifestRecord, ManifestStep } from '../../lib/model/manifest';
import { outcome, toolsIn } from '../support/tool';

const cwd = mkdtempSync(join(tmpdir(), 'microcosm-scenario-'));
mkdirSync(join(cwd, 'topologies'));

const delay = { service: 'back', type: 'latency', at: 'before', args: { delay: 400 } };
writeFileSync(
  join(cwd, 'topologies', 'small.json'),
  JSON.stringify({
    services: { web: { edge: true, calls: ['back'] }, back: {}, spare: { edge: true } },
    scenarios: {
      wave: {
        load: { phases: [{ name: 'all', rate: 40, for: '10s' }] },
        steps: [
          { at: '500ms', for: '8s', name: 'grow', scale: { service: 'web', replicas: 2 } },
          { at: '2s', for: '3s', name: 'slow', fault: delay },
        ],
        expect: [
          { of: { from: 'client', to: 'web' }, responseTime: { percentile: 50, atMostMs: 200 }, during: 'slow' },
          { of: { from: 'client', to: 'web' }, errors: { atMost: 0 } },
        ],
      },
      endless: {
        load: { phases: [{ rate: 20, for: '10m' }] },
        steps: [
          { at: '0s', name: 'slow', fault: delay },
          { at: '100ms', name: 'more-calls', connect: { from: 'web', to: 'spare' } },
          { at: '200ms', name: 'grow', scale: { service: 'web', replicas: 2 } },
        ],
      },
    },
  }),
);

let run: LocalRun;
test.before(async () => {
  run = await launch(loadTopology('small', { cwd }), { cwd });
});
test.after.always(async () => {
  await run?.kill();
  rmSync(cwd, { recursive: true, force: true });
});

const tool = toolsIn(cwd);

function runs(): readonly string[] {
  const folder = join(cwd, STATE.runs);
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

function recordsOf(id: string): readonly ManifestRecord[] {
  const lines = readFileSync(join(cwd, STATE.runs, id, STATE.manifest), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => JSON.parse(line) as ManifestRecord);
}

/** Of the lines that are there whole: the instance writes on. */
function eventsOf(id: string, instance: string): readonly Event[] {
  const lines = readFileSync(join(cwd, STATE.runs, id, `${instance}.log`), 'utf8')
    .split('\n')
    .slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Event).filter((event) => event.run === id);
}

function isAsBefore(t: ExecutionContext): void {
  const { folder, deployment } = run;
  const { services } = currentTopology(folder, deployment);
  t.deepEqual(
    Object.values(services).map(({ name, replicas, callees, faults }) => [name, replicas, callees, faults.length]),
    [
      ['web', 1, ['back'], 0],
      ['back', 1, [], 0],
      ['spare', 1, [], 0],
    ],
  );
}

test.serial('a scenario that can not be played is refused before any traffic', async (t) => {
  const all = await Promise.all([
    outcome(tool(t, 'load', 'small', '--scenario')),
    outcome(tool(t, 'load', 'small', '--scenario', 'wvae')),
    outcome(tool(t, 'load', 'http://127.0.0.1:1/', '--scenario', 'wave')),
    outcome(tool(t, 'load', 'small', '--scenario', 'wave', '--duration', '1s')),
  ]);
  for (const { code } of all) t.is(code, 2);
  const [none, wrong, url, short] = all.map(({ stderr }) => stderr);
  t.regex(none ?? '', /there are wave, endless/);
  t.regex(wrong ?? '', /did you mean wave\?/);
  t.regex(url ?? '', /no step of a scenario could be made/);
  t.regex(short ?? '', /slow comes at 2s, and the traffic ends at 1s/);
  t.deepEqual(runs(), []);
});

test.serial('steps are made at their time, a fault strikes in its window only, and new instances serve', async (t) => {
  const { code, stderr } = await outcome(tool(t, 'load', 'small', '--scenario', 'wave'));
  t.is(code, 0, stderr);
  t.regex(stderr, /slow: back latency delay=400 before \(epoch 1, 1 instance/);
  t.regex(stderr, /web to 2 instances: web-2 came/);
  const [id = ''] = runs();
  const records = recordsOf(id);
  const steps = records.filter((record): record is ManifestStep => record.record === 'step');
  // To start an instance takes its time, for which nothing else waits.
  for (const name of ['grow', 'slow']) {
    t.deepEqual(
      steps.filter(({ step }) => step === name).map(({ what }) => what),
      ['begin', 'end'],
    );
  }
  const begin = steps.find(({ step, what }) => step === 'slow' && what === 'begin');
  const end = steps.find(({ step, what }) => step === 'slow' && what === 'end');
  const scenario = records.find((record) => record.record === 'scenario');
  const zero = Date.parse(scenario?.record === 'scenario' ? scenario.startTime : '');
  const struck = eventsOf(id, 'back-1').filter(({ event }) => event === 'FAULT_INJECTED');
  t.true(struck.length > 0);
  for (const { timestamp, fault } of struck) {
    const atMs = Date.parse(timestamp) - zero;
    t.like(fault, { id: 'slow', source: 'scenario', type: 'latency' });
    t.true(
      atMs >= (begin?.atMs ?? 0) - 1 && atMs <= (end?.doneMs ?? 0) + 1,
      `${atMs} of ${JSON.stringify([begin, end])}`,
    );
  }
  t.true(eventsOf(id, 'web-2').some(({ event }) => event === 'REQUEST_RECEIVED'));
  isAsBefore(t);

  const timeline = await outcome(tool(t, 'timeline', id, '--slowest', '0'));
  t.regex(timeline.stdout, /\n {2}scenario {2}wave\n +\d\.\d s {2}grow: web to 2 instances: web-2 came\n/);

  const check = await outcome(tool(t, 'check', id, '--json'));
  t.is(check.code, 1, check.stderr);
  const { verdict, scenario: answered } = JSON.parse(check.stdout);
  t.is(verdict, 'conforms');
  t.true(answered.played);
  t.deepEqual(
    answered.expectations.map((each: { verdict: string }) => each.verdict),
    ['missed', 'met'],
  );
  t.true(answered.expectations[0].measured >= 400);
});

test.serial('Ctrl-C takes back what a scenario did', async (t) => {
  const child = tool(t, 'load', 'small', '--scenario', 'endless');
  const ended = outcome(child);
  let said = '';
  await new Promise<void>((resolve) => {
    child.stderr?.on('data', (chunk) => {
      said += chunk;
      if (/more-calls/.test(said) && /web-2 came/.test(said)) resolve();
    });
  });
  t.deepEqual(currentTopology(run.folder, run.deployment).services.web?.callees, ['back', 'spare']);
  t.is(run.deployment.instances.length, 4);
  child.kill('SIGINT');
  const { code, stderr } = await ended;
  t.is(code, 0, stderr);
  t.regex(stderr, /everything as before; web to 1 instance/);
  isAsBefore(t);

  const check = await outcome(tool(t, 'check', runs().at(-1) ?? ''));
  t.is(check.code, 0, check.stdout);
  // Who was to leave later leaves with the launch, in good order.
  await run.stop();
  const log = readFileSync(join(run.folder, STATE.logs, 'web-2.log'), 'utf8');
  t.is(log.match(/"SERVICE_UP"/g)?.length, log.match(/"SERVICE_DOWN"/g)?.length);
});
