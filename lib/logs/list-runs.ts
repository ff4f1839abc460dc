import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { STATE } from '../model/contract';
import { editDistance } from '../model/nearest';
import { parseRunId } from '../model/run-id';
import { UserError } from '../model/user-error';
import type { RunManifest } from './log-source';
import { readManifest } from './read-manifest';

/** `unfinished`: without an end record; `stopped`: ended before its time, by the user or by an error. */
export type RunState = 'finished' | 'stopped' | 'unfinished';

export interface ListedRun {
  readonly run: string;
  readonly topology: string;
  readonly start: Date;
  readonly state: RunState;
}

/**
 * The runs whose folders are here, newest first.
 *
 * @param directory the one that holds `.microcosm`
 */
export async function listRuns(directory = '.'): Promise<readonly ListedRun[]> {
  const runs = (await folders(join(directory, STATE.runs))).flatMap((run) => {
    const id = parseRunId(run);
    return id ? [{ run, topology: id.topology, start: id.start }] : [];
  });
  const listed = runs.map(async (run) => {
    const manifest = await readManifest(join(directory, STATE.runs, run.run, STATE.manifest), run.run);
    return { ...run, state: stateOf(manifest) };
  });
  return (await Promise.all(listed)).sort((a, b) => b.start.getTime() - a.start.getTime());
}

export function stateOf({ end }: RunManifest): RunState {
  if (end === null) return 'unfinished';
  return end.finished ? 'finished' : 'stopped';
}

/** The error for a run that is nowhere: names those that exist, the most similar first. */
export function unknownRun(run: string, existing: readonly ListedRun[]): UserError {
  if (existing.length === 0) {
    return new UserError({
      where: 'run',
      problem: `there is no run ${run}, nor any other`,
      remedy: 'make one with tools/load.ts',
    });
  }
  const shown = [...existing]
    .sort((a, b) => editDistance(run, a.run) - editDistance(run, b.run))
    .slice(0, 8)
    .map(({ run: name, state }) => (state === 'finished' ? name : `${name} (${state})`));
  const more = existing.length > shown.length ? ` and ${existing.length - shown.length} more` : '';
  return new UserError({
    where: 'run',
    problem: `there is no run ${run}`,
    remedy: `runs that exist: ${shown.join(', ')}${more}`,
  });
}

/** Names of the folders in a folder; none where it does not exist. */
export async function folders(path: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
