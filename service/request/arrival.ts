import type { IncomingMessage, ServerResponse } from 'node:http';
import { HEADERS, LIMITS } from '../../lib/model/contract';
import { formatHash, type Hash, hashText, parseHash } from '../../lib/model/draw';
import { errorField, quote } from '../../lib/model/event-line';
import { parseStamp } from '../../lib/model/hybrid-clock';
import { newRequestId } from '../../lib/model/trace-context';
import type { EventLog, SpanLog, Stamp } from '../log/event-log';
import type { Program, Route, Via } from '../program';
import type { Errand, Span } from '../span';
import { isErrandRoute } from './errand-route';
import type { BroughtFaults, Overlays } from './overlay';
import type { Refusal } from './refusal';
import { type Baggage, baggageReader, readTrace, single, type Trace } from './trace-headers';

/** A request of which the head is read. */
export interface Arrival {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly via: Via;
  readonly program: Program;
  readonly requestId: string;
  readonly trace: Trace;
  readonly baggage: Baggage;
  /** Undefined where neither the request nor a route says one. */
  readonly place: Hash | undefined;
  readonly placeText: string | undefined;
  /** Key of its draws as text; undefined where it is the trace id. */
  readonly key: string | undefined;
  /** By the monotonic clock (`performance.now`), in milliseconds. */
  readonly startedAt: number;
  readonly log: SpanLog;
  readonly overlay: BroughtFaults | Refusal | undefined;
  /** Where what it is to do stands in its body: its receipt, to be written once that is read. */
  readonly receipt: { readonly stamp: Stamp; readonly fields: string } | undefined;
}

/** Reads the head of a request and logs its receipt. */
export type Arrive = (
  request: IncomingMessage,
  response: ServerResponse,
  via: Via,
  program: Program,
  route: Route | undefined,
) => Arrival;

/** Instances are DNS labels. */
const CALLER = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const DEADLINE = /^\d{1,9}$/;

export function arrivals(log: EventLog, overlays: Overlays): Arrive {
  const readBaggage = baggageReader();

  return (request, response, via, program, route) => {
    const reading = log.read();
    const { headers } = request;
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
    const overlay = route === undefined || baggage.overlay === undefined ? undefined : overlays(baggage.overlay, via);
    // Where a flow begins, what it brings is in the log once; each hop has it from there.
    const brought = given === undefined && overlay && 'text' in overlay ? `,"overlay":${overlay.text}` : '';
    const fields = `,"via":"${via}"${peer}${bytes}${brought}`;
    const receipt = route && isErrandRoute(route) ? { stamp: log.stamp(spanLog), fields } : undefined;
    if (!receipt) log.event(spanLog, 'REQUEST_RECEIVED', fields, hlc, reading);
    if (ahead) {
      const message = `the clock of the sender is more than ${LIMITS.clockAheadMs / 1000} s ahead and was ignored`;
      log.event(spanLog, 'ERROR', errorField({ kind: 'CLOCK_AHEAD', message }));
    }
    return {
      request,
      response,
      via,
      program,
      requestId,
      trace,
      baggage,
      place,
      placeText,
      key,
      startedAt: reading.at,
      log: spanLog,
      overlay,
      receipt,
    };
  };
}

/** The request as its work will know it: counted, and with its deadline begun. */
export function spanOf(arrival: Arrival, route: Route, errand: Errand | undefined): Span {
  const { request, via, program, requestId, trace, baggage, place, placeText, key, startedAt, log, overlay } = arrival;
  const handedDown = via === 'mesh' ? single(request.headers[HEADERS.deadline]) : undefined;
  const deadlineMs =
    handedDown !== undefined && DEADLINE.test(handedDown) ? Number(handedDown) : route.endpoint.deadlineMs;
  return {
    log,
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
    rules: overlay && 'rules' in overlay ? overlay.rules : undefined,
    errand,
    faulty: undefined,
  };
}
