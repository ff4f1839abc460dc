import type { ProcessLog } from '../events/process-log';
import type { Run } from '../read-run';
import type { RunReport } from '../run-report';
import { declaredInstances } from './declared-instances';

/**
 * What of a run is not here, by its manifest and its sequence numbers, one text a thing; empty where all of it is known
 * to be here. No store of logs says that everything has arrived. A process's CLOCK and SERVICE_DOWN events say how far it
 * had counted for the run: one that is later than the run's end, from every instance that the topology has, leaves
 * nothing unknown.
 */
export function missingOf(run: Run, report: RunReport): readonly string[] {
  const { start, end } = run.manifest;
  const missing: string[] = [];
  if (start === null) missing.push('the start record of the run');
  if (end === null) missing.push('the end record of the run');
  else if (report.requests.found < end.sent) {
    missing.push(`the client's events of ${end.sent - report.requests.found} of ${end.sent} requests`);
  }
  for (const { instance, process, lost } of run.losses) {
    if (lost > 0) missing.push(`${lost} ${lost === 1 ? 'event' : 'events'} of ${instance} (process ${process})`);
  }
  if (end !== null) {
    const silent = declaredInstances(start?.topology ?? null).filter(
      (instance) => !hasToldAll(run, instance, end.timestamp),
    );
    if (silent.length > 0) missing.push(`word from after the run's end of ${silent.join(', ')}`);
  }
  const { incomplete } = report.statistics;
  if (incomplete > 0) missing.push(`events of ${incomplete} ${incomplete === 1 ? 'flow' : 'flows'}`);
  return missing;
}

/** Whether one of the instance's processes spoke after the run's end, or all of them had stopped. */
function hasToldAll({ events }: Run, instance: string, endTime: string): boolean {
  const processes = events.processes.filter((process) => process.instance === instance);
  if (processes.length === 0) return false;
  return processes.every(({ down }) => down !== null) || processes.some((process) => lastWord(process) >= endTime);
}

/** Timestamps sort as text. */
function lastWord({ clocks, down }: ProcessLog): string {
  return [...clocks, ...(down ? [down] : [])].reduce(
    (last, { timestamp }) => (timestamp > last ? timestamp : last),
    '',
  );
}
