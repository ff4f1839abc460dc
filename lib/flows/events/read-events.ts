import { emptyReport, eventReader, type StreamReport } from './event-reader';
import { type EventStore, eventStore, type StoreOptions } from './event-store';
import { type Interner, interner } from './interner';
import type { StreamShare } from './irregular-lines';
import { lineCutter } from './line-reader';
import { type ProcessLog, processLogs } from './process-log';

/** The logs of a run, as any source gives them (`LogSource` of `lib/logs` is one). */
export interface RunLogs {
  readonly run: string;
  streams(): AsyncIterable<{ readonly name: string; chunks(): AsyncIterable<Buffer> }>;
}

export interface RunEvents {
  readonly store: EventStore;
  readonly names: Interner;
  readonly processes: readonly ProcessLog[];
  readonly streams: readonly StreamReport[];
  /** What each stream held of each process, in the order read. */
  readonly shares: readonly StreamShare[];
}

export interface ReadOptions extends StoreOptions {
  /** `plain` parses every line as JSON: the reference that `scan` is held against. @default scan */
  readonly reader?: 'scan' | 'plain';
}

/** Takes in a run's logs, its streams in any order and by pieces. */
export interface EventIntake {
  /** What was taken in so far. */
  readonly events: RunEvents;
  open(stream: string): StreamIntake;
}

export interface StreamIntake {
  /** A piece of any size, cut anywhere; its memory is not used after the call. */
  take(chunk: Buffer): void;
  /** Nothing more comes: what stands behind the last line feed is judged. */
  end(): void;
}

/** Decodes a run's logs to records. */
export async function readEvents(logs: RunLogs, options: ReadOptions = {}): Promise<RunEvents> {
  const { events, open } = eventIntake(logs.run, eventStore(options), options);
  for await (const { name, chunks } of logs.streams()) {
    const stream = open(name);
    for await (const chunk of chunks()) stream.take(chunk);
    stream.end();
  }
  return events;
}

/**
 * Decodes logs to records as they come. Duplicates go no further than here: an event is (process, sequence number), and
 * a bitmap knows all that were seen.
 *
 * @param mostOwn of the clocks, changes and faults that each process tells of. @default all
 */
export function eventIntake(
  run: string,
  store: EventStore,
  { reader, mostOwn }: Pick<ReadOptions, 'reader'> & { readonly mostOwn?: number } = {},
): EventIntake {
  const names = interner();
  const processes = processLogs(run, mostOwn);
  const streams: StreamReport[] = [];
  const shares: StreamShare[] = [];
  const current = { report: emptyReport('') };
  const read = eventReader({ run, store, names, processes, current, shares, reader });
  return {
    events: { store, names, processes: processes.all, streams, shares },
    open(name) {
      const report = emptyReport(name);
      streams.push(report);
      const cutter = lineCutter(read.reader);
      return {
        take(chunk) {
          current.report = report;
          cutter.take(chunk);
        },
        end() {
          current.report = report;
          const { rest, tooLong } = cutter.remainder();
          for (let line = 0; line < tooLong; line++) read.broken('foreign');
          if (rest.trim() !== '') read.text(rest, true);
        },
      };
    },
  };
}
