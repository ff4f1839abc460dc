import { errorField, roundMs } from '../../lib/model/event-line';
import { resetConnection } from '../faults/reset';
import type { EventLog } from '../log/event-log';
import type { Span } from '../span';
import type { Answer, AnswerError } from './answer';
import { answerHeaders } from './answer';
import type { Arrival } from './arrival';
import { hasBody } from './request-body';
import type { Drop, Result } from './run-request';

/** Requests under way, `send`s not counted; and whether the node is going down. */
export interface HandlerState {
  inFlight: number;
  stopping: boolean;
  whenIdle: (() => void) | undefined;
}

/** The ends that a request may come to. Each logs its last events, and that the node has one request less under way. */
export interface RequestEnds {
  /** With an answer. What happens once it has left, or can't any more, is logged then. */
  answered(arrival: Arrival, span: Span | undefined, result: Result): Answer;
  /** With the answer that its work comes later. */
  accepted(arrival: Arrival, body: string): Answer;
  /** Without an answer, as a fault will have it. */
  dropped(arrival: Arrival, drop: Drop): undefined;
}

export function requestEnds(log: EventLog, state: HandlerState): RequestEnds {
  const done = (): void => {
    state.inFlight -= 1;
    if (state.inFlight === 0) state.whenIdle?.();
  };

  const leave = (arrival: Arrival, span: Span | undefined, status: number, body: string, bytes: number): Answer => {
    const { request, response, requestId, startedAt, log: spanLog } = arrival;
    const faulty = span?.faulty;
    // The caller may have read the answer before this side hears that it left: the event takes its time from here, so
    // that no receipt comes before its sending.
    const stamp = log.stamp(spanLog);
    const fields = `,"status":${status},"durationMs":${roundMs(stamp.at - startedAt)}`;
    const left = (): void => {
      if (response.writableFinished) {
        log.written(spanLog, stamp, 'RESPONSE_SENT', `${fields},"bytes":${bytes},"spanEvents":${spanLog.events}`);
      } else {
        const gone = errorField(
          faulty?.truncate
            ? { kind: 'FAULT', message: 'the answer was cut short' }
            : { kind: 'CLIENT_GONE', message: 'the caller went away before the answer' },
        );
        log.written(spanLog, stamp, 'ERROR', `${fields},"spanEvents":${spanLog.events}${gone}`);
      }
      done();
    };
    if (response.closed || response.destroyed) left();
    else response.on('close', left);
    return {
      status,
      headers: answerHeaders(requestId, stamp.hlc),
      body,
      bytes,
      close: state.stopping || (!request.complete && hasBody(request)),
      faulty,
    };
  };

  return {
    answered: (arrival, span, { status, body, error }) => {
      const bytes = Buffer.byteLength(body);
      logResult(log, arrival, status, `,"bytes":${bytes}`, error);
      return leave(arrival, span, status, body, bytes);
    },
    accepted: (arrival, body) => leave(arrival, undefined, 202, body, Buffer.byteLength(body)),
    dropped: (arrival, drop) => {
      const { log: spanLog, startedAt } = arrival;
      const reading = log.read();
      const fields = `,"durationMs":${roundMs(reading.at - startedAt)},"spanEvents":${spanLog.events + 1}`;
      log.event(spanLog, 'ERROR', fields + errorField({ kind: 'FAULT', message: drop.drop }), undefined, reading);
      if (drop.drop === 'reset') resetConnection(arrival.response);
      done();
      return undefined;
    },
  };
}

/** @param more fields between the duration and the error */
export function logResult(
  log: EventLog,
  { log: spanLog, startedAt }: Pick<Span, 'log' | 'startedAt'>,
  status: number,
  more: string,
  error: AnswerError | undefined,
): void {
  const reading = log.read();
  const fields = `,"status":${status},"durationMs":${roundMs(reading.at - startedAt)}${more}`;
  log.event(spanLog, 'RESULT_PRODUCED', error ? fields + errorField(error) : fields, undefined, reading);
}
