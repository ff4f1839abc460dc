import type { ErrorKind } from '../../model/event';

/**
 * A span and a call while flows are rebuilt: numbers that point to records of the part at hand, -1 where there is none.
 * `describeFlow` makes of them what users see.
 */
export interface SpanNode {
  /** Any record of the span: for its ids. Of an inferred span, the record of the call that reveals it. */
  readonly record: number;
  /** Number of the process; -1 of an inferred span. */
  readonly origin: number;
  readonly isClient: boolean;
  received: number;
  result: number;
  /** The event that closes the span. */
  ended: number;
  /** An error of the request itself. */
  error: number;
  /** Replaced, not pushed to: most spans share one empty list. */
  faults: readonly number[];
  /** What policies decided, in order; replaced as `faults` are. */
  decisions: readonly number[];
  /** How many events were found, and how many the last one announces (0: it is not there, or does not say). */
  events: number;
  expected: number;
  status: number;
  durationMs: number;
  /** In the order sent. */
  calls: CallNode[];
  /** The work of a `send` that this span answered with 202. */
  queued: readonly SpanNode[];
  parent: SpanNode | null;
  /** The call that this span answers. */
  call: CallNode | null;
  /** Nothing that it logged was found; the peer's events show that it was there. */
  readonly inferred: boolean;
  critical: boolean;
  /** On the critical path: how long its caller waited for it before it gave it up; infinite where it did not. */
  waitedMs: number;
  inFlow: boolean;
  /** Whether its completeness is settled. */
  judged: boolean;
}

/** One attempt to have a request answered, as its sender saw it. */
export interface CallNode {
  readonly caller: SpanNode;
  sent: number;
  ended: number;
  /** Of an attempt that ended with an ERROR. */
  errorKind: ErrorKind | undefined;
  child: SpanNode | null;
  critical: boolean;
}

/** One end-user request: its spans as a tree, and what is known to be missing. */
export interface FlowNode {
  readonly client: SpanNode | null;
  /** The first span of the application; the client's own where no instance received the request. */
  readonly root: SpanNode;
  /** Spans of the same trace whose caller left no event, and nobody's call leads to. */
  readonly orphans: SpanNode[];
  readonly warnings: FlowWarning[];
  complete: boolean;
}

export interface FlowWarning {
  readonly kind:
    | 'lost-events'
    | 'lost-span'
    | 'lost-client'
    | 'may-be-lost'
    | 'queued-work-missing'
    | 'orphan'
    | 'second-root'
    | 'received-twice'
    | 'unknown-call'
    | 'too-many-events'
    | 'clock-order'
    | 'cycle';
  readonly text: string;
}

/** Makes spans and calls, for part after part: those of the part before are used again. */
export interface NodePool {
  span(record: number, origin: number, isClient: boolean, inferred: boolean): SpanNode;
  /** A call in the order sent. */
  call(caller: SpanNode, sent: number, ended: number): CallNode;
  /** All nodes made so far are free. */
  reset(): void;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

const NO_RECORDS: readonly number[] = Object.freeze([]);
const NO_SPANS: readonly SpanNode[] = Object.freeze([]);
const NO_CALLS: readonly CallNode[] = Object.freeze([]);

/**
 * New nodes for each part would cost a fifth of the rebuild in garbage, and fill the memory before it is collected. A new
 * node is filled as an old one is: with fields that are never written again for a while, the compiler would begin anew.
 */
export function nodePool(): NodePool {
  const spans: Writable<SpanNode>[] = [];
  const calls: Writable<CallNode>[] = [];
  let usedSpans = 0;
  let usedCalls = 0;

  return {
    span(record, origin, isClient, inferred) {
      if (usedSpans === spans.length) spans.push(blankSpan());
      const span = spans[usedSpans++] as Writable<SpanNode>;
      span.record = record;
      span.origin = origin;
      span.isClient = isClient;
      span.received = -1;
      span.result = -1;
      span.ended = -1;
      span.error = -1;
      span.faults = NO_RECORDS;
      span.decisions = NO_RECORDS;
      span.events = 0;
      span.expected = 0;
      span.status = 0;
      span.durationMs = Number.NaN;
      span.calls = NO_CALLS as CallNode[];
      span.queued = NO_SPANS;
      span.parent = null;
      span.call = null;
      span.inferred = inferred;
      span.critical = false;
      span.waitedMs = Number.POSITIVE_INFINITY;
      span.inFlow = false;
      span.judged = false;
      return span;
    },
    call(caller, sent, ended) {
      if (usedCalls === calls.length) calls.push(blankCall(caller));
      const call = calls[usedCalls++] as Writable<CallNode>;
      call.caller = caller;
      call.sent = sent;
      call.ended = ended;
      call.errorKind = undefined;
      call.child = null;
      call.critical = false;
      if (caller.calls === NO_CALLS) caller.calls = [call];
      else caller.calls.push(call);
      return call;
    },
    reset() {
      usedSpans = 0;
      usedCalls = 0;
    },
  };
}

function blankSpan(): Writable<SpanNode> {
  return {
    record: -1,
    origin: -1,
    isClient: false,
    received: -1,
    result: -1,
    ended: -1,
    error: -1,
    faults: NO_RECORDS,
    decisions: NO_RECORDS,
    events: 0,
    expected: 0,
    status: 0,
    durationMs: Number.NaN,
    calls: NO_CALLS as CallNode[],
    queued: NO_SPANS,
    parent: null,
    call: null,
    inferred: false,
    critical: false,
    waitedMs: Number.POSITIVE_INFINITY,
    inFlow: false,
    judged: false,
  };
}

function blankCall(caller: SpanNode): Writable<CallNode> {
  return { caller, sent: -1, ended: -1, errorKind: undefined, child: null, critical: false };
}
