import { missingOf } from '../lib/flows/loss/missing';
import { type Run, readRun } from '../lib/flows/read-run';
import { reportRun } from '../lib/flows/run-report';
import { formatDuration, parseDuration } from '../lib/load/duration';
import type { LogSource } from '../lib/logs/log-source';
import { temporarySpill } from '../lib/logs/temporary-spill';
import { ADHOC_RUN } from '../lib/model/run-id';
import type { Notices } from './notices';

/** A run that has been read, and where from. */
export interface SettledRun {
  readonly source: LogSource;
  readonly run: Run;
  /** Gives back what reading took; the run can't be used any more. */
  close(): void;
}

const DEFAULT_WAIT_MS = 60_000;
/** Nothing more comes by itself so long after a run's end. */
const STALE_MS = 10 * 60_000;
/** The agent sends every 5 s; reading anew costs more the longer the run is. */
const PAUSES_MS = [3_000, 5_000, 5_000, 10_000, 10_000, 20_000];

export const WAIT_OPTION = [
  '--wait <duration>',
  'of a run on AWS: read again so long while events are missing (default: 1m, and 0 for a run that is long over)',
] as const;

/** What `--wait` says, in milliseconds; undefined where it is not given. */
export function parseWait(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return text === '0' ? 0 : parseDuration(text, '--wait');
}

/**
 * Reads a run; where its events arrive late, reads it anew until all of it is here or the wait is over, and then says
 * what is missing. A run whose logs are here is read once.
 *
 * @param open opens the run's source, each time with what is known of the run by then
 * @param waitMs how long to wait; by default a minute, and not at all for a run that ended ten minutes ago
 */
export async function settledRun(
  open: () => Promise<LogSource>,
  waitMs: number | undefined,
  notices: Notices,
): Promise<SettledRun> {
  const startedAt = performance.now();
  for (let attempt = 0; ; attempt++) {
    const source = await open();
    const spill = temporarySpill();
    try {
      const run = await readRun(source, { spill });
      notices.done();
      if (source.arrival === undefined || source.run === ADHOC_RUN) return { source, run, close: spill.close };
      const missing = missingOf(run, reportRun(run).report);
      const leftMs = (waitMs ?? defaultWaitMs(source)) - (performance.now() - startedAt);
      if (missing.length === 0 || leftMs <= 0) {
        tellArrival(source, notices);
        if (missing.length > 0) {
          const waited = attempt === 0 ? '' : ` after ${formatDuration(performance.now() - startedAt)}`;
          notices.tell(`not in ${source.place}${waited}: ${missing.join('; ')}`);
        }
        return { source, run, close: spill.close };
      }
      spill.close();
      notices.progress(`waiting for ${missing[0]}${missing.length > 1 ? ' and more' : ''}`);
      const pauseMs = PAUSES_MS[Math.min(attempt, PAUSES_MS.length - 1)] as number;
      await new Promise((resolve) => setTimeout(resolve, Math.min(pauseMs, leftMs)));
    } catch (error) {
      spill.close();
      throw error;
    }
  }
}

function defaultWaitMs({ manifest: { start, end } }: LogSource): number {
  const planned = start ? Date.parse(start.timestamp) + planMs(start.plan.phases) : 0;
  const endMs = end ? Date.parse(end.timestamp) : planned;
  return Date.now() - endMs > STALE_MS ? 0 : DEFAULT_WAIT_MS;
}

function planMs(phases: readonly { readonly durationMs: number }[]): number {
  return phases.reduce((sum, { durationMs }) => sum + durationMs, 0);
}

function tellArrival(source: LogSource, notices: Notices): void {
  const arrival = source.arrival?.();
  if (!arrival || arrival.events === 0) return;
  const [mean, max] = [formatDuration(arrival.meanMs), formatDuration(arrival.maxMs)];
  notices.tell(`events arrived in ${source.place} ${mean} after they happened on average, ${max} at most`);
}
