import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { calleesByService } from '../model/call-graph';
import { STATE } from '../model/contract';
import type { Deployment } from '../model/deployment';
import { sliceOf } from '../model/slice';
import type { Topology } from '../model/topology';
import { UserError } from '../model/user-error';
import { deploymentFolder, deploymentFolders, listDeployments } from './deployments';

/** Dead deployments that stay, for queries of requests without a run. */
const KEPT = 5;
/** A folder without a record belongs to a launch under way, or to one that failed. */
const UNRECORDED_MS = 600_000;

/** Where a deployment's files are. */
export interface StateFolder {
  readonly path: string;
  slice(service: string): string;
  log(instance: string): string;
  /** File of the key that live faults, itineraries and overlays need: new for each deployment. */
  readonly key: string;
  /** Nobody needs it once the nodes are gone. */
  forgetKey(): void;
  readonly graph: string;
  /** Replaces the record as a whole: a reader sees the old one or the new one. */
  write(deployment: Deployment): void;
  remove(): void;
}

/** Makes the folder of a deployment with the slices of its services, their graph, and a key. Throws a `UserError` where it can't be written. */
export function makeStateFolder(cwd: string, id: string, topology: Topology): StateFolder {
  const path = deploymentFolder(cwd, id);
  const slice = (service: string) => slicePath(path, service);
  const [key, graph] = [join(path, STATE.key), join(path, STATE.graph)];
  return writable(path, () => {
    mkdirSync(join(path, STATE.slices), { recursive: true });
    mkdirSync(join(path, STATE.logs));
    for (const service of Object.keys(topology.services)) {
      writeFileSync(slice(service), JSON.stringify(sliceOf(topology, service)));
    }
    writeFileSync(graph, JSON.stringify(calleesByService(topology)));
    writeFileSync(key, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
    return {
      path,
      slice,
      key,
      forgetKey: () => rmSync(key, { force: true }),
      graph,
      log: (instance) => join(path, STATE.logs, `${instance}.log`),
      write(deployment) {
        const draft = join(path, `${STATE.deployment}.tmp`);
        writeFileSync(draft, JSON.stringify(deployment, null, 2));
        renameSync(draft, join(path, STATE.deployment));
      },
      remove: () => rmSync(path, { recursive: true, force: true }),
    };
  });
}

/** File of a service's slice below a deployment's folder. */
export function slicePath(folder: string, service: string): string {
  return join(folder, STATE.slices, `${service}.json`);
}

/** Runs what writes to the folder, and makes a refusal of the file system a `UserError`. */
export function writable<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!code || !['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'ENOSPC', 'EDQUOT'].includes(code)) throw error;
    const remedy = `make ${dirname(path)} a folder that you may write to, or run from another directory`;
    throw new UserError({ where: path, problem: `local state can't be written: ${code}`, remedy });
  }
}

/** Removes all but the newest dead deployments. Live ones, and launches under way, are left alone. */
export async function pruneDeployments(cwd: string): Promise<void> {
  const listed = await listDeployments(cwd);
  const dead = listed.filter(({ live }) => !live).map(({ folder }) => folder);
  const recorded = new Set(listed.map(({ folder }) => folder));
  const abandoned = deploymentFolders(cwd).filter((folder) => !recorded.has(folder) && ageMs(folder) > UNRECORDED_MS);
  for (const folder of [...dead.slice(KEPT), ...abandoned]) rmSync(folder, { recursive: true, force: true });
}

function ageMs(folder: string): number {
  return Date.now() - (statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
}
