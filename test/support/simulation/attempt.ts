import { requestBytes } from '../../../lib/model/decisions';
import { childPlace, formatHash, type Hash, hashText } from '../../../lib/model/draw';
import type { ErrorKind, Event, EventKind } from '../../../lib/model/event';
import { rulesOfCall } from '../../../lib/model/faced-faults';
import type { CallStep, SendStep } from '../../../lib/model/topology';
import type { Process } from '../simulated-log';
import { changing, verdictOf } from './breakers';
import { aliveAt, type Lives } from './fleet';
import { faced } from './strike';
import { type Answer, type AttemptOutcome, type Failure, round, type Span, type World } from './world';

type Outgoing = CallStep | SendStep;

/** Which attempt of which repetition. */
export interface AttemptNumber {
  readonly repetition: number;
  readonly attempt: number;
}

/**
 * An attempt under way: it yields the moment that it waits for, and is told when it is called off before that. So two of
 * them can be made side by side, in the order of time.
 */
export type Underway = Generator<number, AttemptOutcome, number | undefined>;

/** One of two attempts that are under way side by side. */
export interface Side {
  /** The instance that the first one chose last. */
  first?: string;
}

/** What an attempt is made with. */
interface Attempt {
  readonly step: Outgoing;
  readonly span: Span;
  readonly place: Hash;
  readonly fields: Partial<Event>;
  /** When it began, before its faults. */
  readonly startAt: number;
  readonly side: Side | undefined;
  readonly isHedge: boolean;
  readonly world: World;
}

/** The fields that all events of an attempt share. */
export function attemptFields(step: Outgoing, span: Span, { repetition, attempt }: AttemptNumber): Partial<Event> {
  const place = childPlace(span.draws.place, hashText(step.id), repetition, attempt);
  const callee = `${step.service} ${step.endpoint}`;
  return { callPlace: formatHash(place), step: step.id, repetition, attempt, callee };
}

/** One attempt, to its end. */
export function attemptCall(
  step: Outgoing,
  span: Span,
  startAt: number,
  number: AttemptNumber,
  world: World,
): AttemptOutcome {
  const underway = beginAttempt(step, span, startAt, number, world);
  let now = underway.next();
  while (!now.done) now = underway.next();
  return now.value;
}

export function* beginAttempt(
  step: Outgoing,
  span: Span,
  startAt: number,
  number: AttemptNumber,
  world: World,
  side?: Side,
): Underway {
  const place = childPlace(span.draws.place, hashText(step.id), number.repetition, number.attempt);
  const isHedge = side !== undefined && number.attempt > 1;
  const attempt = { step, span, place, fields: attemptFields(step, span, number), startAt, side, isHedge, world };
  const breaker = world.breakers?.(span.process, step);
  if (!breaker) return yield* make(attempt);
  const log = (at: number) => (event: EventKind, decision: object) =>
    void world.emit(span, at, { event, ...attempt.fields, decision });
  const permit = changing(breaker, () => breaker.admit(startAt), log(startAt), step.service);
  if (permit === 0) return fail(attempt, startAt, 'BREAKER_OPEN');
  const outcome = yield* make(attempt);
  changing(breaker, () => breaker.settle(permit, verdictOf(outcome), outcome.at), log(outcome.at), step.service);
  return outcome;
}

function* make(attempt: Attempt): Underway {
  const held = yield* faceFaults(attempt);
  return 'kind' in held ? held : yield* connect(attempt, held.at);
}

/** What the attempt's faults leave of it: when it goes on, or how they ended it. */
function* faceFaults(
  attempt: Attempt,
): Generator<number, AttemptOutcome | { readonly at: number }, number | undefined> {
  const { step, span, place, fields, startAt, world } = attempt;
  const rules = rulesOfCall(step, span.endpoint.key, world.topology.services[span.process.service]?.faults ?? []);
  let at = startAt;
  for (const [, fault] of faced(rules, { ...span.draws, place })) {
    world.emit(span, at, { event: 'FAULT_INJECTED', ...fields, fault });
    if (fault.type === 'error') {
      const status = Number(fault.args.status);
      return { ...fail(attempt, at + 0.01, 'FAULT', { status }), status };
    }
    at += Math.round(Number(fault.args.delay));
    const limit = Math.min(startAt + (step.timeoutMs ?? Number.POSITIVE_INFINITY), span.deadlineAt);
    const calledOff = yield Math.min(at, limit);
    if (calledOff !== undefined) return fail(attempt, calledOff, 'CANCELLED');
    if (at >= limit) return fail(attempt, limit, limit === span.deadlineAt ? 'DEADLINE' : 'TIMEOUT');
  }
  return { at };
}

/** Tries instance after instance while none can be reached. */
function* connect(attempt: Attempt, begunAt: number): Underway {
  const { step, span, startAt, world } = attempt;
  const leftMs = Math.floor(span.deadlineAt - begunAt);
  if (leftMs <= 0) return fail(attempt, begunAt + 0.01, 'DEADLINE');
  if (world.chance(world.failures.noInstance)) return fail(attempt, begunAt + 0.01, 'NO_INSTANCE');
  const ownMs = step.timeoutMs === null ? Number.POSITIVE_INFINITY : step.timeoutMs - (begunAt - startAt);
  const timeoutMs = Math.min(ownMs, leftMs);
  const time: AttemptTime = {
    begunAt,
    leftMs,
    endsAt: begunAt + timeoutMs,
    endsWith: timeoutMs === leftMs ? 'DEADLINE' : 'TIMEOUT',
  };
  let sentAt = begunAt + 0.01;
  for (let reconnect = 0; ; reconnect++) {
    const calledOff = yield sentAt;
    if (calledOff !== undefined) return fail(attempt, calledOff, 'CANCELLED');
    const outcome = yield* exchange(attempt, time, sentAt, reconnect);
    const replicas = world.topology.services[step.service]?.replicas ?? 1;
    if (outcome.kind !== 'CONNECT' || reconnect === 3 || replicas <= reconnect + 1) return outcome;
    sentAt = outcome.at;
  }
}

interface AttemptTime {
  readonly begunAt: number;
  /** Of the caller's deadline. */
  readonly leftMs: number;
  readonly endsAt: number;
  readonly endsWith: ErrorKind;
}

/** One connection to an instance. */
function* exchange(attempt: Attempt, time: AttemptTime, sentAt: number, reconnect: number): Underway {
  const { step, span, fields, world } = attempt;
  const { begunAt, endsAt, endsWith } = time;
  const { failures } = world;
  const lives = choose(attempt, reconnect);
  const peer = (lives[0] as Process).instance;
  const extra = { ...(reconnect > 0 && { reconnect }), peer };
  const bytes = requestBytes(step, span.draws, fields.repetition as number) ?? undefined;
  const body = bytes !== undefined && { bytes };
  const ms = (at: number) => ({ durationMs: round(at - begunAt) });
  let answer: Answer | undefined;
  function* ended(at: number, kind: ErrorKind): Underway {
    const calledOff = yield at;
    answer?.close?.(calledOff ?? Math.min(at, span.process.diesAt));
    const [end, how] = calledOff === undefined ? ([at, kind] as const) : ([calledOff, 'CANCELLED'] as const);
    return fail(attempt, end, how, { ...extra, ...ms(end) });
  }
  const sent = world.emit(span, sentAt, { event: 'REQUEST_SENT', ...fields, ...extra, ...body });
  if (sent === undefined) return { at: span.process.diesAt, kind: 'RESET' };
  const process = aliveAt(lives, sentAt);
  if (!process || world.chance(failures.connect)) {
    const failedAt = sentAt + 0.2;
    return yield* failedAt >= endsAt ? ended(endsAt, endsWith) : ended(failedAt, 'CONNECT');
  }
  if (world.chance(failures.lost)) return yield* ended(endsAt, endsWith);
  const resetAt = world.chance(failures.reset) ? sentAt + 0.5 + 5 * world.random.next() : Number.POSITIVE_INFINITY;
  const arrivesAt = sentAt + world.network(span.process.instance, peer);
  if (arrivesAt >= endsAt) return yield* ended(endsAt, endsWith);
  answer = world.receive(step.kind, {
    at: arrivesAt,
    traceId: span.fields.traceId as string,
    keyText: span.fields.key ?? (span.fields.traceId as string),
    parentRequestId: span.truth.requestId,
    service: step.service,
    endpoint: step.endpoint,
    place: attempt.place,
    via: 'mesh',
    from: sent,
    process,
    peer: span.process.instance,
    bytes,
    deadlineMs: time.leftMs,
    refusal: refusal(world),
    siblings: span.truth.children,
  });
  const answeredAt = answer.at + world.network(peer, span.process.instance);
  if (Math.min(answeredAt, resetAt) >= endsAt) return yield* ended(endsAt, endsWith);
  if (resetAt <= answeredAt) return yield* ended(resetAt, 'RESET');
  const { status, requestId } = answer;
  if (status === undefined) return yield* ended(answeredAt, 'RESET');
  if (world.chance(failures.body)) return yield* ended(answeredAt, 'BODY');
  const calledOff = yield answeredAt;
  answer.close?.(calledOff ?? Math.min(endsAt, span.process.diesAt));
  if (calledOff !== undefined) return fail(attempt, calledOff, 'CANCELLED', { ...extra, ...ms(calledOff) });
  const answered = { status, ...ms(answeredAt), ...(answer.bytes !== undefined && { bytes: answer.bytes }) };
  const seen = { ...extra, ...answered, ...(requestId && { peerRequestId: requestId }) };
  world.emit(span, answeredAt, { event: 'RESPONSE_RECEIVED', ...fields, ...seen }, answer.from);
  return { at: answeredAt + 0.01, status };
}

/** The instance whose turn it is; a hedge goes to another one than the first attempt. */
function choose({ step, side, isHedge, world }: Attempt, reconnect: number): Lives {
  let lives = world.fleet.next(step.service);
  if (isHedge && reconnect === 0 && lives[0]?.instance === side?.first) lives = world.fleet.next(step.service);
  if (side && !isHedge) side.first = (lives[0] as Process).instance;
  return lives;
}

function fail({ step, span, fields, world }: Attempt, at: number, kind: ErrorKind, more: Partial<Event> = {}) {
  const error = { kind, message: `${kind} at ${step.service}` };
  world.emit(span, at, { event: 'ERROR', ...fields, ...more, error });
  return { at: at + 0.01, kind };
}

/** How an instance may refuse a request by chance. */
export function refusal({ failures, chance }: World): Failure | undefined {
  if (chance(failures.overload)) return { status: 503, error: { kind: 'OVERLOAD', message: 'too many requests' } };
  if (chance(failures.internal)) return { status: 500, error: { kind: 'INTERNAL', message: 'internal error' } };
  return undefined;
}
