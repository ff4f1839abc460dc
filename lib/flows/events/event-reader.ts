import type { Event } from '../../model/event';
import { addReading } from '../clocks/wall-follower';
import { type Decoded, decodeLine, draftEvent, FOREIGN, parseTimestamp } from './decode-line';
import { FLAG, flagsOf, KIND, kindOf, type RecordDraft, recordDraft, WORD, wallMillis } from './event-record';
import type { EventStore } from './event-store';
import type { Interner } from './interner';
import { type Irregularity, noteIrregular, type StreamShare, streamShare } from './irregular-lines';
import type { LineReader } from './line-reader';
import type { ProcessLog, ProcessLogs } from './process-log';
import { scanLines } from './scan/scan-lines';
import { addSequence, hasSequence } from './sequence-set';

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

/** Begins every line that a node writes. */
const LINE_START = '{"timestamp":"';

interface ReaderContext {
  readonly run: string;
  readonly store: EventStore;
  readonly names: Interner;
  readonly processes: ProcessLogs;
  /** Of the stream that is read now. */
  readonly current: { report: StreamReport };
  readonly shares: StreamShare[];
  readonly reader: 'scan' | 'plain' | undefined;
}

/** Decodes lines to records, and tells what each of them is in its stream. */
export function eventReader({ run, store, names, processes, current, shares, reader }: ReaderContext) {
  const draft = recordDraft();
  const logs = processes.all;
  /** Of the line before. Fields and no variables of their own: these would make garbage of each time. */
  const last: LastLine = { log: undefined, report: undefined, share: streamShare('', null, []), ms: Number.NaN };
  const sharesOf = new Map<StreamReport, Map<ProcessLog | null, StreamShare>>();
  let ofStream = new Map<ProcessLog | null, StreamShare>();

  const shareOf = (log: ProcessLog | null): StreamShare => {
    const { report } = current;
    if (report !== last.report) {
      ofStream = sharesOf.get(report) ?? new Map();
      sharesOf.set(report, ofStream);
      last.report = report;
      last.log = undefined;
      last.ms = Number.NaN;
    }
    const known = ofStream.get(log);
    if (known) return known;
    const made = streamShare(report.stream, log, [...(log?.streams ?? [])]);
    log?.streams.add(report.stream);
    ofStream.set(log, made);
    shares.push(made);
    return made;
  };

  const enter = (log: ProcessLog): void => {
    if (log === last.log && current.report === last.report) return;
    last.share = shareOf(log);
    last.log = log;
  };

  /** What the event is doing there a second time. */
  const twice = (set: 'run' | 'own', seq: number, atMs: number): void => {
    current.report.duplicates += 1;
    const { share } = last;
    noteIrregular(share, share.seen === null || hasSequence(share.seen[set], seq) ? 'repeated' : 'copied', atMs);
  };

  /** Of the process entered last. */
  const record = (complete: RecordDraft, wallMs: number): void => {
    const { words } = complete;
    last.ms = wallMs;
    const { share } = last;
    const log = last.log as ProcessLog;
    const seq = (words[WORD.SEQ] as number) >>> 0;
    share.lines += 1;
    if (addSequence(log.seen, seq)) {
      current.report.events += 1;
      const monotonicUs = complete.floats[WORD.MONOTONIC >> 1] as number;
      if (monotonicUs >= 0) addReading(log.wall, monotonicUs, wallMs);
      if (seq === log.seen.last) {
        log.latest[0] = wallMs;
        log.latest[1] = wallMs - (words[WORD.WALL] as number);
      }
      if (seq > share.lastSeq) share.lastSeq = seq;
      else if (!isWrittenLate(words[WORD.META] as number)) noteIrregular(share, 'out-of-order', wallMs);
      store.add(complete);
    } else twice('run', seq, wallMs);
    if (share.seen !== null) addSequence(share.seen.run, seq);
  };

  /** A process's own event. */
  const own = (event: Event): void => {
    const { process, instance, service, topology, seq } = event;
    enter(logs[processes.number(process, instance, service, topology)] as ProcessLog);
    last.ms = Date.parse(event.timestamp);
    const { share } = last;
    share.lines += 1;
    if (processes.take(event)) {
      current.report.processEvents += 1;
      if (seq > share.lastOwnSeq) share.lastOwnSeq = seq;
      else noteIrregular(share, 'out-of-order', last.ms);
    } else twice('own', seq, last.ms);
    if (share.seen !== null) addSequence(share.seen.own, seq);
  };

  const unknown = ({ process, instance, service, topology, seq, timestamp }: Event): void => {
    const log = logs[processes.number(process, instance, service, topology)] as ProcessLog;
    enter(log);
    last.ms = Date.parse(timestamp);
    const { share } = last;
    share.lines += 1;
    if (addSequence(log.seen, seq)) {
      current.report.unknown += 1;
      noteIrregular(share, 'unknown-kind', last.ms);
    } else twice('run', seq, last.ms);
    if (share.seen !== null) addSequence(share.seen.run, seq);
  };

  /** Of whom the line before was, at the time that it says itself, or else that the line before said. */
  const broken = (kind: Irregularity & ('foreign' | 'half-written'), line = ''): void => {
    if (kind === 'foreign') current.report.foreign += 1;
    else current.report.halfWritten += 1;
    const about = current.report === last.report && last.log ? last.share : shareOf(null);
    const said = line.startsWith(LINE_START)
      ? parseTimestamp(line.slice(LINE_START.length, LINE_START.length + 24))
      : undefined;
    noteIrregular(about, kind, said ?? last.ms);
  };

  /** @param isLast without a line feed behind it */
  const text = (line: string, isLast = false): Decoded => {
    if (line.trim() === '') return FOREIGN;
    const decoded = decodeLine(line, run);
    switch (decoded.is) {
      case 'request': {
        const { event } = decoded;
        const origin = processes.number(event.process, event.instance, event.service, event.topology);
        draftEvent(event, origin, names, draft);
        enter(logs[origin] as ProcessLog);
        record(draft, wallMillis(draft.words, 0));
        break;
      }
      case 'process':
        own(decoded.event);
        break;
      case 'unknown':
        unknown(decoded.event);
        break;
      case 'other':
        current.report.other += 1;
        break;
      case 'foreign':
        brokenLine(line, isLast);
        break;
      default:
        decoded satisfies never;
    }
    return decoded;
  };

  /** A process that died in the middle of a line leaves its start before the next one's: that one is whole. */
  const brokenLine = (line: string, isLast: boolean): void => {
    const again = line.lastIndexOf(LINE_START);
    if (again > 0 && decodeLine(line.slice(again), run).is !== 'foreign') {
      broken('half-written', line);
      text(line.slice(again), isLast);
    } else if (line.startsWith('{') && (isLast || line.startsWith(LINE_START)) && !line.endsWith('}')) {
      broken('half-written', line);
    } else broken('foreign');
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
      : scanLines(names, draft, {
          enter: (origin) => enter(logs[origin] as ProcessLog),
          record,
          other: () => {
            current.report.other += 1;
          },
          line: (bytes, start, end) => text(bytes.toString('utf8', start, end)),
          origin: processes.number,
        });
  return { reader: lineReader, text, broken };
}

interface LastLine {
  log: ProcessLog | undefined;
  report: StreamReport | undefined;
  share: StreamShare;
  ms: number;
}

/** The last event of a request has the number of the moment its answer is handed over, and is written once that has left. */
function isWrittenLate(meta: number): boolean {
  const kind = kindOf(meta);
  return kind === KIND.RESPONSE_SENT || (kind === KIND.ERROR && (flagsOf(meta) & FLAG.CALL) === 0);
}

export function emptyReport(stream: string): StreamReport {
  return { stream, events: 0, processEvents: 0, other: 0, duplicates: 0, foreign: 0, halfWritten: 0, unknown: 0 };
}
