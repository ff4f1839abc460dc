import { responseBytes } from '../../../lib/model/decisions';
import { formatHash, hashText } from '../../../lib/model/draw';
import type { Endpoint } from '../../../lib/model/topology';
import { runSequence } from './steps';
import { strikeAt } from './strike';
import type { TrueSpan } from './truth';
import { type Answer, type Ended, type Incoming, round, type Span, type World } from './world';

/** Handles one request and everything below it. */
export function handle(incoming: Incoming, world: World): Answer {
  const { via, process, at } = incoming;
  const span = begin(incoming, world);
  const { truth, endpoint, draws } = span;
  const received = logReceipt(span, incoming, world);
  const ended: Ended = incoming.refusal
    ? { at: at + 0.02, failure: incoming.refusal }
    : runAmongFaults(span, at + 0.02, world);
  const status = ended.failure?.status ?? 200;
  const knownAt = ended.at + 0.03;
  if (knownAt + 0.04 >= process.diesAt) return { at: process.diesAt };
  const result = {
    event: 'RESULT_PRODUCED',
    status,
    durationMs: round(knownAt - at),
    ...(ended.failure && { error: ended.failure.error }),
  } as const;
  truth.endAt = knownAt;
  truth.status = status;
  if (via === 'queue') {
    world.emit(span, knownAt, { ...result, spanEvents: span.events + 1 });
    return { at: knownAt, status };
  }
  const bytes = responseBytes(endpoint, draws);
  const produced = world.emit(span, knownAt, { ...result, bytes });
  const close = (goneAt: number) => finish(span, incoming, knownAt + 0.04, goneAt, status, bytes, world);
  return { at: knownAt, status, bytes, requestId: truth.requestId, from: produced ?? received, close };
}

/** Takes a `send` in, answers 202, and works on it afterwards. */
export function accept(incoming: Incoming, world: World): Answer {
  if (incoming.refusal) return handle(incoming, world);
  const { at, process } = incoming;
  const span = begin(incoming, world);
  const { truth, endpoint } = span;
  truth.endAt = at + 0.02;
  truth.status = 202;
  const received = logReceipt(span, incoming, world);
  const close = (goneAt: number) => finish(span, incoming, at + 0.05, goneAt, 202, ACCEPTED_BYTES, world);
  if (at + 0.05 >= process.diesAt) return { at: process.diesAt, close };
  handle(
    {
      ...incoming,
      at: at + 0.1 + world.random.next(),
      via: 'queue',
      parentRequestId: truth.requestId,
      from: undefined,
      deadlineMs: endpoint.deadlineMs,
      siblings: truth.children,
      peer: undefined,
      bytes: undefined,
    },
    world,
  );
  return { at: at + 0.02, status: 202, bytes: ACCEPTED_BYTES, requestId: truth.requestId, from: received, close };
}

/** Of the answer to a `send`. */
const ACCEPTED_BYTES = 60;

function begin(incoming: Incoming, { topology, seed, random }: World): Span {
  const { at, traceId, keyText, parentRequestId, service, process, via, siblings } = incoming;
  const endpoint = topology.services[service]?.endpoints[incoming.endpoint] as Endpoint;
  const truth: TrueSpan = {
    requestId: random.hex(2),
    service,
    instance: process.instance,
    endpoint: endpoint.key,
    place: formatHash(incoming.place),
    via,
    startAt: at,
    endAt: Number.POSITIVE_INFINITY,
    status: 0,
    children: [],
  };
  siblings.push(truth);
  const { requestId, place } = truth;
  const key = keyText !== traceId && { key: keyText };
  return {
    process,
    truth,
    fields: { traceId, requestId, parentRequestId, place, endpoint: endpoint.key, ...key, epoch: 0 },
    draws: { seed, key: hashText(keyText), place: incoming.place },
    endpoint,
    deadlineAt: at + incoming.deadlineMs,
    events: 0,
  };
}

function logReceipt(span: Span, { at, via, peer, bytes, from }: Incoming, world: World) {
  const body = bytes !== undefined && { bytes };
  return world.emit(span, at, { event: 'REQUEST_RECEIVED', via, ...(peer && { peer }), ...body }, from);
}

function runAmongFaults(span: Span, at: number, world: World): Ended {
  const before = strikeAt('before', span, at, world);
  if (before.failure) return before;
  const worked = runSequence(span.endpoint.steps, span, before.at, world);
  if (worked.failure && worked.failure.error.kind !== 'STEP_FAILED') return worked;
  const after = strikeAt('after', span, worked.at, world);
  return after.failure ? after : { ...worked, at: after.at };
}

function finish(
  span: Span,
  { at }: Incoming,
  sentAt: number,
  goneAt: number,
  status: number,
  bytes: number,
  world: World,
): void {
  const last = { status, durationMs: round(sentAt - at), spanEvents: span.events + 1 };
  if (sentAt < goneAt) world.emit(span, sentAt, { event: 'RESPONSE_SENT', bytes, ...last });
  else {
    const error = { kind: 'CLIENT_GONE', message: 'caller went away' } as const;
    world.emit(span, sentAt, { event: 'ERROR', error, ...last });
  }
}
