import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type Conformance, runCheck } from '../../lib/flows/conformance/check-run';
import { parseEvent } from '../../lib/flows/conformance/parse-event';
import type { LoadResult } from '../../lib/load/run-load';
import { askControl, readKey } from '../../lib/local/control-client';
import { type LocalRun, launch } from '../../lib/local/launch';
import { STATE } from '../../lib/model/contract';
import { hashText } from '../../lib/model/draw';
import { ADHOC_RUN } from '../../lib/model/run-id';
import type { Topology } from '../../lib/model/topology';
import { type Random, seededRandom } from '../../test/support/random';
import { planBlows, planFaults } from './fault-plan';
import { type ProcessMemory, watchMemory } from './memory';
import { calm, type StormOutcome, storm } from './storm';
import { command, type ItineraryAnswers, itineraries, traffic, writeOverlay } from './traffic';

export interface SoakOptions {
  readonly topology: Topology;
  readonly minutes: number;
  readonly seed: string;
  /** Requests per second of the ordinary traffic. */
  readonly rate: number;
  readonly onProgress: (line: string) => void;
}

/** Everything that a soak saw. */
export interface SoakOutcome {
  /** Where its logs are; the caller removes it. */
  readonly cwd: string;
  readonly before: LoadResult;
  readonly during: LoadResult;
  readonly overlaid: LoadResult;
  readonly after: LoadResult;
  readonly itineraries: ItineraryAnswers;
  readonly storm: StormOutcome;
  /** From the end of the storm until every instance answered; undefined where they never did. */
  readonly recoveredMs: number | undefined;
  readonly restarts: number;
  readonly memory: readonly ProcessMemory[];
  /** Of each run, and of the itineraries, which belong to none. */
  readonly checks: readonly Conformance[];
}

const STORM_SHARE = 0.62;
const CALM_SHARE = 0.15;
/** Requests, queued work and faults that began in the storm. */
const SETTLE_MS = 8_000;
const RECOVERY_WITHIN_MS = 60_000;
/** Of the ordinary traffic's rate. */
const OVERLAY_SHARE = 0.2;

/** Runs the topology here, sends it traffic before, during and after a storm of faults, and checks what it did. */
export async function soak(options: SoakOptions): Promise<SoakOutcome> {
  const { topology, seed, rate, onProgress } = options;
  const cwd = mkdtempSync(join(tmpdir(), 'microcosm-soak-'));
  const run = await launch(topology, { cwd, publicFaults: true });
  const { id } = run.deployment;
  const memory = watchMemory(() => run.deployment.instances);
  const [calmMs, stormMs] = [CALM_SHARE * options.minutes * 60_000, STORM_SHARE * options.minutes * 60_000];
  const random = (part: string): Random => seededRandom(hashText(`${seed} ${part}`).low | 0);
  try {
    onProgress(`${run.deployment.instances.length} instances of ${topology.name} are up; seed ${seed}, logs in ${cwd}`);
    const before = await traffic(cwd, id, rate, calmMs, `${seed}-1`);
    onProgress('the storm begins');
    const giveUp = new AbortController();
    const overlay = ['--overlay', writeOverlay(cwd, topology, random('overlay'))];
    const faults = planFaults(topology, stormMs, random('faults'));
    const blows = planBlows(topology, stormMs, random('blows'));
    const [during, overlaid, itineraryAnswers, outcome] = await Promise.all([
      traffic(cwd, id, rate, stormMs, `${seed}-2`),
      traffic(cwd, id, OVERLAY_SHARE * rate, stormMs, `${seed}-3`, overlay),
      itineraries(run, stormMs, random('itineraries')),
      storm(run, cwd, faults, blows, giveUp.signal),
    ]).finally(() => giveUp.abort());
    await calm(run, cwd);
    onProgress('the storm is over');
    const recoveredMs = await recovery(run);
    await wait(SETTLE_MS);
    const after = await traffic(cwd, id, rate, calmMs, `${seed}-4`);
    const measured = memory.stop();
    const restarts = run.deployment.instances.reduce((sum, instance) => sum + instance.restarts, 0);
    await run.stop();
    onProgress('checking');
    const checks: Conformance[] = [];
    for (const result of [before, during, overlaid, after]) {
      checks.push(JSON.parse((await command(cwd, 'check', [result.run, '--json'])).stdout) as Conformance);
    }
    checks.push(checkItineraries(run, topology));
    return {
      cwd,
      before,
      during,
      overlaid,
      after,
      itineraries: itineraryAnswers,
      storm: outcome,
      recoveredMs,
      restarts,
      memory: measured,
      checks,
    };
  } finally {
    memory.stop();
    await run.kill();
  }
}

/** Milliseconds until every instance answers its control interface. */
async function recovery(run: LocalRun): Promise<number | undefined> {
  const beganAt = performance.now();
  const scope = { key: readKey(run.folder), topology: run.deployment.topology.name };
  const answers = async (port: number | null) => {
    try {
      return (await askControl(port, 'GET /state', scope)).status === 200;
    } catch {
      return false;
    }
  };
  while (performance.now() - beganAt < RECOVERY_WITHIN_MS) {
    const all = await Promise.all(run.deployment.instances.map(({ controlPort }) => answers(controlPort)));
    if (all.every(Boolean)) return performance.now() - beganAt;
    await wait(250);
  }
  return undefined;
}

/** Requests without a run are in the logs of their deployment only. */
function checkItineraries({ folder }: LocalRun, topology: Topology): Conformance {
  const check = runCheck({ run: ADHOC_RUN, topology, end: null });
  const logs = join(folder, STATE.logs);
  for (const file of readdirSync(logs)) {
    for (const line of readFileSync(join(logs, file), 'utf8').split('\n')) {
      const event = parseEvent(line);
      if (event) check.add(event);
    }
  }
  return check.finish();
}

/** Gives back what a soak left on disk. */
export function forget({ cwd }: SoakOutcome): void {
  rmSync(cwd, { recursive: true, force: true });
}
