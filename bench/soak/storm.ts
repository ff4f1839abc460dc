import { setTimeout as wait } from 'node:timers/promises';
import type { LocalRun } from '../../lib/local/launch';
import { ChangeUnderWayError, changeDeployment } from '../../lib/local/live-change';
import { addRule, removeRules, serviceOf } from '../../lib/model/edit-topology';
import { parseFaultRule } from '../../lib/model/parse-fault';
import { ruleTargets } from '../../lib/model/validate-faults';
import type { PlannedBlow, PlannedFault } from './fault-plan';

/** What became of a storm's faults. */
export interface StormOutcome {
  /** Kinds that at least one instance took. */
  readonly kinds: ReadonlySet<string>;
  readonly raised: number;
  /** Instances that did not take a fault, since they were dead or frozen: `<fault>: <instance>: <why>`. */
  readonly notTaken: readonly string[];
  readonly blows: number;
}

const ATTEMPTS = 5;
const AGAIN_AFTER_MS = 1_000;

/** Carries out what is planned, each at its time, and ends when the storm is over. */
export async function storm(
  run: LocalRun,
  cwd: string,
  faults: readonly PlannedFault[],
  blows: readonly PlannedBlow[],
  signal: AbortSignal,
): Promise<StormOutcome> {
  const beganAt = performance.now();
  const until = (atMs: number) => wait(Math.max(0, beganAt + atMs - performance.now()), undefined, { signal });
  const kinds = new Set<string>();
  const notTaken: string[] = [];
  let struck = 0;

  const raiseAll = async () => {
    for (const [index, fault] of faults.entries()) {
      await until(fault.atMs);
      const id = `soak-${index + 1}-${fault.rule.type}`;
      // Where the only instance is dead or frozen just now, the same once more.
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        const outcomes = (await raise(run, cwd, id, fault))?.instances ?? [];
        for (const { instance, taken, problem } of outcomes) {
          if (!taken) notTaken.push(`${id}: ${instance}: ${problem}`);
        }
        if (outcomes.some(({ taken }) => taken)) {
          kinds.add(fault.rule.type);
          break;
        }
        await wait(AGAIN_AFTER_MS, undefined, { signal });
      }
    }
  };
  const strikeAll = async () => {
    for (const blow of blows) {
      await until(blow.atMs);
      if (strike(run, blow)) struck += 1;
    }
  };
  await Promise.all([raiseAll(), strikeAll()]);
  return { kinds, raised: faults.length, notTaken, blows: struck };
}

/** Takes back every fault that was raised live. */
export async function calm(run: LocalRun, cwd: string): Promise<void> {
  const edit = removeRules(({ source }) => source === 'live');
  await changeDeployment(cwd, run.folder, edit, () => 'clear all', { keep: true });
}

async function raise(run: LocalRun, cwd: string, id: string, { service, rule, forMs }: PlannedFault) {
  const written = { ...rule, id, expiresAt: new Date(Date.now() + forMs).toISOString() };
  const edit: Parameters<typeof changeDeployment>[2] = (topology) => {
    const targets = ruleTargets(serviceOf(topology, service));
    const parsed = parseFaultRule(written, service, { source: 'live', newId: () => id, targets });
    return addRule(service, parsed)(topology);
  };
  try {
    return await changeDeployment(cwd, run.folder, edit, () => id);
  } catch (error) {
    if (error instanceof ChangeUnderWayError) return undefined;
    throw error;
  }
}

/** False where there is no process to strike: it is just being started again. */
function strike({ deployment }: LocalRun, { instance, blow, forMs }: PlannedBlow): boolean {
  const pid = deployment.instances.find((each) => each.instance === instance)?.pid;
  if (!pid || !signalled(pid, blow === 'freeze' ? 'SIGSTOP' : blow)) return false;
  if (blow === 'freeze') setTimeout(() => signalled(pid, 'SIGCONT'), forMs);
  return true;
}

function signalled(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
