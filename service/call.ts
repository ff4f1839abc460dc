import { HEADERS, LIMITS, RESPOND_ASYNC } from '../lib/model/contract';
import { backoffMs, concretePath, endsCall, mayRetry, requestBytes } from '../lib/model/decisions';
import { childPlace, formatHash, type Hash } from '../lib/model/draw';
import type { ErrorKind } from '../lib/model/event';
import type { Hedge } from '../lib/model/resilience';
import { formatTraceparent } from '../lib/model/trace-context';
import { CALLED_OFF } from './client-answer';
import { decisionField, errorField, quote, roundMs } from './event-line';
import type { EventLog } from './event-log';
import type { CallFate, CallTime } from './faults/call-fate';
import type { FaultEngine } from './faults/engine';
import { sendAndReset } from './faults/reset';
import { failedResponse, NOTHING, type Outcome } from './outcome';
import {
  CallError,
  type Discovery,
  type HttpClient,
  type IncomingAnswer,
  type Instance,
  type OutgoingRequest,
} from './outgoing';
import type { OutgoingInstruction } from './program';
import { guardedAttempt, mayHedge } from './resilience/guarded-attempt';
import { type Hedged, hedged } from './resilience/hedge';
import type { RetryBudget } from './resilience/retry-budget';
import type { CallGuards } from './resilience/states';
import { leftMs, type Span } from './span';

/** What a node calls with. */
export interface Caller {
  readonly log: EventLog;
  readonly instance: string;
  readonly discovery: Discovery;
  readonly client: HttpClient;
  readonly faults: FaultEngine;
}

/** The promise's value, or undefined once the time has passed or the signal came: a look-up may take longer than the request has. */
function inTime<T>(promise: Promise<T>, ms: number, signal?: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, Math.max(0, Math.ceil(ms)), undefined);
    signal?.addEventListener('abort', () => resolve(undefined), { once: true });
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** How an attempt ended: with the text of a usable answer, or without. */
export type Attempt = { readonly ok: true; readonly text: string } | FailedAttempt;

export interface FailedAttempt {
  readonly ok: false;
  readonly kind: ErrorKind;
  readonly message: string;
  readonly status: number | undefined;
  /** It ended before anything could be sent. */
  readonly unsent?: true;
}

/** Connections tried after the first one in the same attempt. */
const MAX_RECONNECTS = 3;

const NONE: ReadonlySet<string> = new Set();

/** One repetition of a call or send: its attempts, until one succeeds or no further one may be made. */
export async function callOnce(
  instruction: OutgoingInstruction,
  span: Span,
  caller: Caller,
  repetition: number,
): Promise<Outcome> {
  const { step, kind, guards } = instruction;
  guards?.budget?.called(performance.now());
  /** A hedge has a number among the attempts, and is no try of its own. */
  let hedges = 0;
  for (let attempt = 1; ; attempt++) {
    let result: Attempt;
    if (!guards) result = await makeAttempt(instruction, span, caller, repetition, attempt);
    else if (guards.hedge && attempt === 1) {
      const pair = await withHedge(guards, guards.hedge, instruction, span, caller, repetition);
      result = pair.result;
      if (pair.hedged) hedges = 1;
      attempt += hedges;
    } else result = await guarded(guards, instruction, span, caller, repetition, attempt);
    const tries = attempt - hedges;
    if (result.ok) return kind === 'send' ? NOTHING : { responses: result.text, failure: undefined };
    if (
      endsCall(result.kind) ||
      !mayRetry(step, tries, result.status) ||
      (guards?.budget && !mayAdd(guards.budget, instruction, span, caller, repetition, attempt))
    ) {
      if (guards?.fallback === undefined || result.kind === 'DEADLINE') return failed(instruction, result);
      return fallBack(guards.fallback, instruction, span, caller, repetition, attempt);
    }
    const wait = backoffMs(step, span.draws, repetition, tries);
    // Waiting only to find the deadline passed helps nobody: the attempt then says at once that it can't start.
    if (wait < leftMs(span)) await new Promise((resolve) => setTimeout(resolve, wait));
    else {
      const fields = fieldsOf(instruction, span, repetition, attempt + 1);
      return failed(instruction, notStarted(span, caller, fields, 'DEADLINE', 'no time is left for another attempt'));
    }
  }
}

/** One of two attempts that are under way side by side. */
interface Side {
  readonly signal: AbortSignal;
  /** Where it goes; else discovery chooses. */
  readonly instance?: Instance;
  chosen?(instance: Instance): void;
}

/** The first attempt, and a hedge where it takes too long and another instance is known. */
function withHedge(
  guards: CallGuards,
  { afterMs }: Hedge,
  instruction: OutgoingInstruction,
  span: Span,
  caller: Caller,
  repetition: number,
): Promise<Hedged> {
  let used = NONE;
  const chosen = (instance: Instance): void => {
    used = new Set([instance.name]);
  };
  const second = async (signal: AbortSignal): Promise<Attempt | undefined> => {
    const other = Promise.resolve(caller.discovery.choose(instruction.step.service, used));
    const instance = await inTime(other, leftMs(span), signal);
    if (!instance || signal.aborted || leftMs(span) < 1 || !mayHedge(guards)) return undefined;
    if (guards.budget && !guards.budget.withdraw(performance.now())) return undefined;
    caller.log.event(span.log, 'HEDGE_SENT', fieldsOf(instruction, span, repetition, 2) + decisionField({ afterMs }));
    return guarded(guards, instruction, span, caller, repetition, 2, { signal, instance });
  };
  const first = (signal: AbortSignal) => guarded(guards, instruction, span, caller, repetition, 1, { signal, chosen });
  return hedged(afterMs, first, second);
}

function guarded(
  guards: CallGuards,
  instruction: OutgoingInstruction,
  span: Span,
  caller: Caller,
  repetition: number,
  attempt: number,
  side?: Side,
): Promise<Attempt> {
  const fields = (): string => fieldsOf(instruction, span, repetition, attempt);
  return guardedAttempt(guards, {
    service: instruction.step.service,
    leftMs: () => leftMs(span),
    make: () => makeAttempt(instruction, span, caller, repetition, attempt, side),
    reject: (kind, message) => notStarted(span, caller, fields(), kind, message),
    log: (event, more) => void caller.log.event(span.log, event, fields() + more),
  });
}

/** Whether the budget leaves another attempt; logs that it does not, with the attempt that is not repeated. */
function mayAdd(
  budget: RetryBudget,
  instruction: OutgoingInstruction,
  span: Span,
  caller: Caller,
  repetition: number,
  attempt: number,
): boolean {
  const now = performance.now();
  if (budget.withdraw(now)) return true;
  const decision = decisionField({ callee: instruction.step.service, ...budget.counts(now) });
  caller.log.event(span.log, 'RETRY_BUDGET_EXHAUSTED', fieldsOf(instruction, span, repetition, attempt) + decision);
  return false;
}

function fallBack(
  responses: string,
  instruction: OutgoingInstruction,
  span: Span,
  caller: Caller,
  repetition: number,
  attempt: number,
): Outcome {
  const decision = decisionField({ bytes: Buffer.byteLength(responses) });
  caller.log.event(span.log, 'FALLBACK_USED', fieldsOf(instruction, span, repetition, attempt) + decision);
  return { responses, failure: undefined };
}

async function makeAttempt(
  instruction: OutgoingInstruction,
  span: Span,
  caller: Caller,
  repetition: number,
  attempt: number,
  side?: Side,
): Promise<Attempt> {
  const { step } = instruction;
  const { log, discovery } = caller;
  const placeHash = childPlace(span.draws.place, instruction.idHash, repetition, attempt);
  const place = formatHash(placeHash);
  const path = concretePath(step, span.draws, repetition);
  const body = instruction.message?.body ?? requestBody(requestBytes(step, span.draws, repetition));
  let avoid = NONE;
  let last: Attempt | undefined;
  let delayedMs = 0;
  let reset = false;
  if (instruction.faults.length > 0 || span.rules) {
    const fields = attemptFields(instruction, place, repetition, attempt, 0);
    const fate = await faceFaults(instruction, span, caller, placeHash, fields, side?.signal);
    if ('ok' in fate) return fate;
    delayedMs = fate.delayMs;
    reset = fate.reset;
  }

  for (let reconnect = 0; reconnect <= MAX_RECONNECTS; reconnect++) {
    const fields = attemptFields(instruction, place, repetition, attempt, reconnect);
    const chosen = (reconnect === 0 && side?.instance) || discovery.choose(step.service, avoid);
    const instance = chosen instanceof Promise ? await inTime(chosen, leftMs(span), side?.signal) : chosen;
    const left = Math.floor(leftMs(span));
    if (side?.signal.aborted) return last ?? notStarted(span, caller, fields, 'CANCELLED', CALLED_OFF);
    if (left < 1) return last ?? notStarted(span, caller, fields, 'DEADLINE', 'no time is left');
    if (!instance) return last ?? notStarted(span, caller, fields, 'NO_INSTANCE', `no instance of ${step.service}`);
    side?.chosen?.(instance);

    const peer = `${fields},"peer":${quote(instance.name)}`;
    const bytes = body === null ? '' : `,"bytes":${body.length}`;
    const sending = log.read();
    const startedAt = sending.at;
    const stamp = log.event(span.log, 'REQUEST_SENT', peer + bytes, undefined, sending);
    const timeoutMs = step.timeoutMs === null ? null : step.timeoutMs - delayedMs;
    const cutByDeadline = timeoutMs === null || left <= timeoutMs;
    try {
      const request: OutgoingRequest = {
        instance,
        method: step.method,
        path,
        headers: requestHeaders(instruction, span, caller, stamp, place, left, body),
        body,
        timeoutMs: cutByDeadline ? left : timeoutMs,
        maxAnswerBytes: LIMITS.answerBytes,
        signal: side?.signal,
      };
      const answer = await (reset ? sendAndReset(request) : caller.client.request(request));
      discovery.succeeded(instance);
      return judge(answer, instruction, span, caller, peer, startedAt);
    } catch (error) {
      const { kind, message } = reason(error, cutByDeadline);
      logFailure(span, caller, peer, kind, message, startedAt);
      if (kind === 'CONNECT' || kind === 'RESET') discovery.failed(instance);
      last = { ok: false, kind, message, status: undefined };
      if (kind !== 'CONNECT') return last;
      avoid = tried(avoid, instance);
    }
  }
  return last as Attempt;
}

/** What the attempt's faults leave of it, where they leave anything. */
async function faceFaults(
  instruction: OutgoingInstruction,
  span: Span,
  caller: Caller,
  place: Hash,
  fields: string,
  signal: AbortSignal | undefined,
): Promise<CallFate | FailedAttempt> {
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
  logFailure(span, caller, fields + answered, kind, message, startedAt);
  return { ok: false, kind, message, status };
}

function reason(error: unknown, cutByDeadline: boolean): { readonly kind: ErrorKind; readonly message: string } {
  if (!(error instanceof CallError)) return { kind: 'INTERNAL', message: (error as Error).message };
  if (error.kind === 'TIMEOUT' && cutByDeadline) return { kind: 'DEADLINE', message: 'the deadline passed' };
  return { kind: error.kind, message: error.message };
}

/** Logs what came back and says whether it can be used. */
function judge(
  answer: IncomingAnswer,
  instruction: OutgoingInstruction,
  span: Span,
  caller: Caller,
  peer: string,
  startedAt: number,
): Attempt {
  const { status, headers, body } = answer;
  const hlc = caller.log.clock.receive(headers[HEADERS.clock]);
  const text = status < 400 && instruction.kind === 'call' ? jsonText(body) : '';
  if (text === undefined) {
    const message = 'the answer is not JSON';
    logFailure(span, caller, peer, 'BODY', message, startedAt, hlc);
    return { ok: false, kind: 'BODY', message, status: undefined };
  }
  const peerRequestId = headers[HEADERS.requestId];
  const from = peerRequestId && REQUEST_ID.test(peerRequestId) ? `,"peerRequestId":"${peerRequestId}"` : '';
  const receipt = caller.log.read();
  const duration = roundMs(receipt.at - startedAt);
  const fields = `${peer}${from},"status":${status},"durationMs":${duration},"bytes":${body.length}`;
  caller.log.event(span.log, 'RESPONSE_RECEIVED', fields, hlc, receipt);
  if (status >= 400) return { ok: false, kind: 'STEP_FAILED', message: `answered ${status}`, status };
  return { ok: true, text };
}

const REQUEST_ID = /^[0-9a-f]{16}$/;

function failed({ step, kind: stepKind }: OutgoingInstruction, { kind, message }: FailedAttempt): Outcome {
  const responses = stepKind === 'send' ? '' : failedResponse(step.service, kind, message);
  return {
    responses,
    // An optional call is tolerated; that no time is left for the request itself is not.
    failure:
      step.optional && kind !== 'DEADLINE' ? undefined : { kind, step: step.id, message: `${step.id}: ${message}` },
  };
}

function notStarted(span: Span, caller: Caller, fields: string, kind: ErrorKind, message: string): FailedAttempt {
  caller.log.event(span.log, 'ERROR', fields + errorField({ kind, message }));
  return { ok: false, kind, message, status: undefined, unsent: true };
}

function logFailure(
  span: Span,
  caller: Caller,
  peer: string,
  kind: ErrorKind,
  message: string,
  startedAt: number,
  hlc?: string,
): void {
  const reading = caller.log.read();
  const duration = roundMs(reading.at - startedAt);
  const fields = `${peer},"durationMs":${duration}${errorField({ kind, message })}`;
  caller.log.event(span.log, 'ERROR', fields, hlc, reading);
}

/** The fields of an attempt's events, before any connection of it. */
function fieldsOf(instruction: OutgoingInstruction, span: Span, repetition: number, attempt: number): string {
  const place = formatHash(childPlace(span.draws.place, instruction.idHash, repetition, attempt));
  return attemptFields(instruction, place, repetition, attempt, 0);
}

function attemptFields(
  { stepField, calleeField }: OutgoingInstruction,
  place: string,
  repetition: number,
  attempt: number,
  reconnect: number,
): string {
  const again = reconnect === 0 ? '' : `,"reconnect":${reconnect}`;
  return `,"callPlace":"${place}"${stepField},"repetition":${repetition},"attempt":${attempt}${again}${calleeField}`;
}

function requestHeaders(
  { kind, message }: OutgoingInstruction,
  span: Span,
  caller: Caller,
  clock: string,
  place: string,
  left: number,
  body: Buffer | null,
): Record<string, string> {
  const headers: Record<string, string> = {
    [HEADERS.traceparent]: formatTraceparent(span.traceId, span.requestId, span.flags),
    [HEADERS.clock]: clock,
    [HEADERS.place]: place,
    [HEADERS.deadline]: `${left}`,
    [HEADERS.epoch]: `${span.program.slice.epoch}`,
    [HEADERS.caller]: caller.instance,
  };
  if (span.baggage !== '') headers[HEADERS.baggage] = span.baggage;
  if (span.tracestate !== '') headers[HEADERS.tracestate] = span.tracestate;
  if (kind === 'send') headers[HEADERS.prefer] = RESPOND_ASYNC;
  if (body !== null) headers['content-type'] = 'text/plain';
  if (message) Object.assign(headers, message.headers);
  return headers;
}

/** The answer as text, or undefined where it is not JSON: what is spliced into an answer must not break it. */
function jsonText(body: Buffer): string | undefined {
  const text = body.toString('utf8');
  try {
    JSON.parse(text);
    return text;
  } catch {
    return undefined;
  }
}

let filler = Buffer.alloc(0);

/** A body of so many bytes, cut from one that all requests share. */
function requestBody(bytes: number | null): Buffer | null {
  if (bytes === null) return null;
  if (filler.length < bytes) filler = Buffer.alloc(Math.max(bytes, 2 * filler.length), 'x');
  return filler.subarray(0, bytes);
}

function tried(avoid: ReadonlySet<string>, { name }: Instance): ReadonlySet<string> {
  return new Set([...avoid, name]);
}
