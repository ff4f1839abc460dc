/** Numbers the events of one run in one process. */
export interface RunCounter {
  readonly run: string;
  /** Number of the last event. */
  seq: number;
  /** What the last report said. */
  reported: number;
}

export interface RunCounters {
  of(run: string): RunCounter;
  /** Last number of every run that logged since the report before. */
  report(): Readonly<Record<string, number>>;
}

const MAX_RUNS = 512;

/**
 * @param beforeForgetting called when the table is full, so that the last numbers are logged before the half that has
 *   been idle longest is forgotten. A run forgotten that comes back counts from 1 again, which its readers see as
 *   duplicate numbers: it takes 512 runs in one process to get there.
 */
export function runCounters(beforeForgetting: () => void): RunCounters {
  const counters = new Map<string, RunCounter>();
  let latest: RunCounter | undefined;

  const forget = (): void => {
    beforeForgetting();
    let excess = counters.size - MAX_RUNS / 2;
    for (const run of counters.keys()) {
      if (excess-- <= 0) break;
      counters.delete(run);
    }
  };

  return {
    of: (run) => {
      if (latest?.run === run) return latest;
      const known = counters.get(run);
      if (known) counters.delete(run);
      else if (counters.size >= MAX_RUNS) forget();
      latest = known ?? { run, seq: 0, reported: 0 };
      // Set anew, so that the map's order is the order of last use.
      counters.set(run, latest);
      return latest;
    },
    report: () => {
      const report: Record<string, number> = {};
      for (const counter of counters.values()) {
        if (counter.seq === counter.reported) continue;
        counter.reported = counter.seq;
        report[counter.run] = counter.seq;
      }
      return report;
    },
  };
}
