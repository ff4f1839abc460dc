/** In what way a run may differ from its topology. */
export type DepartureKind =
  /** A call that the topology and the draws ask for was not made. */
  | 'missing-call'
  /** A call that is not in the topology, was not drawn, or was made too often; or a request handled that nobody sent. */
  | 'extra-call'
  /** A step began before the one ahead of it in the sequence had ended. */
  | 'reordered'
  | 'wrong-endpoint'
  /** The call went to another service than the step names. */
  | 'wrong-callee'
  /** A service handled a request of one that does not call it in the topology, or is in no topology at all. */
  | 'undeclared'
  | 'wrong-status'
  | 'missing-retry'
  | 'extra-retry'
  /** A place that does not follow from the caller's: every draw below it is another one. */
  | 'wrong-place'
  | 'wrong-key'
  /** Work ended sooner than its drawn latency. */
  | 'too-fast'
  /** A process ran another slice of the topology than the run's record gives its service. */
  | 'wrong-slice'
  /** A stop of an itinerary carried out another one than it was sent. */
  | 'wrong-itinerary'
  /** A fault was drawn, its conditions held, and it did not strike. */
  | 'missing-fault'
  /** A fault struck that no rule asks for, or that was drawn against. */
  | 'extra-fault'
  /** A fault struck with other arguments than its rule's. */
  | 'wrong-fault'
  /** A breaker, a limit or another policy decided where the topology states none. */
  | 'extra-decision'
  /** A policy did not decide what its state made due: a fallback, a breaker past its threshold, a limit that is reached. */
  | 'missing-decision'
  /** A policy decided what its state, as the process's log tells it, gave no reason for. */
  | 'undue-decision'
  /** More was let through than an open breaker, a limit or a budget leaves. */
  | 'over-limit'
  /** The log is incomplete: what happened there is unknown, which is not the same as wrong. */
  | 'lost';

/** One difference between what should have happened and what did. */
export interface Departure {
  readonly kind: DepartureKind;
  /** Null where it is no flow's: a process's slice, gaps in a log, the run's totals. */
  readonly traceId: string | null;
  /** Request id of the span. */
  readonly span: string | null;
  readonly service: string;
  /** Id of the step in its endpoint. */
  readonly step: string | null;
  readonly expected: string;
  readonly actual: string;
  /** One sentence for people. */
  readonly message: string;
}

/** Failures and decisions whose cause is in the log: they are as they should be, and counted. */
export type Explained = Record<string, number>;

/** Where departures and explanations go while a flow is checked. */
export interface Findings {
  readonly departures: Departure[];
  readonly explained: Explained;
}

export function explain({ explained }: Findings, cause: string, times = 1): void {
  explained[cause] = (explained[cause] ?? 0) + times;
}
