import type { ClockReport } from '../../model/event';
import type { ProcessLog } from '../process-log';

/** What a host said of its own clock during the run. */
export interface ClockRow {
  readonly host: string;
  readonly instances: readonly string[];
  readonly source: ClockReport['source'];
  /** The largest bound of its error that it stated, in milliseconds; null: it knows none. */
  readonly boundMs: number | null;
  /** Its own estimate, the last one. */
  readonly offsetMs: number | null;
  readonly frequencyPpm: number | null;
  readonly stratum: number | null;
  readonly synchronised: boolean;
  readonly reports: number;
}

/** A row a host, from the CLOCK events of all its processes. */
export function clockRows(processes: readonly ProcessLog[]): readonly ClockRow[] {
  const rows = new Map<string, ClockRow>();
  for (const { instance, clocks } of processes) {
    for (const { clock } of clocks) {
      if (!clock) continue;
      const { host, source, boundMs, offsetMs, frequencyPpm, stratum, leapStatus } = clock;
      const known = rows.get(host);
      rows.set(host, {
        host,
        instances: known?.instances.includes(instance) ? known.instances : [...(known?.instances ?? []), instance],
        source,
        boundMs: boundMs === null || known?.boundMs === null ? null : Math.max(boundMs, known?.boundMs ?? 0),
        offsetMs: offsetMs ?? known?.offsetMs ?? null,
        frequencyPpm: frequencyPpm ?? known?.frequencyPpm ?? null,
        stratum: stratum ?? known?.stratum ?? null,
        synchronised: (known?.synchronised ?? true) && source !== 'unknown' && leapStatus !== 'Not synchronised',
        reports: (known?.reports ?? 0) + 1,
      });
    }
  }
  return [...rows.values()].sort((a, b) => (a.host < b.host ? -1 : 1));
}
