import { CLOCK_PERIOD_MS } from '../../lib/model/contract';
import type { ClockSource } from '../../lib/model/event';
import type { Program } from '../program';
import { clockReport } from './clock-report';
import type { EventLog } from './event-log';

/** What a node logs when another slice has taken the place of its own: whoever reads this log alone must be able to tell what ran. */
export function logChange(log: EventLog, { slice, sliceHash }: Program, by: string): void {
  log.processEvent('TOPOLOGY_CHANGED', { epoch: slice.epoch, slice: sliceHash, detail: { by, slice } });
}

/** Resolves to the last numbers that the event reports. */
export async function logClock(log: EventLog, source: ClockSource): Promise<Readonly<Record<string, number>>> {
  const clock = await clockReport(source);
  const runs = log.activeRuns();
  log.processEvent('CLOCK', { runs, clock });
  return runs;
}

/** Logs CLOCK now and from time to time, until the function that is returned is called. */
export function startClockEvents(log: EventLog, source: ClockSource): () => void {
  void logClock(log, source);
  const timer = setInterval(() => void logClock(log, source), CLOCK_PERIOD_MS);
  timer.unref();
  return () => clearInterval(timer);
}
