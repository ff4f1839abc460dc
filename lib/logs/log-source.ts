import type { ManifestEnd, ManifestScenario, ManifestStart, ManifestStep } from '../model/manifest';

/**
 * Where the records of one run come from. A source hands out bytes and judges nothing: lines of other runs, half-written
 * ones and foreign ones are in it, and the reader tells them apart.
 */
export interface LogSource {
  /** A run id, or `adhoc`. */
  readonly run: string;
  readonly topology: string;
  /** For people: the folder or log group that is read. */
  readonly place: string;
  readonly manifest: RunManifest;
  /** For `adhoc`: flows that started before (milliseconds since 1970) are of no interest. Null: all are. */
  readonly sinceMs: number | null;
  /** Each stream once; may be called again to read anew. */
  streams(): AsyncIterable<LogStream>;
  /** Where events arrive some time after they happened: how late those read so far did. Absent where logs are read in place. */
  arrival?(): Arrival;
}

/** How long events took to arrive: the time that the store took them in, minus the time that they carry. */
export interface Arrival {
  /** Events whose arrival is known. */
  readonly events: number;
  readonly meanMs: number;
  readonly maxMs: number;
}

/** One log file or log stream: usually all lines of one instance, in the order written. */
export interface LogStream {
  /** Names the instance, as far as the source knows. */
  readonly name: string;
  /** Pieces of any size, cut anywhere. A piece is valid only until the next one is asked for: its memory is used again. */
  chunks(): AsyncIterable<Buffer>;
}

/** What the run's driver recorded; nulls where a record is missing, and both for `adhoc`. */
export interface RunManifest {
  readonly start: ManifestStart | null;
  readonly end: ManifestEnd | null;
  /** Null where it played none. */
  readonly scenario: ManifestScenario | null;
  /** Of the scenario, in the order made. */
  readonly steps: readonly ManifestStep[];
  /** Lines of the manifest that are no record of this run. */
  readonly foreign: number;
}

export const NO_MANIFEST: RunManifest = {
  start: null,
  end: null,
  scenario: null,
  steps: [],
  foreign: 0,
};
