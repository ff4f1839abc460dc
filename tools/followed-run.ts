import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { folders, listRuns, stateOf, unknownRun } from '../lib/logs/list-runs';
import { deploymentLogs, hasLocalRun } from '../lib/logs/local-source';
import { NO_MANIFEST, type RunManifest } from '../lib/logs/log-source';
import { manifestReader, readManifest } from '../lib/logs/read-manifest';
import { STATE } from '../lib/model/contract';
import { ADHOC_RUN, parseRunId } from '../lib/model/run-id';
import { UserError } from '../lib/model/user-error';
import type { Notices } from './notices';

const TOPOLOGY_NAME = /^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/;

/** What is followed. */
export interface Followed {
  readonly run: string;
  /** Folders that logs of it are written to; more may come. */
  readonly places: () => readonly string[];
  readonly manifest: () => Promise<RunManifest>;
  /** For `adhoc`: from when on flows count; null: all. */
  readonly sinceMs: number | null;
  /** False for `adhoc`, which has no end. */
  readonly endsByItself: boolean;
  /** Whether its driver lives: it tells of its clock every ten seconds. */
  readonly isDriven: () => Promise<boolean>;
}

interface Adhoc {
  readonly topology: string;
  readonly sinceMs: number;
}

const POLL_MS = 200;
/** So often it is looked whether a new deployment is there. */
const DEPLOYMENTS_EVERY_MS = 1_000;
/** A run is made within so long of the time that its id bears. */
const FRESH_MS = 60_000;
/** A run without an end of whose driver nothing came for so long is not under way. */
const SILENT_MS = 60_000;

/**
 * Finds what to follow, and waits for it: a run id names a run that is here or about to begin; any other text a topology,
 * whose run under way is meant, or else its next one.
 *
 * @returns undefined where the user stopped waiting
 * @throws UserError for a run that is not here and not about to begin, and for one whose nodes log to CloudWatch
 */
export async function findFollowed(
  id: string,
  adhoc: Adhoc,
  notices: Notices,
  signal: AbortSignal,
): Promise<Followed | undefined> {
  if (id === ADHOC_RUN) return adhocOf(adhoc);
  const run = parseRunId(id) ? await named(id, notices, signal) : await nextOf(id, notices, signal);
  if (run === undefined) return undefined;
  const folder = join(STATE.runs, run);
  const manifest = manifestReader(join(folder, STATE.manifest), run);
  const started = await until(async () => (await manifest()).start ?? undefined, signal, FRESH_MS);
  if (started?.aws) throw onAws(run);
  const deployment = started?.deployment ?? null;
  const places = deployment === null ? [folder] : [folder, join(STATE.deployments, deployment, STATE.logs)];
  const isDriven = (): Promise<boolean> => isUnderWay(run);
  return { run, places: () => places, manifest, sinceMs: null, endsByItself: true, isDriven };
}

async function adhocOf({ topology, sinceMs }: Adhoc): Promise<Followed> {
  await deploymentLogs(topology);
  let places: readonly string[] = [];
  let placesAtMs = Number.NEGATIVE_INFINITY;
  const manifest = async (): Promise<RunManifest> => {
    if (performance.now() - placesAtMs > DEPLOYMENTS_EVERY_MS) {
      // Where the last of them is removed, what is open is followed on.
      places = await deploymentLogs(topology).catch(() => places);
      placesAtMs = performance.now();
    }
    return NO_MANIFEST;
  };
  return { run: ADHOC_RUN, places: () => places, manifest, sinceMs, endsByItself: false, isDriven: async () => true };
}

async function named(run: string, notices: Notices, signal: AbortSignal): Promise<string | undefined> {
  if (await hasLocalRun(run)) return run;
  const leftMs = FRESH_MS - (Date.now() - (parseRunId(run)?.start.getTime() ?? 0));
  if (leftMs > 0) {
    notices.tell(`waiting for ${run}`);
    const found = await until(async () => ((await hasLocalRun(run)) ? run : undefined), signal, leftMs);
    if (found !== undefined || signal.aborted) return found;
  }
  throw new UserError([
    ...unknownRun(run, await listRuns()).faults,
    { where: '--follow', problem: 'only runs of this machine can be followed', remedy: 'of a run on AWS leave it out' },
  ]);
}

async function nextOf(topology: string, notices: Notices, signal: AbortSignal): Promise<string | undefined> {
  if (!TOPOLOGY_NAME.test(topology)) throw unknownRun(topology, await listRuns());
  const before = await runsOf(topology);
  const [newest] = before;
  if (newest !== undefined && (await isUnderWay(newest)) && stateOf(await manifestOf(newest)) === 'unfinished') {
    return newest;
  }
  const known = new Set(before);
  notices.tell(`waiting for the next run of ${topology}`);
  return until(async () => (await runsOf(topology)).find((run) => !known.has(run)), signal, Number.POSITIVE_INFINITY);
}

/** Ids of the topology's runs that are here, newest first. */
async function runsOf(topology: string): Promise<readonly string[]> {
  const own = (await folders(STATE.runs)).flatMap((run) => {
    const id = parseRunId(run);
    return id?.topology === topology ? [{ run, startMs: id.start.getTime() }] : [];
  });
  return own.sort((a, b) => b.startMs - a.startMs).map(({ run }) => run);
}

function manifestOf(run: string): Promise<RunManifest> {
  return readManifest(join(STATE.runs, run, STATE.manifest), run);
}

async function isUnderWay(run: string): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(join(STATE.runs, run, STATE.clientLog));
    return Date.now() - mtimeMs < SILENT_MS;
  } catch {
    return false;
  }
}

/** What `look` finds; undefined once the time is over or the user stopped. */
async function until<T>(
  look: () => Promise<T | undefined>,
  signal: AbortSignal,
  mostMs: number,
): Promise<T | undefined> {
  const startedAt = performance.now();
  while (!signal.aborted) {
    const found = await look();
    if (found !== undefined || performance.now() - startedAt > mostMs) return found;
    await pause(POLL_MS, undefined, { signal }).catch(() => {});
  }
  return undefined;
}

function onAws(run: string): UserError {
  return new UserError({
    where: '--follow',
    problem: `the nodes of ${run} log to CloudWatch, and only logs on this machine can be followed`,
    remedy: 'leave --follow out: --wait reads a run on AWS again until it is whole',
  });
}
