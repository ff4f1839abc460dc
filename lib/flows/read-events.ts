import { decodeLine, draftEvent } from './decode-line';
import { type RecordDraft, recordDraft, WORD, wallMillis } from './event-record';
import { type EventStore, eventStore, type StoreOptions } from './event-store';
import { type Interner, interner } from './interner';
import { type LineReader, readLines } from './line-reader';
import { type ProcessLog, type ProcessLogs, processLogs } from './process-log';
import { scanLines } from './scan-lines';

/** The logs of a run, as any source gives them (`LogSource` of `lib/logs` is one). */
export interface RunLogs {
  readonly run: string;
  streams(): AsyncIterable<{ readonly name: string; chunks(): AsyncIterable<Buffer> }>;
}

/** What one stream held. */
export interface StreamReport {
  readonly stream: string;
  /** Events of the run's requests. */
  events: number;
  /** Events of the process itself. */
  processEvents: number;
  /** Lines of other runs. */
  other: number;
  /** Lines whose event was read before: a line written twice, or a file read twice. */
  duplicates: number;
  /** Lines that are no event. */
  foreign: number;
  /** Lines that break off: at the end of the stream, or where a later line begins. */
  halfWritten: number;
  /** Events of the run of a kind that this version does not know. */
  unknown: number;
}

export interface RunEvents {
  readonly store: EventStore;
  readonly names: Interner;
  readonly processes: readonly ProcessLog[];
  readonly streams: readonly StreamReport[];
}

export interface ReadOptions extends StoreOptions {
  /** `plain` parses every line as JSON: the reference that `scan` is held against. @default scan */
  readonly reader?: 'scan' | 'plain';
}

/** Begins every line that a node writes. */
const LINE_START = '{"timestamp":"';

/**
 * Decodes a run's logs to records. Duplicates go no further than here: an event is (process, sequence number), and a
 * bitmap knows all that were seen.
 */
export async function readEvents(logs: RunLogs, options: ReadOptions = {}): Promise<RunEvents> {
  const store = eventStore(options);
  const names = interner();
  const processes = processLogs(logs.run);
  const streams: StreamReport[] = [];
  const current = { report: emptyReport('') };
  const { reader, text } = eventReader({ run: logs.run, store, names, processes, current, reader: options.reader });
  for await (const { name, chunks } of logs.streams()) {
    const report = emptyReport(name);
    streams.push(report);
    current.report = report;
    const { rest, tooLong } = await readLines(chunks(), reader);
    report.foreign += tooLong;
    if (rest.trim() !== '') text(rest, true);
  }
  return { store, names, processes: processes.all, streams };
}

interface ReaderContext {
  readonly run: string;
  readonly store: EventStore;
  readonly names: Interner;
  readonly processes: ProcessLogs;
  /** Of the stream that is read now. */
  readonly current: { report: StreamReport };
  readonly reader: 'scan' | 'plain' | undefined;
}

function eventReader({ run, store, names, processes, current, reader }: ReaderContext) {
  const draft = recordDraft();
  const logs = processes.all;
  let lastLog: ProcessLog | undefined;
  let lastReport: StreamReport | undefined;

  const record = (complete: RecordDraft): void => {
    const log = logs[complete.words[WORD.ORIGIN] as number] as ProcessLog;
    if (log !== lastLog || current.report !== lastReport) {
      log.streams.add(current.report.stream);
      lastLog = log;
      lastReport = current.report;
    }
    if (log.seen.add((complete.words[WORD.SEQ] as number) >>> 0)) {
      current.report.events += 1;
      const monotonicUs = complete.floats[WORD.MONOTONIC >> 1] as number;
      if (monotonicUs >= 0) log.wall.add(monotonicUs, wallMillis(complete.words, 0));
      store.add(complete);
    } else current.report.duplicates += 1;
  };

  const originOf = (process: string, instance: string, service: string, topology: string): number => {
    const number = processes.number(process, instance, service, topology);
    logs[number]?.streams.add(current.report.stream);
    return number;
  };

  /** @param last without a line feed behind it */
  const text = (line: string, last = false): void => {
    if (line.trim() === '') return;
    const decoded = decodeLine(line, run);
    switch (decoded.is) {
      case 'request': {
        const { event } = decoded;
        draftEvent(event, originOf(event.process, event.instance, event.service, event.topology), names, draft);
        record(draft);
        break;
      }
      case 'process':
        if (processes.take(decoded.event, current.report.stream)) current.report.processEvents += 1;
        else current.report.duplicates += 1;
        break;
      case 'unknown': {
        const { process, instance, service, topology, seq } = decoded.event;
        if (logs[originOf(process, instance, service, topology)]?.seen.add(seq)) current.report.unknown += 1;
        else current.report.duplicates += 1;
        break;
      }
      case 'other':
        current.report.other += 1;
        break;
      case 'foreign':
        brokenLine(line, last);
        break;
      default:
        decoded satisfies never;
    }
  };

  /** A process that died in the middle of a line leaves its start before the next one's: that one is whole. */
  const brokenLine = (line: string, last: boolean): void => {
    const again = line.lastIndexOf(LINE_START);
    if (again > 0 && decodeLine(line.slice(again), run).is !== 'foreign') {
      current.report.halfWritten += 1;
      text(line.slice(again), last);
    } else if (line.startsWith('{') && (last || line.startsWith(LINE_START)) && !line.endsWith('}')) {
      current.report.halfWritten += 1;
    } else current.report.foreign += 1;
  };

  const lineReader: LineReader =
    reader === 'plain'
      ? (bytes, start, end) => {
          for (let at = start; at < end; ) {
            const feed = bytes.indexOf(0x0a, at);
            text(bytes.toString('utf8', at, feed));
            at = feed + 1;
          }
        }
      : scanLines(run, names, draft, {
          record,
          other: () => {
            current.report.other += 1;
          },
          line: (bytes, start, end) => text(bytes.toString('utf8', start, end)),
          origin: originOf,
        });
  return { reader: lineReader, text };
}

function emptyReport(stream: string): StreamReport {
  return { stream, events: 0, processEvents: 0, other: 0, duplicates: 0, foreign: 0, halfWritten: 0, unknown: 0 };
}
