import { createLogger, type LogEntry } from 'winston';
import Transport from 'winston-transport';
import type { EventKind } from '../../lib/model/event';
import { type ProcessFields, processFields, quote } from '../../lib/model/event-line';
import { type HybridClock, hybridClock } from '../../lib/model/hybrid-clock';
import { type Reading, readClocks } from '../../lib/model/reading';
import { NO_RUN, randomBase32 } from '../../lib/model/run-id';
import { openLogFile } from './log-file';
import { type RunCounter, runCounters } from './run-counters';

/** What is the same in all lines of one request, written once, and how many lines it has so far. */
export interface SpanLog {
  /** From the trace id up to the value of `event`. */
  readonly head: string;
  /** From `run` to `epoch`. */
  readonly tail: string;
  readonly run: RunCounter;
  events: number;
}

/** When an event happened and which number it has; its line may be written later. */
export interface Stamp extends Reading {
  readonly hlc: string;
  readonly seq: number;
}

export interface SpanIdentity {
  readonly run: string;
  readonly traceId: string;
  readonly requestId: string;
  readonly parentRequestId: string | undefined;
  readonly place: string | undefined;
  readonly endpoint: string | undefined;
  /** Undefined where it is the trace id. */
  readonly key: string | undefined;
  readonly epoch: number;
}

export interface EventLog {
  /** Id of this start of the node. */
  readonly process: string;
  readonly clock: HybridClock;
  read(): Reading;
  span(identity: SpanIdentity): SpanLog;
  /**
   * Logs an event of a request at once.
   *
   * @param fields further fields as JSON text, each with a comma before it, in the order of `FIELD_ORDER`
   * @param hlc stamp of a message just received; ticks where left out
   * @param reading when it happened; now where left out
   * @returns the event's stamp of the hybrid clock
   */
  event(span: SpanLog, event: EventKind, fields: string, hlc?: string, reading?: Reading): string;
  /** Takes an event's time and number now, for a line that `written` writes when its outcome is known. */
  stamp(span: SpanLog): Stamp;
  written(span: SpanLog, stamp: Stamp, event: EventKind, fields: string): void;
  /** Logs an event of the process. */
  processEvent(event: EventKind, fields: ProcessFields): void;
  /** Last sequence number of every run active since this was asked before. */
  activeRuns(): Readonly<Record<string, number>>;
  flush(): Promise<void>;
  flushSync(): void;
  close(): Promise<void>;
}

export interface EventLogOptions {
  /** `-` is standard output. */
  readonly path: string;
  readonly instance: string;
  readonly service: string;
  readonly topology: string;
  /** The wall clock that the events report, in whole milliseconds. @default Date.now */
  readonly now?: () => number;
  /** Called before numbers of long idle runs are forgotten, to log them. */
  readonly reportRuns: (log: EventLog) => void;
}

/**
 * The node's events, through winston and a transport of its own that only appends the finished line to a buffer. The
 * line is built from a template: turning an object into JSON costs more than everything else here.
 */
export function openEventLog({
  path,
  instance,
  service,
  topology,
  now = Date.now,
  reportRuns,
}: EventLogOptions): EventLog {
  const processId = randomBase32(8);
  const clock = hybridClock(now);
  const runs = runCounters(() => reportRuns(log));
  const processTail = `,"instance":${quote(instance)},"service":${quote(service)},"topology":${quote(topology)}`;
  const processSpan: SpanLog = {
    head: `,"process":"${processId}","event":"`,
    tail: `,"run":"${NO_RUN}"${processTail}`,
    run: { run: NO_RUN, seq: 0, reported: 0 },
    events: 0,
  };
  /** Lost, and not yet in a LOG_DROPPED that was written; `telling` stands in the one on its way. */
  let dropped = 0;
  let telling = 0;
  let refuses = false;
  let closed = false;

  const file = openLogFile(path, {
    ahead: () => {
      telling = dropped;
      dropped = 0;
      return telling === 0 ? '' : toldLoss(telling);
    },
    written: (lost, aheadLost) => {
      dropped += lost + (aheadLost ? telling : 0);
      telling = 0;
      if (lost > 0 === refuses) return;
      refuses = lost > 0;
      const state = refuses ? 'refuses writing; events are lost' : 'takes events again';
      process.stderr.write(`${instance}: the event log ${path} ${state}\n`);
    },
  });

  const logger = createLogger({
    // Lines come finished; winston's default would turn them into JSON once more.
    format: { transform: (info) => info },
    transports: new Transport({
      log: (info: LogEntry, next: () => void) => {
        if (!file.append(info.message)) dropped += info.lines;
        next();
      },
    }),
  });

  // All lines of one turn of the event loop go through winston at once: its streams cost as much as making a line.
  let lines = 0;
  let text = '';
  const handOver = (): void => {
    if (lines === 0) return;
    const entry = { level: 'info', message: text, lines };
    lines = 0;
    text = '';
    logger.log(entry);
  };

  const lineOf = (span: SpanLog, stamp: Stamp, event: EventKind, fields: string): string =>
    `{"timestamp":"${stamp.timestamp}","hlc":"${stamp.hlc}"${span.head}${event}","seq":${stamp.seq},"monotonicUs":${Math.floor(stamp.at * 1000)}${span.tail}${fields}}\n`;

  const put = (span: SpanLog, stamp: Stamp, event: EventKind, fields: string): void => {
    if (closed) return;
    if (lines === 0) setImmediate(handOver);
    lines += 1;
    text += lineOf(span, stamp, event, fields);
  };

  const read = (): Reading => readClocks(now);

  const take = (span: SpanLog, hlc: string, { timestamp, at }: Reading = read()): Stamp => {
    span.events += 1;
    span.run.seq += 1;
    return { timestamp, at, hlc, seq: span.run.seq };
  };

  /** Goes past winston: it has to be the first of its write, so that its own loss is known. */
  const toldLoss = (count: number): string =>
    lineOf(processSpan, take(processSpan, clock.tick()), 'LOG_DROPPED', `,"dropped":${count}`);

  const log: EventLog = {
    process: processId,
    clock,
    read,
    span: ({ run, traceId, requestId, parentRequestId, place, endpoint, key, epoch }) => ({
      head: `,"traceId":"${traceId}","requestId":"${requestId}"${place === undefined ? '' : `,"place":"${place}"`}${
        parentRequestId === undefined ? '' : `,"parentRequestId":"${parentRequestId}"`
      },"process":"${processId}","event":"`,
      tail: `,"run":"${run}"${processTail}${endpoint === undefined ? '' : `,"endpoint":${quote(endpoint)}`}${
        key === undefined ? '' : `,"key":${quote(key)}`
      },"epoch":${epoch}`,
      run: runs.of(run),
      events: 0,
    }),
    event: (span, event, fields, hlc = clock.tick(), reading) => {
      put(span, take(span, hlc, reading), event, fields);
      return hlc;
    },
    stamp: (span) => take(span, clock.tick()),
    written: put,
    processEvent: (event, fields) => put(processSpan, take(processSpan, clock.tick()), event, processFields(fields)),
    activeRuns: runs.report,
    flush: () => {
      handOver();
      return file.flush();
    },
    flushSync: () => {
      handOver();
      file.flushSync();
    },
    close: async () => {
      await log.flush();
      closed = true;
      await file.close();
      logger.close();
    },
  };
  return log;
}
