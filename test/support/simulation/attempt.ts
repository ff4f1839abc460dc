import { childPlace, formatHash, type Hash, hashText } from '../../../lib/model/draw';
import type { ErrorKind, Event } from '../../../lib/model/event';
import { rulesOfCall } from '../../../lib/model/faced-faults';
import type { CallStep, SendStep } from '../../../lib/model/topology';
import type { Process } from '../simulated-log';
import { aliveAt } from './fleet';
import { faced } from './strike';
import { type Answer, type AttemptOutcome, type Failure, round, type Span, type World } from './world';

type Outgoing = CallStep | SendStep;

/** Which attempt of which repetition. */
export interface AttemptNumber {
  readonly repetition: number;
  readonly attempt: number;
}

/** What an attempt is made with. */
interface Attempt {
  readonly step: Outgoing;
  readonly span: Span;
  readonly place: Hash;
  readonly fields: Partial<Event>;
  /** When it began, before its faults. */
  readonly startAt: number;
  readonly world: World;
}

/** The fields that all events of an attempt share. */
export function attemptFields(step: Outgoing, span: Span, { repetition, attempt }: AttemptNumber): Partial<Event> {
  const place = childPlace(span.draws.place, hashText(step.id), repetition, attempt);
  const callee = `${step.service} ${step.endpoint}`;
  return { callPlace: formatHash(place), step: step.id, repetition, attempt, callee };
}

export function attemptCall(
  step: Outgoing,
  span: Span,
  startAt: number,
  number: AttemptNumber,
  world: World,
): AttemptOutcome {
  const place = childPlace(span.draws.place, hashText(step.id), number.repetition, number.attempt);
  const attempt = { step, span, place, fields: attemptFields(step, span, number), startAt, world };
  const held = faceFaults(attempt);
  return 'kind' in held ? held : connect(attempt, held.at);
}

/** What the attempt's faults leave of it: when it goes on, or how they ended it. */
function faceFaults(attempt: Attempt): AttemptOutcome | { readonly at: number } {
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
    if (at >= limit) return fail(attempt, limit, limit === span.deadlineAt ? 'DEADLINE' : 'TIMEOUT');
  }
  return { at };
}

/** Tries instance after instance while none can be reached. */
function connect(attempt: Attempt, begunAt: number): AttemptOutcome {
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
    const outcome = exchange(attempt, time, sentAt, reconnect);
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

/** One connection to the instance whose turn it is. */
function exchange(attempt: Attempt, time: AttemptTime, sentAt: number, reconnect: number): AttemptOutcome {
  const { step, span, fields, world } = attempt;
  const { begunAt, endsAt, endsWith } = time;
  const { failures } = world;
  const lives = world.fleet.next(step.service);
  const peer = (lives[0] as Process).instance;
  const extra = { ...(reconnect > 0 && { reconnect }), peer };
  const ms = (at: number) => ({ durationMs: round(at - begunAt) });
  const ended = (at: number, kind: ErrorKind) => fail(attempt, at, kind, { ...extra, ...ms(at) });
  const sent = world.emit(span, sentAt, { event: 'REQUEST_SENT', ...fields, ...extra });
  if (sent === undefined) return { at: span.process.diesAt, kind: 'RESET' };
  const process = aliveAt(lives, sentAt);
  if (!process || world.chance(failures.connect)) {
    const failedAt = sentAt + 0.2;
    return failedAt >= endsAt ? ended(endsAt, endsWith) : ended(failedAt, 'CONNECT');
  }
  if (world.chance(failures.lost)) return ended(endsAt, endsWith);
  const resetAt = world.chance(failures.reset) ? sentAt + 0.5 + 5 * world.random.next() : Number.POSITIVE_INFINITY;
  const arrivesAt = sentAt + world.network(span.process.instance, peer);
  if (arrivesAt >= endsAt) return ended(endsAt, endsWith);
  const answer: Answer = world.receive(step.kind, {
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
    deadlineMs: time.leftMs,
    goneAt: Math.min(endsAt, resetAt, span.process.diesAt),
    refusal: refusal(world),
    siblings: span.truth.children,
  });
  const answeredAt = answer.at + world.network(peer, span.process.instance);
  if (Math.min(answeredAt, resetAt) >= endsAt) return ended(endsAt, endsWith);
  if (resetAt <= answeredAt) return ended(resetAt, 'RESET');
  if (answer.status === undefined) return ended(answeredAt, 'RESET');
  if (world.chance(failures.body)) return ended(answeredAt, 'BODY');
  const { status, requestId } = answer;
  const seen = { ...extra, status, ...ms(answeredAt), ...(requestId && { peerRequestId: requestId }) };
  world.emit(span, answeredAt, { event: 'RESPONSE_RECEIVED', ...fields, ...seen }, answer.from);
  return { at: answeredAt + 0.01, status };
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
