import type { ManifestEnd, ManifestStart } from '../../model/manifest';
import type { ProcessLog } from '../events/process-log';
import type { RunEvents } from '../events/read-events';

/** What is known of the events that one process logged for the run. */
export interface ProcessLoss {
  readonly instance: string;
  readonly service: string;
  readonly process: string;
  readonly streams: readonly string[];
  readonly events: number;
  /** Sequence numbers that are not there, up to the last one known. */
  readonly lost: number;
  /** It ended without a word: the tail after the last known number may be lost too. */
  readonly atLeast: boolean;
  /** Events that the process says it dropped itself, for want of room; of all its runs. */
  readonly dropped: number;
  /** SERVICE_UP and SERVICE_DOWN; null where the log has none. */
  readonly startTime: string | null;
  readonly endTime: string | null;
}

interface Manifest {
  readonly start: ManifestStart | null;
  readonly end: ManifestEnd | null;
}

/**
 * Counts each process's lost events: its sequence numbers run from 1 without gaps, up to the largest one seen or told
 * by its CLOCK and SERVICE_DOWN events; the manifest's end tells it of the client.
 */
export function processLosses(
  { processes }: RunEvents,
  { manifest }: { readonly manifest: Manifest },
): readonly ProcessLoss[] {
  const lastNumber = lastNumbers(manifest);
  const newest = newestByInstance(processes);
  return processes.map((log) => {
    const { instance, service, process, streams, seen, dropped, up, down } = log;
    const successor = newest.get(instance);
    const restarted = successor !== undefined && successor !== log && isLater(successor, up);
    return {
      instance,
      service,
      process,
      streams: [...streams],
      events: seen.size,
      lost: lastNumber(log).seq - seen.size,
      atLeast: down === null && restarted,
      dropped,
      startTime: up?.timestamp ?? null,
      endTime: down?.timestamp ?? null,
    };
  });
}

/** Of each instance the process that says that it started last; none where no process says when. */
function newestByInstance(processes: readonly ProcessLog[]): ReadonlyMap<string, ProcessLog> {
  const newest = new Map<string, ProcessLog>();
  for (const log of processes) {
    if (isLater(log, newest.get(log.instance)?.up ?? null)) newest.set(log.instance, log);
  }
  return newest;
}

/** The last number that a process is known to have given to an event of the run, and who says so when. */
export type LastNumbers = (log: ProcessLog) => { readonly seq: number; readonly toldAt: string | null };

export function lastNumbers({ start, end }: Manifest): LastNumbers {
  return ({ process, seen, lastTold, toldAt }) => {
    const driven = start?.process === process ? (end?.lastSeq ?? 0) : 0;
    if (driven > Math.max(seen.last, lastTold)) return { seq: driven, toldAt: end?.timestamp ?? null };
    return lastTold >= seen.last ? { seq: lastTold, toldAt } : { seq: seen.last, toldAt: null };
  };
}

/** Whether a process started after another one did. */
export function isLater(process: ProcessLog, up: ProcessLog['up']): boolean {
  if (process.up === null) return false;
  return up === null || process.up.timestamp > up.timestamp;
}
