import type { IncomingMessage, ServerResponse } from 'node:http';
import { HEADERS, LIMITS, RESPOND_ASYNC } from '../../lib/model/contract';
import type { Caller } from '../call/attempt';
import { hangUp } from '../faults/hang';
import type { Program, Route, Via } from '../program';
import { admit } from '../resilience/admit';
import type { Errand, Span } from '../span';
import { type Answer, answerBody, answerHead } from './answer';
import { type Arrival, arrivals, spanOf } from './arrival';
import { type HandlerState, requestEnds } from './end-request';
import { isErrandRoute } from './errand-route';
import type { Overlays } from './overlay';
import { doQueued } from './queued-work';
import type { Refusal } from './refusal';
import { type BodyEnd, drainBody, hasBody } from './request-body';
import { requestRunner } from './run-request';
import type { SendQueue } from './send-queue';
import { single } from './trace-headers';

/** What the router found: a route, no such path, or a path without this method. */
export type Match = Route | 'unknown path' | 'unknown method';

/** Handles one request from its head to its last event; the server writes what it resolves to, if anything. Never rejects. */
export type Handler = (
  request: IncomingMessage,
  response: ServerResponse,
  via: Via,
  program: Program,
  match: Match,
) => Promise<Answer | undefined>;

export interface HandlerParts {
  readonly service: string;
  readonly caller: Caller;
  readonly sends: SendQueue;
  readonly state: HandlerState;
  readonly overlays: Overlays;
  /** Logs that somebody was refused, and what. */
  forbidden(request: IncomingMessage, via: Via, purpose: string, reason: string): void;
}

/** The way of a request: its head, its body, its turn, its work, its end. What has nothing to wait for is not awaited. */
export function requestHandler({ service, caller, sends, state, overlays, forbidden }: HandlerParts): Handler {
  const { log, instance } = caller;
  const head = answerHead({ service, instance });
  const arrive = arrivals(log, overlays);
  const run = requestRunner(caller, head);
  const ends = requestEnds(log, state);

  const refuse = (arrival: Arrival, error: Refusal): Answer => {
    const body = answerBody(head, arrival.requestId, undefined, 0, error);
    return ends.answered(arrival, undefined, { status: error.status, body, error });
  };

  /** Answers at once that the work comes later, or that there is no room for it. */
  const accept = (arrival: Arrival, span: Span): Answer => {
    if (state.stopping) return refuse(arrival, STOPPING);
    if (!sends.offer(() => doQueued(span, log, run))) return refuse(arrival, QUEUE_FULL);
    return ends.accepted(arrival, `${head}${span.requestId}"}`);
  };

  return async (request, response, via, program, match) => {
    state.inFlight += 1;
    const route = typeof match === 'object' ? match : undefined;
    const arrival = arrive(request, response, via, program, route);
    if (!route) return refuse(arrival, match === 'unknown method' ? UNKNOWN_METHOD : UNKNOWN_PATH);

    let refusal: Refusal | undefined = arrival.overlay && 'status' in arrival.overlay ? arrival.overlay : undefined;
    if (refusal?.status === 403) forbidden(request, via, 'overlay', refusal.message);
    let errand: Errand | undefined;
    if (arrival.receipt && isErrandRoute(route)) {
      const begun = refusal ?? (await route.begin(request, via, program));
      if ('status' in begun) refusal = begun;
      else errand = begun;
      const itinerary = errand ? `,"itinerary":${JSON.stringify(errand.logged)}` : '';
      const { stamp, fields } = arrival.receipt;
      log.written(arrival.log, stamp, 'REQUEST_RECEIVED', fields + itinerary);
    } else if (hasBody(request)) refusal = BODY_REFUSALS[await drainBody(request)] ?? refusal;
    if (refusal) return refuse(arrival, refusal);

    const span = spanOf(arrival, route, errand);
    if (caller.faults.awaiting) caller.faults.requestCame();
    if (via === 'mesh' && !errand && wantsAsync(single(request.headers[HEADERS.prefer]))) return accept(arrival, span);

    const { limiter } = route;
    const turned = limiter && (await admit(limiter, span, log));
    if (turned) return refuse(arrival, turned);
    const produced = run(span);
    const result = produced instanceof Promise ? await produced : produced;
    if (result.drop?.drop === 'hang') await hangUp(response, result.drop.over);
    const answer = result.drop ? ends.dropped(arrival, result.drop) : ends.answered(arrival, span, result);
    // In the turn of the last event, so that the log has the order in which requests leave and others come in.
    limiter?.leave();
    return answer;
  };
}

const UNKNOWN_PATH: Refusal = { status: 404, kind: 'NOT_FOUND', message: 'no endpoint has this path' };
const UNKNOWN_METHOD: Refusal = {
  status: 405,
  kind: 'NOT_FOUND',
  message: 'the path has no endpoint of this method',
};
const STOPPING: Refusal = { status: 503, kind: 'OVERLOAD', message: 'the node is stopping' };
const QUEUE_FULL: Refusal = { status: 503, kind: 'OVERLOAD', message: 'the queue is full' };
const BODY_REFUSALS: Readonly<Record<BodyEnd, Refusal | undefined>> = {
  whole: undefined,
  large: { status: 413, kind: 'BAD_REQUEST', message: `the body is above ${LIMITS.bodyBytes} bytes` },
  gone: { status: 400, kind: 'BAD_REQUEST', message: 'the body ended early' },
};

/** RFC 7240: preferences are separated by commas, each with parameters after a semicolon. */
function wantsAsync(prefer: string | undefined): boolean {
  if (prefer === undefined) return false;
  if (prefer === RESPOND_ASYNC) return true;
  return prefer.split(',').some((preference) => preference.split(';')[0]?.trim().toLowerCase() === RESPOND_ASYNC);
}
