import { appendFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { calleesByService } from '../model/call-graph';
import { STATE } from '../model/contract';
import type { DeployedInstance, Deployment } from '../model/deployment';
import type { TopologyEdit } from '../model/edit-topology';
import { changeSlices, type LiveSlices, topologyOf } from '../model/live-slices';
import type { Slice } from '../model/slice';
import type { Topology } from '../model/topology';
import { UserError } from '../model/user-error';
import { askControl, readKey } from './control-client';
import { readDeployment } from './deployments';
import { type ChangeReport, giveSlices } from './give-slices';
import { slicePath } from './state-folder';

/** Another change is being made: to be tried again soon. */
export class ChangeUnderWayError extends UserError {
  constructor(folder: string) {
    super({ where: folder, problem: 'another change is under way', remedy: 'try again when it has ended' });
  }
}

export interface ChangeOptions {
  /** A slice that no instance takes stays for those that start again: right for what takes something back. @default false */
  readonly keep?: boolean;
}

/** Instances asked at one time. */
const AT_ONCE = 32;

/**
 * What a deployment runs now: epoch 0 as it was started, with the slices that live changes have put in their place.
 *
 * @param folder of the deployment
 */
export function currentTopology(folder: string, deployment: Deployment): Topology {
  return topologyOf(asScaled(deployment), readSlices(folder, deployment.topology));
}

/** With as many instances as run now. */
function asScaled({ topology, instances }: Deployment): Topology {
  const services = Object.values(topology.services).map((service) => {
    const running = instances.filter((each) => each.service === service.name).length;
    return [service.name, { ...service, replicas: running || service.replicas }] as const;
  });
  return { ...topology, services: Object.fromEntries(services) };
}

/**
 * Changes a deployment while it runs. The whole new topology is validated before anything is applied. Each service whose
 * slice differs gets a new slice with the next epoch, first in the deployment's folder, from where a restarted instance
 * takes it, then in each of its instances. Where no instance takes its slice the folder is put back, unless it is to be kept.
 *
 * @param cwd the directory whose local state it is
 * @param describe says in words what was changed, once the edit is made: it is logged
 * @returns undefined where the edit changes nothing
 * @throws UserError where the topology would have a fault, or another change is under way
 */
export async function changeDeployment(
  cwd: string,
  folder: string,
  edit: TopologyEdit,
  describe: () => string,
  { keep = false }: ChangeOptions = {},
): Promise<ChangeReport | undefined> {
  return locked(folder, async () => {
    const deployment = readDeployment(folder);
    if (!deployment) throw new UserError({ where: folder, problem: 'holds no deployment', remedy: 'start it again' });
    const { topology } = deployment;
    const running = readSlices(folder, topology);
    const changed = changeSlices(asScaled(deployment), running, edit, Date.now());
    if (!changed) return undefined;

    const scope = { key: readKey(folder), topology: topology.name };
    for (const slice of changed.slices) replaceFile(slicePath(folder, slice.service.name), slice);
    // Read again: an instance that came meanwhile was given the old slice, or takes the new one by itself.
    const { instances } = readDeployment(folder) ?? deployment;
    const ask = ({ controlPort }: DeployedInstance, body: unknown) =>
      askControl(controlPort, 'PUT /slice', scope, body);
    const report = await giveSlices(instances, changed, describe(), ask, AT_ONCE);
    for (const name of Object.keys(report.slices)) {
      const own = new Set(instances.filter(({ service }) => service === name).map(({ instance }) => instance));
      const took = report.instances.some(({ instance, taken }) => taken && own.has(instance));
      if (!took && !keep) replaceFile(slicePath(folder, name), running[name]);
    }
    replaceFile(join(folder, STATE.graph), calleesByService(currentTopology(folder, deployment)));
    record(cwd, folder, deployment, report);
    return report;
  });
}

/** The slice of each service, as it runs now. */
function readSlices(folder: string, { services }: Topology): LiveSlices {
  return Object.fromEntries(
    Object.keys(services).map((name) => [name, JSON.parse(readFileSync(slicePath(folder, name), 'utf8')) as Slice]),
  );
}

/** A reader sees the old file or the new one. */
function replaceFile(path: string, value: unknown): void {
  writeFileSync(`${path}.tmp`, JSON.stringify(value));
  renameSync(`${path}.tmp`, path);
}

/** In the deployment's folder, and in those of the runs that are under way on it. */
function record(cwd: string, folder: string, { id }: Deployment, report: ChangeReport): void {
  const line = `${JSON.stringify(report)}\n`;
  appendFileSync(join(folder, STATE.epochs), line);
  for (const run of openRuns(join(cwd, STATE.runs), id)) appendFileSync(join(run, STATE.epochs), line);
}

function openRuns(runs: string, deployment: string): readonly string[] {
  if (!existsSync(runs)) return [];
  return readdirSync(runs)
    .map((name) => join(runs, name))
    .filter((run) => {
      try {
        const records = readFileSync(join(run, STATE.manifest), 'utf8').trim().split('\n');
        const all = records.map(
          (text) => JSON.parse(text) as { readonly record?: unknown; readonly deployment?: unknown },
        );
        return all[0]?.deployment === deployment && !all.some(({ record }) => record === 'end');
      } catch {
        return false;
      }
    });
}

/** One change at a time. A lock whose holder is gone is taken over. */
async function locked<T>(folder: string, action: () => Promise<T>): Promise<T> {
  const path = join(folder, 'change.lock');
  const take = (): boolean => {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx', mode: 0o600 });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      return false;
    }
  };
  if (!take()) {
    if (holderLives(path)) throw new ChangeUnderWayError(folder);
    rmSync(path, { force: true });
    if (!take()) throw new ChangeUnderWayError(folder);
  }
  try {
    return await action();
  } finally {
    rmSync(path, { force: true });
  }
}

function holderLives(path: string): boolean {
  try {
    const pid = Number(readFileSync(path, 'utf8'));
    if (!(pid > 0)) return false;
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
