import { appendFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { STATE } from '../model/contract';
import type { DeployedInstance, Deployment } from '../model/deployment';
import { type TopologyEdit, withGraph } from '../model/edit-topology';
import { hashValue, type Slice, sliceOf } from '../model/slice';
import type { Topology } from '../model/topology';
import { UserError } from '../model/user-error';
import { topologyFaults } from '../model/written-topology';
import { askControl, type ControlReply, readKey } from './control-client';
import { readDeployment } from './deployments';
import { calleesByService, slicePath } from './state-folder';

/** What became of a change, one line of `epochs.jsonl`. */
export interface ChangeReport {
  readonly timestamp: string;
  /** What was changed, in words. */
  readonly by: string;
  readonly epoch: number;
  /** Hash of the new slice of each service concerned. */
  readonly slices: Readonly<Record<string, string>>;
  readonly instances: readonly InstanceOutcome[];
}

export interface InstanceOutcome {
  readonly instance: string;
  readonly taken: boolean;
  /** Why not. */
  readonly problem?: string;
}

/** Instances asked at one time. */
const AT_ONCE = 32;

/**
 * What a deployment runs now: epoch 0 as it was started, with the slices that live changes have put in their place.
 *
 * @param folder of the deployment
 */
export function currentTopology(folder: string, { topology }: Deployment): Topology {
  const services = Object.values(topology.services).map((service) => {
    const { name, replicas, instanceType } = service;
    const own = { replicas, ...(instanceType !== undefined && { instanceType }) };
    return [name, { ...readSlice(folder, name).service, ...own }] as const;
  });
  return withGraph({ ...topology, services: Object.fromEntries(services) });
}

/**
 * Changes a deployment while it runs. The whole new topology is validated before anything is applied. Each service whose
 * slice differs gets a new slice with the next epoch, first in the deployment's folder, from where a restarted instance
 * takes it, then in each of its instances. Where no instance takes its slice the folder is put back.
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
): Promise<ChangeReport | undefined> {
  return locked(folder, async () => {
    const deployment = readDeployment(folder);
    if (!deployment) throw new UserError({ where: folder, problem: 'holds no deployment', remedy: 'start it again' });
    const before = currentTopology(folder, deployment);
    const after = edit(pruned(before));
    const faults = topologyFaults(after);
    if (faults.length > 0)
      throw new UserError(faults.map((fault) => ({ ...fault, where: `${after.name}: ${fault.where}` })));

    const old = Object.keys(before.services).map((service) => readSlice(folder, service));
    const epoch = 1 + Math.max(...old.map((slice) => slice.epoch));
    const slices = old.flatMap((slice): readonly Slice[] => {
      const { callers: _were, role: _was, ...own } = slice.service;
      const { callers: _are, role: _is, ...next } = sliceOf(after, slice.service.name).service;
      // Who calls a service and which role follows from that is for its launcher: a node acts on neither.
      if (hashValue(own) === hashValue(next)) return [];
      return [{ ...slice, epoch, service: { ...slice.service, ...next } }];
    });
    if (slices.length === 0) return undefined;

    for (const slice of slices) replaceFile(slicePath(folder, slice.service.name), slice);
    const by = describe();
    const key = readKey(folder);
    const scope = { key, topology: deployment.topology.name };
    const byService = new Map(slices.map((slice) => [slice.service.name, slice]));
    const concerned = deployment.instances.filter(({ service }) => byService.has(service));
    const outcomes = await inTurns(concerned, async (instance) => {
      const slice = byService.get(instance.service) as Slice;
      return outcomeOf(instance, hashValue(slice), () =>
        askControl(instance.controlPort ?? 0, 'PUT /slice', scope, { epoch, slice, by }),
      );
    });
    const report: ChangeReport = {
      timestamp: new Date().toISOString(),
      by,
      epoch,
      slices: Object.fromEntries(slices.map((slice) => [slice.service.name, hashValue(slice)])),
      instances: outcomes,
    };
    for (const slice of old) {
      const { name } = slice.service;
      const took = concerned.some(({ service }, index) => service === name && outcomes[index]?.taken);
      if (byService.has(name) && !took) replaceFile(slicePath(folder, name), slice);
    }
    replaceFile(join(folder, STATE.graph), calleesByService(currentTopology(folder, deployment)));
    record(cwd, folder, deployment, report);
    return report;
  });
}

/** Rules that are over are left out of the next slice. */
function pruned(topology: Topology): Topology {
  const now = Date.now();
  return {
    ...topology,
    services: Object.fromEntries(
      Object.entries(topology.services).map(([name, service]) => [
        name,
        {
          ...service,
          faults: service.faults.filter(({ expiresAt }) => expiresAt === undefined || Date.parse(expiresAt) > now),
        },
      ]),
    ),
  };
}

async function outcomeOf(
  { instance, controlPort }: DeployedInstance,
  hash: string,
  ask: () => Promise<ControlReply>,
): Promise<InstanceOutcome> {
  if (controlPort === null) return { instance, taken: false, problem: 'has no control interface' };
  try {
    const { status, body } = await ask();
    if (status === 200 && body.slice === hash) return { instance, taken: true };
    const said = Array.isArray(body?.faults) ? body.faults.join('; ') : String(body?.error ?? 'another slice');
    return { instance, taken: false, problem: `answered ${status}: ${said.slice(0, 500)}` };
  } catch (error) {
    return { instance, taken: false, problem: `can't be reached: ${(error as Error).message}` };
  }
}

async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
  return results;
}

function readSlice(folder: string, service: string): Slice {
  return JSON.parse(readFileSync(slicePath(folder, service), 'utf8')) as Slice;
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
        const [start] = records.map((text) => JSON.parse(text) as { readonly deployment?: unknown });
        return records.length === 1 && start?.deployment === deployment;
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
    if (holderLives(path)) {
      throw new UserError({
        where: folder,
        problem: 'another change is under way',
        remedy: 'try again when it has ended',
      });
    }
    rmSync(path, { force: true });
    if (!take()) throw new UserError({ where: folder, problem: 'another change is under way', remedy: 'try again' });
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
