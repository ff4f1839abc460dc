import type { DrawContext } from '../lib/model/draw';
import type { FaultRule } from '../lib/model/fault';
import type { LoggedItinerary } from '../lib/model/itinerary-steps';
import type { SpanLog } from './log/event-log';
import type { Program, Route } from './program';
import type { FaultyAnswer } from './request/answer';
import type { Outcome } from './steps/outcome';

/**
 * A request being handled: one span of its trace. It keeps the program that it began with, so that a change of the
 * topology never splits a request.
 */
export interface Span {
  readonly log: SpanLog;
  readonly program: Program;
  readonly route: Route;
  readonly traceId: string;
  readonly requestId: string;
  /** Trace flags, two hexadecimal digits. */
  readonly flags: string;
  /** As handed on; empty where there is none. */
  readonly tracestate: string;
  readonly baggage: string;
  readonly draws: DrawContext;
  readonly placeText: string;
  /** Key of its draws as text; undefined where it is the trace id. */
  readonly key: string | undefined;
  /** By the monotonic clock (`performance.now`), in milliseconds. */
  readonly startedAt: number;
  readonly deadlineAt: number;
  /** Which request of its endpoint it is in this process, from 1. */
  readonly ordinal: number;
  /** The work of a `send`: no connection waits for its answer. */
  readonly queued: boolean;
  /** Faults that the request's own flow brings along. */
  readonly rules: readonly FaultRule[] | undefined;
  /** What the request itself asks for in the place of its endpoint's steps. */
  readonly errand?: Errand | undefined;
  /** What faults make of its answer. */
  faulty: FaultyAnswer | undefined;
}

/** What a request itself says is to be done, in the place of an endpoint's steps. */
export interface Errand {
  /** What its receipt says of it. */
  readonly logged: LoggedItinerary;
  run(span: Span): Promise<Outcome>;
  /** Body of the answer. */
  answer(error: { readonly message: string } | undefined): string;
}

/** Milliseconds until the deadline; 0 or below once it has passed. */
export function leftMs(span: Span): number {
  return span.deadlineAt - performance.now();
}
