import type { ManifestEnd, ManifestStart } from '../model/manifest';
import type { RunEvents } from './read-events';

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
  return processes.map(({ id, instance, service, process, streams, seen, lastTold, dropped, up, down }) => {
    const isDriver = manifest.start?.process === process;
    const last = Math.max(seen.last, lastTold, isDriver ? (manifest.end?.lastSeq ?? 0) : 0);
    const restarted = processes.some((other) => other.id !== id && other.instance === instance && isLater(other, up));
    return {
      instance,
      service,
      process,
      streams: [...streams],
      events: seen.size,
      lost: last - seen.size,
      atLeast: down === null && restarted,
      dropped,
    };
  });
}

/** Whether a process started after another one did. */
function isLater(process: RunEvents['processes'][number], up: RunEvents['processes'][number]['up']): boolean {
  if (process.up === null) return false;
  return up === null || process.up.timestamp > up.timestamp;
}
