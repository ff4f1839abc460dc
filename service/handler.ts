import type { IncomingMessage, ServerResponse } from 'node:http';
import { HEADERS, LIMITS, RESPOND_ASYNC } from '../lib/model/contract';
import { responseBytes } from '../lib/model/decisions';
import { formatHash, hashText, parseHash } from '../lib/model/draw';
import type { ErrorKind } from '../lib/model/event';
import { parseStamp } from '../lib/model/hybrid-clock';
import { newRequestId } from '../lib/model/trace-context';
import { type Answer, answerBody, answerHead, answerHeaders } from './answer';
import type { Caller } from './call';
import type { Errand, ErrandRoute, Refusal } from './errand';
import { errorField, quote, roundMs } from './event-line';
import type { SpanLog } from './event-log';
import type { FaultEnd, FaultyAnswer } from './faults/effects';
import { hangUp } from './faults/hang';
import { resetConnection } from './faults/reset';
import { type Failure, NOTHING, type Outcome } from './outcome';
import type { Overlays } from './overlay';
import type { Program, Route } from './program';
import { drainBody, hasBody } from './request-body';
import { admit } from './resilience/admit';
import type { SendQueue } from './send-queue';
import { leftMs, type Span } from './span';
import { runSequence } from './steps';
import { baggageReader, readTrace, single } from './trace-headers';

/** The port that a request came in by. */
export type Via = 'edge' | 'mesh';

/** What the router found: a route, no such path, or a path without this method. */
export type Match = Route | ErrandRoute | 'unknown path' | 'unknown method';

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
  /** Requests under way, `send`s not counted; and whether the node is going down. */
  readonly state: HandlerState;
  readonly overlays: Overlays;
  /** Logs that somebody was refused, and what. */
  forbidden(request: IncomingMessage, via: Via, purpose: string, reason: string): void;
}

export interface HandlerState {
  inFlight: number;
  stopping: boolean;
  whenIdle: (() => void) | undefined;
}

/** Instances are DNS labels. */
const CALLER = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const DEADLINE = /^\d{1,9}$/;

interface Result {
  readonly status: number;
  readonly body: string;
  readonly error: RequestError | undefined;
  /** No answer leaves. */
  readonly drop?: Drop;
}

type Drop = Extract<FaultEnd, { readonly drop: unknown }>;

type RequestError = Failure | { readonly kind: ErrorKind; readonly message: string };

export function requestHandler({ service, caller, sends, state, overlays, forbidden }: HandlerParts): Handler {
  const { log, instance } = caller;
  const head = answerHead({ service, instance });
  const readBaggage = baggageReader();

  const done = (): void => {
    state.inFlight -= 1;
    if (state.inFlight === 0) state.whenIdle?.();
  };

  /** Ends a request without an answer, as a fault will have it. */
  const abandon = async (response: ServerResponse, span: Span, drop: Drop): Promise<undefined> => {
    if (drop.drop === 'hang') await hangUp(response, drop.over);
    const reading = log.read();
    const fields = `,"durationMs":${roundMs(reading.at - span.startedAt)},"spanEvents":${span.log.events + 1}`;
    log.event(span.log, 'ERROR', fields + errorField({ kind: 'FAULT', message: drop.drop }), undefined, reading);
    if (drop.drop === 'reset') resetConnection(response);
    done();
    return undefined;
  };

  /** Logs the result, and the rest of the request once its answer has left or can't any more. */
  const finish = (
    request: IncomingMessage,
    response: ServerResponse,
    log_: SpanLog,
    requestId: string,
    startedAt: number,
    status: number,
    body: string,
    produced: boolean,
    error: RequestError | undefined,
    faulty: FaultyAnswer | undefined,
  ): Answer => {
    const bytes = Buffer.byteLength(body);
    if (produced) {
      const reading = log.read();
      const fields = `,"status":${status},"durationMs":${roundMs(reading.at - startedAt)},"bytes":${bytes}`;
      log.event(log_, 'RESULT_PRODUCED', error ? fields + errorField(error) : fields, undefined, reading);
    }
    // The caller may have read the answer before this side hears that it left: the event takes its time from here, so
    // that no receipt comes before its sending.
    const stamp = log.stamp(log_);
    const fields = `,"status":${status},"durationMs":${roundMs(stamp.at - startedAt)}`;
    const left = (): void => {
      if (response.writableFinished) {
        log.written(log_, stamp, 'RESPONSE_SENT', `${fields},"bytes":${bytes},"spanEvents":${log_.events}`);
      } else {
        const gone = errorField(
          faulty?.truncate
            ? { kind: 'FAULT', message: 'the answer was cut short' }
            : { kind: 'CLIENT_GONE', message: 'the caller went away before the answer' },
        );
        log.written(log_, stamp, 'ERROR', `${fields},"spanEvents":${log_.events}${gone}`);
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

  const run = (span: Span): Promise<Outcome> | Outcome => {
    if (leftMs(span) <= 0) {
      const failure: Failure = { kind: 'DEADLINE', step: '', message: 'no time was left on arrival' };
      return { responses: '', failure };
    }
    if (span.errand) return span.errand.run(span, caller);
    const { before, after } = span.route.faults;
    if (before.length + after.length > 0 || span.rules) return runAmongFaults(span);
    if (span.route.steps.length === 0) return NOTHING;
    return runSequence(span.route.steps, span, caller);
  };

  const runAmongFaults = async (span: Span): Promise<Outcome> => {
    const before = await caller.faults.applyFaults('before', span);
    if (before.failure) return before;
    const worked = await runSequence(span.route.steps, span, caller);
    // A fault among the steps, or the deadline, has ended the request; a failed step has not.
    if (worked.failure && (worked.failure.fault || worked.failure.kind === 'DEADLINE')) return worked;
    const after = await caller.faults.applyFaults('after', span);
    return after.failure ? { responses: worked.responses, failure: after.failure } : worked;
  };

  const conclude = (span: Span, { responses, failure }: Outcome): Result => {
    if (failure?.fault && 'drop' in failure.fault) return { status: 0, body: '', error: failure, drop: failure.fault };
    const status = failure ? statusOf(failure) : 200;
    const payload = failure ? 0 : responseBytes(span.route.endpoint, span.draws);
    const list = span.route.calls ? responses : undefined;
    const error: RequestError | undefined =
      failure && failure.kind !== 'DEADLINE' && failure.kind !== 'FAULT'
        ? { ...failure, kind: 'STEP_FAILED' }
        : failure;
    if (span.errand) return { status, body: span.errand.answer(error), error };
    return { status, body: answerBody(head, span.requestId, list, payload, error), error };
  };

  /** At once where there is nothing to wait for. Never rejects. */
  const result = (span: Span): Promise<Result> | Result => {
    const outcome = run(span);
    if (!(outcome instanceof Promise)) return conclude(span, outcome);
    return outcome.then(
      (known) => conclude(span, known),
      (thrown: Error): Result => {
        const error: RequestError = { kind: 'INTERNAL', message: thrown.message };
        return { status: 500, body: answerBody(head, span.requestId, undefined, 0, error), error };
      },
    );
  };

  /** The work of a `send`: a request of its own, whose cause is the one that answered 202. */
  const work = async (accepted: Span): Promise<void> => {
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
    const { status, error } = await result(span);
    const events = span.log.events + 1;
    const reading = log.read();
    const fields = `,"status":${status},"durationMs":${roundMs(reading.at - startedAt)},"spanEvents":${events}`;
    log.event(span.log, 'RESULT_PRODUCED', error ? fields + errorField(error) : fields, undefined, reading);
  };

  return async (request, response, via, program, match) => {
    state.inFlight += 1;
    const arrival = log.read();
    const startedAt = arrival.at;
    const { headers } = request;
    const route = typeof match === 'object' ? match : undefined;
    const mesh = via === 'mesh';

    const trace = readTrace(headers);
    const baggage = readBaggage(headers);
    const requestId = newRequestId();
    const given = mesh ? single(headers[HEADERS.place]) : undefined;
    const place = (given === undefined ? undefined : parseHash(given)) ?? route?.root;
    const placeText = place && (place === route?.root ? route.rootText : formatHash(place));
    const key = baggage.key === trace.traceId ? undefined : baggage.key;
    const spanLog = log.span({
      run: baggage.run,
      traceId: trace.traceId,
      requestId,
      parentRequestId: trace.parentRequestId,
      place: route ? placeText : undefined,
      endpoint: route?.endpoint.key,
      key,
      epoch: program.slice.epoch,
    });

    const clockHeader = single(headers[HEADERS.clock]);
    const seen = mesh || clockHeader === undefined ? undefined : parseStamp(clockHeader);
    const ahead = seen !== undefined && seen.millis - Date.now() > LIMITS.clockAheadMs;
    const sender = mesh ? single(headers[HEADERS.caller]) : undefined;
    const peer = sender !== undefined && CALLER.test(sender) ? `,"peer":${quote(sender)}` : '';
    const length = Number(headers['content-length'] ?? 0);
    const bytes = length > 0 ? `,"bytes":${length}` : '';
    const hlc = log.clock.receive(ahead ? undefined : clockHeader);
    const brought = route === undefined || baggage.overlay === undefined ? undefined : overlays(baggage.overlay, via);
    // Where a flow begins, what it brings is in the log once; each hop has it from there.
    const overlay = given === undefined && brought && 'text' in brought ? `,"overlay":${brought.text}` : '';
    const receipt = `,"via":"${via}"${peer}${bytes}${overlay}`;
    const { begin } = (route ?? {}) as Partial<ErrandRoute>;
    // What an errand is to do is known once its body is read: its receipt is written then.
    const receivedAt = begin && log.stamp(spanLog);
    if (!receivedAt) log.event(spanLog, 'REQUEST_RECEIVED', receipt, hlc, arrival);
    if (ahead) {
      const message = `the clock of the sender is more than ${LIMITS.clockAheadMs / 1000} s ahead and was ignored`;
      log.event(spanLog, 'ERROR', errorField({ kind: 'CLOCK_AHEAD', message }));
    }

    let span: Span | undefined;
    const end = (status: number, body: string, error?: RequestError, produced = true): Answer =>
      finish(request, response, spanLog, requestId, startedAt, status, body, produced, error, span?.faulty);
    const refuse = (status: number, kind: ErrorKind, message: string): Answer => {
      const error = { kind, message };
      return end(status, answerBody(head, requestId, undefined, 0, error), error);
    };

    if (!route) {
      if (match === 'unknown method') return refuse(405, 'NOT_FOUND', 'the path has no endpoint of this method');
      return refuse(404, 'NOT_FOUND', 'no endpoint has this path');
    }
    let refused: Refusal | undefined = brought && 'status' in brought ? brought : undefined;
    if (refused?.status === 403) forbidden(request, via, 'overlay', refused.message);
    let errand: Errand | undefined;
    if (begin && receivedAt) {
      const begun = refused ?? (await begin(request, via, program));
      if ('status' in begun) refused = begun;
      else errand = begun;
      const itinerary = errand ? `,"itinerary":${JSON.stringify(errand.logged)}` : '';
      log.written(spanLog, receivedAt, 'REQUEST_RECEIVED', receipt + itinerary);
    } else if (hasBody(request)) {
      const bodyEnd = await drainBody(request);
      if (bodyEnd === 'large') return refuse(413, 'BAD_REQUEST', `the body is above ${LIMITS.bodyBytes} bytes`);
      if (bodyEnd === 'gone') return refuse(400, 'BAD_REQUEST', 'the body ended early');
    }

    if (refused) return refuse(refused.status, refused.kind, refused.message);

    const handedDown = mesh ? single(headers[HEADERS.deadline]) : undefined;
    const deadlineMs =
      handedDown !== undefined && DEADLINE.test(handedDown) ? Number(handedDown) : route.endpoint.deadlineMs;
    span = {
      log: spanLog,
      program,
      route,
      traceId: trace.traceId,
      requestId,
      flags: trace.flags,
      tracestate: trace.tracestate,
      baggage: baggage.handedOn,
      draws: { seed: program.seed, key: hashText(key ?? trace.traceId), place: place ?? route.root },
      placeText: placeText ?? route.rootText,
      key,
      startedAt,
      deadlineAt: startedAt + deadlineMs,
      ordinal: ++route.handled.count,
      queued: false,
      rules: brought && 'rules' in brought ? brought.rules : undefined,
      errand,
      faulty: undefined,
    };
    if (caller.faults.awaiting) caller.faults.requestCame();

    if (mesh && !errand && wantsAsync(single(headers[HEADERS.prefer]))) {
      if (state.stopping) return refuse(503, 'OVERLOAD', 'the node is stopping');
      const accepted = span;
      if (!sends.offer(() => work(accepted))) return refuse(503, 'OVERLOAD', 'the queue is full');
      return end(202, `${head}${requestId}"}`, undefined, false);
    }
    const { limiter } = route;
    const turned = limiter && (await admit(limiter, span, log));
    if (turned) return refuse(turned.status, turned.kind, turned.message);
    const produced = result(span);
    const { status, body, error, drop } = produced instanceof Promise ? await produced : produced;
    const answer = drop ? await abandon(response, span, drop) : end(status, body, error);
    limiter?.leave();
    return answer;
  };
}

function statusOf({ kind, fault }: Failure): number {
  if (fault && 'status' in fault) return fault.status;
  return kind === 'DEADLINE' ? 504 : 502;
}

/** RFC 7240: preferences are separated by commas, each with parameters after a semicolon. */
function wantsAsync(prefer: string | undefined): boolean {
  if (prefer === undefined) return false;
  if (prefer === RESPOND_ASYNC) return true;
  return prefer.split(',').some((preference) => preference.split(';')[0]?.trim().toLowerCase() === RESPOND_ASYNC);
}
