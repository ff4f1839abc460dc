import { CLIENT_SERVICE, instanceName, LIMITS } from '../model/contract';
import type { ClockReport, ErrorKind } from '../model/event';
import { errorField, type ProcessFields, peerRequestIdField, processFields, quote } from '../model/event-line';
import { hostId } from '../model/host-id';
import { hybridClock } from '../model/hybrid-clock';
import { type Reading, readClocks } from '../model/reading';
import { NO_RUN, randomBase32 } from '../model/run-id';
import type { ClientLog } from './client-log';
import type { ResponseHead } from './response-parser';

/** One request of the client, as its two events tell of it. */
export interface ClientSpan {
  readonly traceId: string;
  /** The client's request id: parent id in `traceparent`. */
  readonly requestId: string;
  readonly key: string;
  /** `<service> <endpoint>` */
  readonly callee: string;
}

/** Writes the events of one run's client process. */
export interface ClientEvents {
  /** Id of this process in its events. */
  readonly process: string;
  /** Logs REQUEST_SENT and gives the stamp of the hybrid clock that the request carries. */
  requestSent(span: ClientSpan, reading: Reading, latenessMs: number): string;
  responseReceived(span: ClientSpan, reading: Reading, head: ResponseHead, durationMs: number, bytes: number): void;
  error(span: ClientSpan, reading: Reading, kind: ErrorKind, message: string, durationMs: number): void;
  /** SERVICE_UP, CLOCK and SERVICE_DOWN; the last two with the run's last sequence number. */
  processEvent(event: 'SERVICE_UP' | 'CLOCK' | 'SERVICE_DOWN', detail?: Readonly<Record<string, unknown>>): void;
  /** Sequence number of the run's last event. */
  lastSeq(): number;
}

export interface ClientEventsOptions {
  readonly log: ClientLog;
  readonly run: string;
  readonly topology: string;
  /** Whether the target shares this machine's clock. */
  readonly sameMachine: boolean;
}

export function clientEvents({ log, run, topology, sameMachine }: ClientEventsOptions): ClientEvents {
  const process = randomBase32(8);
  const clock = hybridClock();
  const owner = `,"instance":"${instanceName(CLIENT_SERVICE, 1)}","service":"${CLIENT_SERVICE}","topology":"${topology}"`;
  const report: ClockReport = sameMachine
    ? { source: 'machine', host: hostId(), boundMs: 0 }
    : { source: 'unknown', host: hostId(), boundMs: null };
  let runSeq = 0;
  let processSeq = 0;
  let dropped = 0;

  const append = (line: string): void => {
    if (!log.append(line)) dropped += 1;
    else if (dropped > 0) {
      const count = dropped;
      dropped = 0;
      processLine('LOG_DROPPED', { dropped: count });
      if (dropped > 0) dropped += count;
    }
  };

  const put = (span: ClientSpan, { timestamp, at }: Reading, event: string, hlc: string, fields: string): void => {
    runSeq += 1;
    append(
      `{"timestamp":"${timestamp}","hlc":"${hlc}","traceId":"${span.traceId}","requestId":"${span.requestId}","process":"${process}","event":"${event}","seq":${runSeq},"monotonicUs":${Math.floor(at * 1000)},"run":"${run}"${owner},"key":"${span.key}","callee":${quote(span.callee)}${fields}}\n`,
    );
  };

  const processLine = (event: string, fields: ProcessFields): void => {
    processSeq += 1;
    const { timestamp, at } = readClocks();
    append(
      `{"timestamp":"${timestamp}","hlc":"${clock.tick()}","process":"${process}","event":"${event}","seq":${processSeq},"monotonicUs":${Math.floor(at * 1000)},"run":"${NO_RUN}"${owner}${processFields(fields)}}\n`,
    );
  };

  return {
    process,
    requestSent: (span, reading, latenessMs) => {
      const hlc = clock.tick();
      put(span, reading, 'REQUEST_SENT', hlc, `,"latenessMs":${formatMs(latenessMs)}`);
      return hlc;
    },
    responseReceived: (span, reading, { status, requestId, clock: stamp }, durationMs, bytes) => {
      // An answer from far ahead must not drag this clock, and with it the whole run, along.
      const hlc = clock.receive(stamp !== undefined && isPlausible(stamp) ? stamp : undefined);
      const peer = peerRequestIdField(requestId);
      const fields = `${peer},"status":${status},"durationMs":${formatMs(durationMs)},"bytes":${bytes},"spanEvents":2`;
      put(span, reading, 'RESPONSE_RECEIVED', hlc, fields);
    },
    error: (span, reading, kind, message, durationMs) => {
      const fields = `,"durationMs":${formatMs(durationMs)},"spanEvents":2${errorField({ kind, message })}`;
      put(span, reading, 'ERROR', clock.tick(), fields);
    },
    processEvent: (event, detail) => {
      const runs = event === 'SERVICE_UP' || runSeq === 0 ? undefined : { [run]: runSeq };
      processLine(event, { ...(runs && { runs }), clock: report, ...(detail && { detail }) });
    },
    lastSeq: () => runSeq,
  };
}

/** Whether a stamp is not ahead of the wall clock by more than a node, too, would believe. */
function isPlausible(stamp: string): boolean {
  return Number.parseInt(stamp.slice(0, 12), 16) <= Date.now() + LIMITS.clockAheadMs;
}

/**
 * Milliseconds as logged: to the microsecond, without zeros at the end. Put together from whole numbers, which are
 * written several times faster than fractions.
 */
function formatMs(ms: number): string {
  const us = Math.round(ms * 1000);
  const rest = us % 1000;
  return `${(us - rest) / 1000}${FRACTIONS[rest]}`;
}

const FRACTIONS = Array.from({ length: 1000 }, (_, us) => (us === 0 ? '' : String(us / 1000).slice(1)));
