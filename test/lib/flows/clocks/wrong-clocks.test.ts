import { execFile } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import type { Flow, Span } from '../../../../lib/flows/flow';
import { type Run, readRun } from '../../../../lib/flows/read-run';
import { reportRun } from '../../../../lib/flows/run-report';
import { trafficPlan } from '../../../../lib/load/phases';
import { runLoad } from '../../../../lib/load/run-load';
import { type LaunchOptions, launch } from '../../../../lib/local/launch';
import { openLocalRun } from '../../../../lib/logs/local-source';
import { ENVIRONMENT } from '../../../../lib/model/contract';
import { resolve } from '../../../../lib/model/resolve';
import { topology } from '../../../../lib/model/spec';
import { resolveLoadTarget } from '../../../../tools/load-target';
import { changingClock, FAKETIME, NO_FAKETIME, wrongClock } from '../../../support/faketime';

const ROOT = join(__dirname, '..', '..', '..', '..');
const STORE = topology({
  services: {
    web: { edge: true, replicas: 2, calls: [['catalog', 'cart'], 'catalog'], latencyMs: 2 },
    catalog: { replicas: 2, latencyMs: 3 },
    cart: { steps: [{ call: 'catalog' }, { send: 'mail' }] },
    mail: { latencyMs: 10 },
  },
});
const RATE = 40;
const LENGTH_S = 12;
const STEP_AT_MS = 5_000;

/** Seconds that a process's wall clock is ahead, and parts per million that it runs fast by. */
interface Wrong {
  readonly aheadS: number;
  readonly ppm?: number;
  /** Seconds ahead from the middle of the run on. */
  readonly laterS?: number;
}

const WRONG: Readonly<Record<string, Wrong>> = {
  'web-1': { aheadS: 10 },
  'web-2': { aheadS: -10 },
  'catalog-1': { aheadS: -3.25, ppm: 400 },
  'catalog-2': { aheadS: 1.5, laterS: -6 },
  'cart-1': { aheadS: 0.04, laterS: 7.75 },
};

/** Traffic to real processes, each of which vouches for no clock but its own. */
async function tracedRun(t: ExecutionContext, name: string, options: LaunchOptions = {}, during = async () => {}) {
  const cwd = mkdtempSync(join(tmpdir(), 'microcosm-clocks-'));
  t.teardown(() => rmSync(cwd, { recursive: true, force: true }));
  const local = await launch(resolve(STORE, name), {
    cwd,
    environment: (instance) => ({ [ENVIRONMENT.clock]: 'unknown', ...options.environment?.(instance) }),
  });
  t.teardown(() => local.kill());
  const load = await runLoad({
    target: await resolveLoadTarget(local.url, undefined, cwd),
    plan: trafficPlan({ rate: String(RATE), duration: `${LENGTH_S}s` }),
    seed: 'clocks',
    timeoutMs: 30_000,
    cwd,
  });
  await Promise.all([load.done, during()]);
  await local.stop();
  return { cwd, run: await readRun(await openLocalRun(load.run, cwd)) };
}

function conforms(run: string, cwd: string): Promise<string> {
  return new Promise((done) => {
    const args = ['-r', join(ROOT, 'bin', 'typescript.cjs'), join(ROOT, 'tools', 'check.ts'), run];
    const env = { ...process.env, TS_NODE_PROJECT: join(ROOT, 'tsconfig.json') };
    execFile(process.execPath, args, { cwd, env }, (_error, stdout, stderr) => done(stdout + stderr));
  });
}

/** Receipts shown before their sendings, and answers received before they were sent. Offsets are whole microseconds. */
function inversions({ client, root, orphans }: Flow): readonly string[] {
  const found: string[] = [];
  const follows = (span: Span, sentAt: number, what: string): void => {
    if (span.offsetMs < sentAt - 0.002) found.push(`${what} ${span.instance}: ${span.offsetMs} < ${sentAt}`);
  };
  const visit = (span: Span): void => {
    for (const { child, offsetMs, durationMs, error } of span.calls) {
      if (!child) continue;
      follows(child, offsetMs, 'received before sent:');
      const ends = child.offsetMs + (child.durationMs ?? 0);
      if (!error && durationMs !== null && ends > offsetMs + durationMs + 0.002)
        found.push(`answer: ${child.instance}`);
      visit(child);
    }
    for (const child of span.queued) {
      follows(child, span.offsetMs, 'worked on before accepted:');
      visit(child);
    }
  };
  if (client && client.offsetMs > 0.002) found.push('the client sent after the root received');
  for (const span of [root, ...orphans]) visit(span);
  return found;
}

function spansOf(span: Span): readonly Span[] {
  return [span, ...span.calls.flatMap(({ child }) => (child ? spansOf(child) : [])), ...span.queued.flatMap(spansOf)];
}

/** By how much each estimate is further from the truth than it says it may be, with what it is an estimate of. */
function misses(run: Run): readonly { readonly of: string; readonly byMs: number }[] {
  const { domains, estimates } = run.clocks();
  const { axis, windows } = estimates;
  if (axis === 'utc') throw new Error('no time service vouched for a clock');
  const instanceOf = (host: number): string => domains.domains[host]?.processes[0]?.instance ?? '?';
  /** When the process began, in true time: libfaketime's drift begins there. */
  const beganAt = (host: number): number => {
    const up = domains.domains[host]?.processes[0]?.up;
    return up
      ? Date.parse(up.timestamp) - 1000 * (WRONG[instanceOf(host)]?.aheadS ?? 0) - (up.monotonicUs ?? 0) / 1000
      : 0;
  };
  /** Smooth clock less true time. */
  const errorMs = (host: number, trueMs: number): number => {
    const { aheadS = 0, ppm = 0 } = WRONG[instanceOf(host)] ?? {};
    return 1000 * aheadS + (ppm === 0 ? 0 : ((trueMs - beganAt(host)) * ppm) / 1e6);
  };
  return windows.flatMap(({ centreMs, hosts }) => {
    const trueMs = centreMs - errorMs(axis.host, centreMs);
    return hosts.map(({ offsetMs, boundMs }, host) => {
      const truth = errorMs(host, trueMs) - errorMs(axis.host, trueMs);
      return {
        of: `${instanceOf(host)} at ${centreMs}: ${offsetMs} ± ${boundMs}, truly ${truth}`,
        byMs: Math.abs(offsetMs - truth) - boundMs,
      };
    });
  });
}

const wherePossible = FAKETIME === undefined ? test.skip : test.serial;

wherePossible(
  `real processes whose clocks are wrong, run fast and are stepped: order, offsets and check hold${FAKETIME ? '' : ` (${NO_FAKETIME})`}`,
  async (t) => {
    t.timeout(600_000);
    const folder = mkdtempSync(join(tmpdir(), 'microcosm-faketime-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const setting = (instance: string, seconds: number): void => {
      const file = join(folder, instance);
      writeFileSync(`${file}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`);
      renameSync(`${file}.new`, file);
    };
    const stepped = Object.entries(WRONG).filter(([, { laterS }]) => laterS !== undefined);
    for (const [instance, { aheadS }] of stepped) setting(instance, aheadS);

    const { cwd, run } = await tracedRun(
      t,
      'wrong',
      {
        environment: (instance) => {
          const wrong = WRONG[instance];
          if (!wrong) return {};
          if (wrong.laterS !== undefined) return changingClock(join(folder, instance));
          return wrongClock(`${wrong.aheadS < 0 ? '' : '+'}${wrong.aheadS} x${1 + (wrong.ppm ?? 0) / 1e6}`);
        },
      },
      async () => {
        await wait(STEP_AT_MS);
        for (const [instance, { laterS }] of stepped) setting(instance, laterS ?? 0);
      },
    );

    const flows = [...run.flows()];
    t.is(flows.length, RATE * LENGTH_S);
    t.deepEqual(flows.flatMap(inversions), []);
    t.true(flows.every(({ complete }) => complete));
    t.deepEqual(
      misses(run).filter(({ byMs }) => !(byMs <= 0)),
      [],
    );

    const { clocks } = reportRun(run).report;
    for (const [instance, { aheadS, laterS }] of Object.entries(WRONG)) {
      const host = clocks.hosts.find(({ instances }) => instances.includes(instance));
      const steps = host?.steps.map(({ byMs }) => byMs) ?? [];
      if (laterS === undefined) t.deepEqual(steps, [], instance);
      else {
        t.is(steps.length, 1, instance);
        t.true(Math.abs((steps[0] ?? 0) - 1000 * (laterS - aheadS)) <= 2, `${instance}: ${steps}`);
      }
    }
    t.true(clocks.remarkable);
    t.true(
      clocks.hosts.every(({ worstBoundMs }) => worstBoundMs !== null && worstBoundMs < 1_000),
      'and each is known',
    );
    t.regex(await conforms(run.run, cwd), /conforms to wrong/);
  },
);

test.serial('real processes whose clocks are right: nothing is moved, though nobody vouches for them', async (t) => {
  t.timeout(600_000);
  const { cwd, run } = await tracedRun(t, 'right');
  const flows = [...run.flows()];
  t.is(flows.length, RATE * LENGTH_S);
  t.true(run.clocks().domains.domains.length >= 7, 'each process is a host of its own');
  t.deepEqual(
    flows.flatMap(({ root }) => spansOf(root)).filter(({ correctionMs }) => correctionMs !== 0),
    [],
  );
  t.deepEqual(flows.flatMap(inversions), []);
  const { clocks } = reportRun(run).report;
  t.true(clocks.hosts.every(({ correctionMs, steps }) => correctionMs === 0 && steps.length === 0));
  t.regex(await conforms(run.run, cwd), /conforms to right/);
});
