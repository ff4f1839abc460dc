import { childPlace, formatHash, type Hash } from '../../lib/model/draw';
import type { ErrorKind } from '../../lib/model/event';
import { errorField, roundMs } from '../../lib/model/event-line';
import type { FaultEngine } from '../faults/engine';
import type { EventLog } from '../log/event-log';
import type { OutgoingInstruction } from '../program';
import type { Span } from '../span';
import type { Discovery, HttpClient } from './outgoing';

/** What a node calls with. */
export interface Caller {
  readonly log: EventLog;
  readonly instance: string;
  readonly discovery: Discovery;
  readonly client: HttpClient;
  readonly faults: FaultEngine;
}

/** One repetition of a call or send in a request: what its attempts share. */
export interface Call {
  readonly instruction: OutgoingInstruction;
  readonly span: Span;
  readonly caller: Caller;
  readonly repetition: number;
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

/** Place of the request that an attempt sends. */
export function placeOf({ instruction, span, repetition }: Call, attempt: number): Hash {
  return childPlace(span.draws.place, instruction.idHash, repetition, attempt);
}

/** The fields that all events of an attempt have. */
export function attemptFields(
  { instruction: { stepField, calleeField }, repetition }: Call,
  attempt: number,
  place: string,
  reconnect = 0,
): string {
  const again = reconnect === 0 ? '' : `,"reconnect":${reconnect}`;
  return `,"callPlace":"${place}"${stepField},"repetition":${repetition},"attempt":${attempt}${again}${calleeField}`;
}

/** The same for an attempt that is not being made. */
export function fieldsOf(call: Call, attempt: number): string {
  return attemptFields(call, attempt, formatHash(placeOf(call, attempt)));
}

/** Logs that an attempt can't start, and ends it. */
export function notStarted({ span, caller }: Call, fields: string, kind: ErrorKind, message: string): FailedAttempt {
  caller.log.event(span.log, 'ERROR', fields + errorField({ kind, message }));
  return { ok: false, kind, message, status: undefined, unsent: true };
}

/** Logs that an attempt has no usable answer, and ends it. */
export function failedAttempt(
  { span, caller }: Call,
  fields: string,
  kind: ErrorKind,
  message: string,
  startedAt: number,
  hlc?: string,
): FailedAttempt {
  const reading = caller.log.read();
  const duration = `,"durationMs":${roundMs(reading.at - startedAt)}`;
  caller.log.event(span.log, 'ERROR', fields + duration + errorField({ kind, message }), hlc, reading);
  return { ok: false, kind, message, status: undefined };
}
