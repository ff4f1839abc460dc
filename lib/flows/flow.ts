import type { DecisionKind, EventError, InjectedFault } from '../model/event';

/** One end-user request, rebuilt: what the timeline shows and the check judges. Times are milliseconds. */
export interface Flow {
  readonly traceId: string;
  /** The request key: the trace id unless the request brought one. */
  readonly key: string;
  /** Wall clock of the root's host at its receipt. */
  readonly startTime: string;
  /** Of the root; where that is lost, as the client measured it; null where both are. */
  readonly durationMs: number | null;
  readonly status: number | null;
  /** False where events are known to be lost, or may be. */
  readonly complete: boolean;
  readonly warnings: readonly string[];
  /** The driver's own view; null where it logged nothing. */
  readonly client: Call | null;
  /** The first span of the application. Where no instance received the request: the client itself, as service `client`. */
  readonly root: Span;
  /** Spans of the same trace that nobody's call leads to. */
  readonly orphans: readonly Span[];
  /**
   * The orderings between hosts that a reader takes from the flow, each with its proof: neighbours in the flow's linear
   * order of beginnings and ends, and neighbours among the spans of one caller. Empty where all is on one host.
   */
  readonly orderings: readonly Ordering[];
}

/** Two events on different hosts; `first` is shown before `second`. */
export interface Ordering {
  readonly first: OrderedEvent;
  readonly second: OrderedEvent;
  /** By the best guess of both clocks; negative where the order shown is not the likelier one. */
  readonly apartMs: number;
  /** Sum of both clocks' errors; null: one is unknown. */
  readonly boundMs: number | null;
  /**
   * `causal`: a path of process order and messages leads from one to the other. `apart`: they are further apart than the
   * clocks' errors. Null: within clock error, the order may have been the other one.
   */
  readonly proof: 'causal' | 'apart' | null;
}

export interface OrderedEvent {
  readonly requestId: string;
  readonly instance: string;
  readonly at: 'start' | 'end';
}

/** One request handled by one instance. */
export interface Span {
  readonly service: string;
  readonly instance: string;
  readonly process: string | null;
  /** Null where no endpoint matched, or nothing is known of it. */
  readonly endpoint: string | null;
  readonly requestId: string;
  readonly parentRequestId: string | null;
  readonly place: string | null;
  readonly via: 'edge' | 'mesh' | 'queue' | null;
  readonly epoch: number | null;
  /** Raw wall clock of its host at the receipt, or at its first event that was found. */
  readonly startTime: string;
  /** Whose clock `startTime` is: spans with the same host share one. Null of an inferred span. */
  readonly host: string | null;
  /** From the flow's start, placed by its host's clock and causality: not before its sending, not after its answer. */
  readonly offsetMs: number;
  /**
   * What was added to the difference of the two hosts' own clocks to get there; 0 where those contradict nothing, and
   * between spans of one host whose clock was not stepped in between.
   */
  readonly correctionMs: number;
  /** It may have begun so much earlier or later than the best guess; absent where nothing ties its host's clock down. */
  readonly uncertaintyMs?: number;
  /**
   * Whether its beginning is proved to follow the events of other hosts that it is shown after (see `Flow.orderings`);
   * absent where it stands beside none.
   */
  readonly order?: 'proved' | 'within-clock-error';
  /** By the process's monotonic clock; null where its end is lost. */
  readonly durationMs: number | null;
  /** The part of it in which no call was under way. */
  readonly selfMs: number | null;
  readonly status: number | null;
  readonly error: EventError | null;
  /** What struck it, in its order. */
  readonly faults: readonly SpanFault[];
  /** What policies decided in it, in order. */
  readonly decisions: readonly SpanDecision[];
  /** All its events are there. */
  readonly complete: boolean;
  /** None of its events is there; what is told of it comes from elsewhere. */
  readonly inferred: boolean;
  /**
   * Of an inferred span: `caller`, whose events tell of it; or `topology`: its caller's are lost too, but the steps, the
   * draws and what is left prove that it was there. Where no event names its `requestId` that is made up (zeros of a
   * `caller`'s), its times are those of the span above, and `instance` is `?`.
   */
  readonly inferredFrom?: 'caller' | 'topology';
  /** The flow's end waited for it. */
  readonly critical: boolean;
  /** Its attempts to call others, in the order sent. */
  readonly calls: readonly Call[];
  /** Work of a `send` that it answered with 202. */
  readonly queued: readonly Span[];
}

/** What a breaker, a limit or another policy decided. */
export interface SpanDecision {
  readonly event: DecisionKind;
  /** From the flow's start. */
  readonly offsetMs: number;
  /** Of the call concerned; null for a decision about the request itself. */
  readonly step: string | null;
  readonly callee: string | null;
  readonly repetition: number | null;
  readonly attempt: number | null;
  /** Figures that it rests on. */
  readonly figures: Readonly<Record<string, unknown>>;
}

/** A fault as its event says it: of other versions any of it may be missing. */
export interface SpanFault extends Partial<InjectedFault> {
  /** From the flow's start. */
  readonly offsetMs: number;
  /** On a call: which attempt of which step it struck. `step` is also set of a fault among the steps. */
  readonly repetition?: number;
  readonly attempt?: number;
}

/** One attempt of a call, as its sender saw it. */
export interface Call {
  /** `service METHOD /path` */
  readonly callee: string | null;
  readonly step: string | null;
  readonly repetition: number | null;
  readonly attempt: number | null;
  readonly reconnect: number;
  readonly callPlace: string | null;
  readonly peer: string | null;
  readonly peerRequestId: string | null;
  /** False for an attempt that never started: no instance, or no time left. Null where that event is lost. */
  readonly sent: boolean | null;
  /** From the flow's start. */
  readonly offsetMs: number;
  readonly durationMs: number | null;
  readonly status: number | null;
  readonly error: EventError | null;
  readonly bytes: number | null;
  readonly critical: boolean;
  /** The span that answered; null where nobody received it, or that is unknown. */
  readonly child: Span | null;
}
