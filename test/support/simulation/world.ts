import type { DrawContext, Hash } from '../../../lib/model/draw';
import type { ErrorKind, Event, EventError } from '../../../lib/model/event';
import type { Endpoint, Topology } from '../../../lib/model/topology';
import type { Random } from '../random';
import type { Process, RawEvent } from '../simulated-log';
import type { Breakers } from './breakers';
import type { Fleet } from './fleet';
import type { Failures } from './options';
import type { TrueSpan } from './truth';

/** What all parts of one simulation share. */
export interface World {
  readonly topology: Topology;
  readonly run: string;
  readonly seed: Hash;
  readonly random: Random;
  readonly failures: Failures;
  readonly fleet: Fleet;
  readonly breakers: Breakers | undefined;
  /** One way, in milliseconds. */
  network(from: string, to: string): number;
  chance(probability?: number): boolean;
  /** Logs an event of a request; undefined where its process is dead by then. */
  emit(span: Span, at: number, fields: Partial<Event>, from?: RawEvent): RawEvent | undefined;
  /** Logs an event of whatever process. */
  put(raw: RawEvent): void;
  /** Has an instance handle a request of a call or a `send`, and everything below it. */
  receive(kind: 'call' | 'send', incoming: Incoming): Answer;
}

/** A request under way. */
export interface Span {
  readonly process: Process;
  readonly truth: TrueSpan;
  readonly fields: Partial<Event>;
  readonly draws: DrawContext;
  readonly endpoint: Endpoint;
  readonly deadlineAt: number;
  /** How many it has logged. */
  events: number;
}

/** How a step, or a list of them, ended. */
export interface Ended {
  readonly at: number;
  readonly failure?: Failure;
}

export interface Failure {
  readonly status: number;
  readonly error: EventError;
}

/** How an attempt ended: with a status, or of which kind its failure was. */
export interface AttemptOutcome {
  readonly at: number;
  readonly status?: number;
  readonly kind?: ErrorKind;
}

/** What the caller of a request sees: no `status` where no answer comes. */
export interface Answer {
  readonly at: number;
  readonly status?: number;
  readonly bytes?: number;
  readonly requestId?: string;
  readonly from?: RawEvent | undefined;
  /**
   * Logs how the answer left, or that nobody waited for it.
   *
   * @param goneAt when the caller stopped listening
   */
  close?(goneAt: number): void;
}

export interface Incoming {
  readonly at: number;
  readonly traceId: string;
  readonly keyText: string;
  readonly parentRequestId: string;
  readonly service: string;
  readonly endpoint: string;
  readonly place: Hash;
  readonly via: 'edge' | 'mesh' | 'queue';
  readonly from: RawEvent | undefined;
  readonly process: Process;
  readonly peer?: string | undefined;
  /** Of the request's body, where it has one. */
  readonly bytes?: number | undefined;
  readonly deadlineMs: number;
  readonly refusal?: Failure | undefined;
  readonly siblings: TrueSpan[];
}

/** Whole microseconds, as a node writes them. */
export function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
