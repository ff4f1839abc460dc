/**
 * The report's own encoding of flows: each field's values in a column of their own, as variable-length integers, in the
 * order of a walk over the flows: flow, its client's attempt, then spans, each followed by its attempts (each followed by the
 * span that answered) and its queued work. The page reads it back in the same order.
 *
 * Of the flow's orderings between hosts those follow that nothing proves. An event of one is twice its span's number in that
 * walk, and 1 more for the span's end; the second is told as the difference to the first.
 *
 * - texts are numbers in a table of texts, 0 is none; ids are bytes in columns of their own
 * - what may be unknown is one more than its value, 0 is unknown; what may be negative is in zigzag order
 * - times are whole microseconds
 */
export const COLUMNS = [
  'flowStart',
  'flowKey',
  'flowDuration',
  'flowStatus',
  'flowFlags',
  'flowWarnings',
  'flowOrphans',
  'flowOrderings',
  'flowOpen',
  'openFirst',
  'openSecond',
  'openApart',
  'openBound',
  'spanService',
  'spanInstance',
  'spanProcess',
  'spanEndpoint',
  'spanVia',
  'spanOffset',
  'spanCorrection',
  'spanRaw',
  'spanDuration',
  'spanSelf',
  'spanStatus',
  'spanError',
  'spanMessage',
  'spanFlags',
  'spanUncertainty',
  'spanFaults',
  'spanDecisions',
  'spanCalls',
  'spanQueued',
  'callCallee',
  'callStep',
  'callRepetition',
  'callAttempt',
  'callPeer',
  'callOffset',
  'callDuration',
  'callStatus',
  'callError',
  'callMessage',
  'callFlags',
  'callBytes',
] as const;

export type Column = (typeof COLUMNS)[number];

export const FLOW_FLAG = { complete: 1, client: 2 } as const;
export const SPAN_FLAG = { complete: 1, inferred: 2, critical: 4, proved: 8, withinError: 16, byTopology: 32 } as const;
export const CALL_FLAG = { critical: 1, child: 2, unsent: 4 } as const;

/** What the page is given beside the bytes. */
export interface FlowHead {
  readonly flows: number;
  readonly texts: readonly string[];
  /** Lengths in bytes: of each column, then of trace ids and request ids; the bytes follow each other in this order. */
  readonly lengths: readonly number[];
}

/** One that the page shows; as in `Flow`, with microseconds made milliseconds again. */
export interface ReportFlow {
  readonly traceId: string;
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly startAt: number;
  readonly durationMs: number | null;
  readonly status: number | null;
  readonly complete: boolean;
  readonly warnings: readonly string[];
  readonly client: ReportCall | null;
  readonly root: ReportSpan;
  readonly orphans: readonly ReportSpan[];
  /** How many orderings between hosts the flow has. */
  readonly orderings: number;
  /** Those of them that nothing proves, in the flow's order. */
  readonly open: readonly ReportOrdering[];
}

export interface ReportOrdering {
  readonly first: ReportEvent;
  readonly second: ReportEvent;
  readonly apartMs: number;
  readonly boundMs: number | null;
}

export interface ReportEvent {
  readonly span: ReportSpan;
  readonly at: 'start' | 'end';
}

export interface ReportSpan {
  readonly service: string;
  readonly instance: string;
  readonly process: string | null;
  readonly endpoint: string | null;
  readonly requestId: string;
  readonly via: string | null;
  readonly offsetMs: number;
  readonly correctionMs: number;
  /** Raw wall clock of its host, in milliseconds since 1970. */
  readonly rawAt: number;
  readonly durationMs: number | null;
  readonly selfMs: number | null;
  readonly status: number | null;
  readonly error: string | null;
  readonly message: string | null;
  readonly complete: boolean;
  readonly inferred: boolean;
  readonly inferredFrom: 'caller' | 'topology' | null;
  readonly critical: boolean;
  readonly order: 'proved' | 'within-clock-error' | null;
  readonly uncertaintyMs: number | null;
  /** Each as JSON. */
  readonly faults: readonly string[];
  /** Each as its event and callee. */
  readonly decisions: readonly string[];
  readonly calls: readonly ReportCall[];
  readonly queued: readonly ReportSpan[];
}

export interface ReportCall {
  readonly callee: string | null;
  readonly step: string | null;
  readonly repetition: number | null;
  readonly attempt: number | null;
  readonly reconnect: number;
  readonly peer: string | null;
  readonly sent: boolean;
  readonly offsetMs: number;
  readonly durationMs: number | null;
  readonly status: number | null;
  readonly error: string | null;
  readonly message: string | null;
  readonly bytes: number | null;
  readonly critical: boolean;
  readonly child: ReportSpan | null;
}
