import type { DrawContext } from '../../../model/draw';
import type { Event } from '../../../model/event';
import type { FaultRule } from '../../../model/fault';
import type { CallStep, Endpoint, SendStep, Step } from '../../../model/topology';
import type { Findings } from '../departure';
import type { Report } from '../span/span-report';
import type { CallRecord, SpanRecord } from '../span-record';
import type { FaultEnd } from './check-faults';

/** What a walk of one request's steps needs to know. */
export interface StepsContext {
  readonly span: SpanRecord;
  readonly endpoint: Endpoint;
  /** Whose steps they are: faults among an itinerary's steps are its own. */
  readonly source: 'topology' | 'itinerary';
  /** Of its service, then those that the flow brought. */
  readonly rules: readonly FaultRule[];
  /** Whether the flow brought no others. */
  readonly overlayKnown: boolean;
  /** The span's times are not those by which the node judged when rules begin and end. */
  readonly clockMoved: boolean;
  readonly draws: DrawContext;
  /** Time may have run out: what was not begun may be missing. */
  readonly outOfTime: boolean;
  /** Part of the span's log is lost, or the span was cut short: what is missing proves nothing. */
  readonly uncertain: boolean;
  readonly findings: Findings;
  readonly report: Report;
}

/** A walk under way: what of the log it has come to. What is left at its end should not be there. */
export interface Walk extends StepsContext {
  readonly calls: Set<CallRecord>;
  readonly faults: Set<Event>;
}

/** How a step ended, given what was logged of it. */
export interface Ended {
  /** `failed`: a required step failed. `fault`: a fault raised on purpose ended it. `deadline`: the deadline did. `unknown`: the log does not say. */
  readonly how: 'well' | 'failed' | 'fault' | 'deadline' | 'unknown';
  /** With `fault`: how it ended the request. */
  readonly end?: FaultEnd | undefined;
  /** Sequence numbers of its first and last event; null where it logged none. */
  readonly seqs: readonly [first: number, last: number] | null;
  /** What it took at the least, as its draws say. */
  readonly minimumMs: number;
}

export type OutgoingStep = CallStep | SendStep;

export const WELL: Ended = { how: 'well', seqs: null, minimumMs: 0 };

/**
 * A timer counts whole milliseconds and may fire almost one early, and a latency is rounded to them: so much less than
 * drawn may a wait last.
 */
const TIMER_SLACK_MS = 2;

/** What a wait takes at the least. */
export function leastMs(drawnMs: number): number {
  return Math.max(0, drawnMs - TIMER_SLACK_MS);
}

export function reportReordered({ report }: Walk, step: Step, before: number, begun: number): void {
  const text = `${step.id} began before what stands ahead of it in the sequence had ended`;
  report('reordered', step.id, `a start after event ${before}`, `a start at event ${begun}`, text);
}
