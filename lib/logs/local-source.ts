import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { STATE } from '../model/contract';
import { ADHOC_RUN, parseRunId } from '../model/run-id';
import { UserError } from '../model/user-error';
import { folders, listRuns, unknownRun } from './list-runs';
import { type LogSource, type LogStream, NO_MANIFEST } from './log-source';
import { fileStream } from './read-file';
import { readManifest } from './read-manifest';

export const LOG_SUFFIX = '.log';
/** Logs as they are written, and as they are archived. */
const LOG_FILE = /\.log(\.gz)?$/;

/** Whether the run's folder is on this machine. */
export async function hasLocalRun(run: string, directory = '.'): Promise<boolean> {
  return parseRunId(run) !== undefined && (await folders(join(directory, STATE.runs))).includes(run);
}

/**
 * The records of a run that was made on this machine: its folder holds the manifest, the client's log and a link to the
 * log of every instance.
 *
 * @param directory the one that holds `.microcosm`
 * @throws UserError for an unknown run, naming those that exist
 */
export async function openLocalRun(run: string, directory = '.'): Promise<LogSource> {
  const id = parseRunId(run);
  if (id === undefined || !(await hasLocalRun(run, directory))) throw unknownRun(run, await listRuns(directory));
  const place = join(directory, STATE.runs, run);
  return {
    run,
    topology: id.topology,
    place,
    manifest: await readManifest(join(place, STATE.manifest), run),
    sinceMs: null,
    streams: () => streamsOf([place], 0),
  };
}

/**
 * Requests that belonged to no run, from the logs of the topology's last deployments on this machine.
 *
 * @throws UserError where the topology was never deployed here
 */
export async function openLocalAdhoc(topology: string, sinceMs: number, directory = '.'): Promise<LogSource> {
  const places = await deploymentLogs(topology, directory);
  return {
    run: ADHOC_RUN,
    topology,
    place: places.length === 1 ? dirname(places[0] ?? '') : join(directory, STATE.deployments, `${topology}-*`),
    manifest: NO_MANIFEST,
    sinceMs,
    streams: () => streamsOf(places, sinceMs),
  };
}

/**
 * The folders that the topology's last deployments on this machine log to, the oldest first.
 *
 * @throws UserError where it was never deployed here
 */
export async function deploymentLogs(topology: string, directory = '.'): Promise<readonly string[]> {
  const all = await folders(join(directory, STATE.deployments));
  const own = all.filter((id) => parseRunId(id)?.topology === topology).sort();
  if (own.length === 0) {
    const others = [...new Set(all.flatMap((id) => parseRunId(id)?.topology ?? []))].sort();
    throw new UserError({
      where: '--topology',
      problem: `there are no logs of ${topology} here`,
      remedy: others.length > 0 ? `there are logs of ${others.join(', ')}` : 'start it with tools/local.ts',
    });
  }
  return own.map((id) => join(directory, STATE.deployments, id, STATE.logs));
}

/** The logs in folders, leaving out files that were last written before. */
async function* streamsOf(places: readonly string[], sinceMs: number): AsyncGenerator<LogStream> {
  for (const place of places) {
    for (const file of await logFiles(place)) {
      const path = join(place, file);
      if (sinceMs > 0 && (await stat(path)).mtimeMs < sinceMs) continue;
      yield fileStream(file.replace(LOG_FILE, ''), path);
    }
  }
}

async function logFiles(place: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(place, { withFileTypes: true });
    const files = entries.filter((entry) => LOG_FILE.test(entry.name) && !entry.isDirectory());
    return files.map(({ name }) => name).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
