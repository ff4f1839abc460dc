import { LIMITS } from '../../lib/model/contract';
import { concretePath } from '../../lib/model/decisions';
import { formatHash, type Hash } from '../../lib/model/draw';
import type { ErrorKind } from '../../lib/model/event';
import { quote } from '../../lib/model/event-line';
import { type CallFate, type CallTime, UNTOUCHED } from '../faults/call-fate';
import { sendAndReset } from '../faults/reset';
import { leftMs } from '../span';
import {
  type Attempt,
  attemptFields,
  type Call,
  type FailedAttempt,
  failedAttempt,
  notStarted,
  placeOf,
} from './attempt';
import { judgeAnswer } from './attempt-answer';
import { attemptBody, attemptHeaders } from './attempt-message';
import { CALLED_OFF } from './client-answer';
import { inTime } from './in-time';
import { CallError, type Instance, type OutgoingRequest } from './outgoing';

/** One of two attempts that are under way side by side. */
export interface Side {
  readonly signal: AbortSignal;
  /** Where it goes; else discovery chooses. */
  readonly instance?: Instance;
  chosen?(instance: Instance): void;
}

/** Connections tried after the first one in the same attempt. */
const MAX_RECONNECTS = 3;

const NONE: ReadonlySet<string> = new Set();

/** One attempt on the wire: to one instance, or to the next ones while nothing was sent because no connection came about. */
export async function makeAttempt(call: Call, attempt: number, side?: Side): Promise<Attempt> {
  const { instruction, span, caller, repetition } = call;
  const { step } = instruction;
  const { log, discovery } = caller;
  const placeHash = placeOf(call, attempt);
  const place = formatHash(placeHash);
  const path = concretePath(step, span.draws, repetition);
  const body = attemptBody(call);
  let fate = UNTOUCHED;
  if (instruction.faults.length > 0 || span.rules) {
    const faced = await faceFaults(call, placeHash, attemptFields(call, attempt, place), side?.signal);
    if ('ok' in faced) return faced;
    fate = faced;
  }

  let avoid = NONE;
  let last: Attempt | undefined;
  for (let reconnect = 0; reconnect <= MAX_RECONNECTS; reconnect++) {
    const fields = attemptFields(call, attempt, place, reconnect);
    const chosen = (reconnect === 0 && side?.instance) || discovery.choose(step.service, avoid);
    const instance = chosen instanceof Promise ? await inTime(chosen, leftMs(span), side?.signal) : chosen;
    const left = Math.floor(leftMs(span));
    if (side?.signal.aborted) return last ?? notStarted(call, fields, 'CANCELLED', CALLED_OFF);
    if (left < 1) return last ?? notStarted(call, fields, 'DEADLINE', 'no time is left');
    if (!instance) return last ?? notStarted(call, fields, 'NO_INSTANCE', `no instance of ${step.service}`);
    side?.chosen?.(instance);

    const peer = `${fields},"peer":${quote(instance.name)}`;
    const bytes = body === null ? '' : `,"bytes":${body.length}`;
    const sending = log.read();
    const stamp = log.event(span.log, 'REQUEST_SENT', peer + bytes, undefined, sending);
    const timeoutMs = step.timeoutMs === null ? null : step.timeoutMs - fate.delayMs;
    const cutByDeadline = timeoutMs === null || left <= timeoutMs;
    try {
      const request: OutgoingRequest = {
        instance,
        method: step.method,
        path,
        headers: attemptHeaders(call, stamp, place, left, body),
        body,
        timeoutMs: cutByDeadline ? left : timeoutMs,
        maxAnswerBytes: LIMITS.answerBytes,
        signal: side?.signal,
      };
      const answer = await (fate.reset ? sendAndReset(request) : caller.client.request(request));
      discovery.succeeded(instance);
      return judgeAnswer(answer, call, peer, sending.at);
    } catch (error) {
      const { kind, message } = reason(error, cutByDeadline);
      last = failedAttempt(call, peer, kind, message, sending.at);
      if (kind === 'CONNECT' || kind === 'RESET') discovery.failed(instance);
      if (kind !== 'CONNECT') return last;
      avoid = new Set([...avoid, instance.name]);
    }
  }
  return last as Attempt;
}

/** What the attempt's faults leave of it, where they leave anything. */
async function faceFaults(
  call: Call,
  place: Hash,
  fields: string,
  signal: AbortSignal | undefined,
): Promise<CallFate | FailedAttempt> {
  const { instruction, span, caller } = call;
  const { timeoutMs } = instruction.step;
  const startedAt = performance.now();
  const left = leftMs(span);
  const time: CallTime =
    timeoutMs !== null && timeoutMs < left
      ? { leftMs: timeoutMs, endsWith: 'TIMEOUT', signal }
      : { leftMs: left, endsWith: 'DEADLINE', signal };
  const draws = { ...span.draws, place };
  const fate = await caller.faults.onCall({ instruction, span, draws, fields, time });
  if (!fate.failure) return fate;
  const { kind, message, status } = fate.failure;
  const answered = status === undefined ? '' : `,"status":${status}`;
  return { ...failedAttempt(call, fields + answered, kind, message, startedAt), status };
}

function reason(error: unknown, cutByDeadline: boolean): { readonly kind: ErrorKind; readonly message: string } {
  if (!(error instanceof CallError)) return { kind: 'INTERNAL', message: (error as Error).message };
  if (error.kind === 'TIMEOUT' && cutByDeadline) return { kind: 'DEADLINE', message: 'the deadline passed' };
  return { kind: error.kind, message: error.message };
}
