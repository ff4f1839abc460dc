import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { STATE } from '../model/contract';
import type { Deployment } from '../model/deployment';
import { UserError } from '../model/user-error';

export interface ListedDeployment {
  readonly deployment: Deployment;
  readonly folder: string;
  readonly live: boolean;
}

/**
 * The live deployment that a topology's name, a deployment's id or a URL of its edge means; undefined where none is
 * up. Throws a `UserError` that lists them where a name means several.
 *
 * @param cwd the directory whose local state is looked at
 */
export async function findDeployment(nameOrUrl: string, cwd: string): Promise<Deployment | undefined> {
  const live = (await listDeployments(cwd)).filter((listed) => listed.live).map(({ deployment }) => deployment);
  if (isUrl(nameOrUrl)) return live.find(({ url }) => sameEdge(url, nameOrUrl));
  const byId = live.find(({ id }) => id === nameOrUrl);
  if (byId) return byId;
  const [found, ...others] = live.filter(({ topology }) => topology.name === nameOrUrl);
  if (found && others.length > 0) {
    const all = [found, ...others].map(({ url, startTime, pid }) => `${url} (since ${startTime}, process ${pid})`);
    const problem = `${all.length} deployments of it are up: ${all.join(', ')}`;
    throw new UserError({ where: nameOrUrl, problem, remedy: 'give the URL of the one you mean' });
  }
  return found;
}

/** Every deployment with a record, the newest first. What can't be read is left out. */
export async function listDeployments(cwd: string): Promise<readonly ListedDeployment[]> {
  const records = deploymentFolders(cwd).flatMap((folder) => {
    const deployment = readDeployment(folder);
    return deployment ? [{ deployment, folder }] : [];
  });
  const listed = await Promise.all(
    records.map(async (record) => ({ ...record, live: await isLive(record.deployment) })),
  );
  return listed.sort((a, b) => (a.deployment.startTime < b.deployment.startTime ? 1 : -1));
}

export function deploymentFolder(cwd: string, id: string): string {
  return join(cwd, STATE.deployments, id);
}

/** Folders of all deployments, those without a record included. */
export function deploymentFolders(cwd: string): readonly string[] {
  const root = join(cwd, STATE.deployments);
  try {
    return readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(root, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** The record in a deployment's folder, or undefined where there is none that can be read. */
export function readDeployment(folder: string): Deployment | undefined {
  try {
    const record = JSON.parse(readFileSync(join(folder, STATE.deployment), 'utf8')) as Partial<Deployment>;
    const whole =
      record.id && record.topology?.name && record.startTime && record.pid && URL.canParse(record.url ?? '');
    return whole ? (record as Deployment) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A launcher that was killed leaves a record without `stopTime`, and its process id may since belong to another
 * program: so the edge must answer too.
 */
async function isLive({ stopTime, pid, url }: Deployment): Promise<boolean> {
  return !stopTime && processLives(pid) && (await isListening(new URL(url)));
}

function processLives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function isListening({ hostname, port }: URL): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port), timeout: 2_000 });
    const end = (listening: boolean) => {
      socket.destroy();
      resolve(listening);
    };
    socket
      .once('connect', () => end(true))
      .once('timeout', () => end(false))
      .once('error', () => end(false));
  });
}

function isUrl(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}

function sameEdge(edge: string, asked: string): boolean {
  const [a, b] = [new URL(edge), new URL(asked)];
  const host = b.hostname === 'localhost' ? '127.0.0.1' : b.hostname;
  return a.protocol === b.protocol && a.hostname === host && a.port === b.port;
}
