import { newRequestId } from '../../lib/model/trace-context';
import type { EventLog } from '../log/event-log';
import type { Span } from '../span';
import { logResult } from './end-request';
import type { RunRequest } from './run-request';

/** Does the work of a `send`: a request of its own, whose cause is the one that answered 202. */
export async function doQueued(accepted: Span, log: EventLog, run: RunRequest): Promise<void> {
  const requestId = newRequestId();
  const arrival = log.read();
  const startedAt = arrival.at;
  const { program, route, traceId, key, placeText } = accepted;
  const span: Span = {
    ...accepted,
    requestId,
    startedAt,
    deadlineAt: startedAt + route.endpoint.deadlineMs,
    log: log.span({
      run: accepted.log.run.run,
      traceId,
      requestId,
      parentRequestId: accepted.requestId,
      place: placeText,
      endpoint: route.endpoint.key,
      key,
      epoch: program.slice.epoch,
    }),
    queued: true,
  };
  log.event(span.log, 'REQUEST_RECEIVED', `,"via":"queue"`, undefined, arrival);
  const { status, error } = await run(span);
  logResult(log, span, status, `,"spanEvents":${span.log.events + 1}`, error);
}
