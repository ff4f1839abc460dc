/**
 * What is true of a run, for whoever trains or scores an anomaly detector: which faults were injected where, which spans
 * they slowed or failed, and by how much against what would have been without them. `docs/labels.md` states the method.
 * Times are milliseconds.
 */

/** How a counterfactual was got; of several parts the last one in this order counts. */
export const BASES = ['measured', 'drawn', 'modelled', 'unknown'] as const;

/**
 * `measured`: nothing was to be taken away, it stands as its process measured it. `drawn`: what was measured, less waits
 * whose length was drawn. `modelled`: part of it never ran, and is worth what its draws say, with the median way of the
 * flow's own calls for the network. `unknown`: the log does not tell.
 */
export type Basis = (typeof BASES)[number];

export type EffectKind =
  /** It took longer, or was over sooner, as a failure may be. */
  | 'slowed'
  | 'shortened'
  /** It would have succeeded. */
  | 'failed'
  /** It failed otherwise than it would have. */
  | 'failed-otherwise'
  /** It tried a call again that would have succeeded, or failed for good, before. */
  | 'retried'
  /** It sent a hedge, and the first attempt would have been over before. */
  | 'hedged'
  /** Calls were left out that it would have made. */
  | 'absent'
  /** It would not have been at all: a further attempt, or what came of one. */
  | 'extra'
  /** Its answer was paced, cut short or spoilt on its way. */
  | 'paced'
  | 'truncated'
  | 'corrupted';

/** One fault that struck a request. */
export interface InjectionLabel {
  /** Names it in effects: the request id of the span that it struck, `#`, its number there. */
  readonly injection: string;
  /** Of its rule. */
  readonly id: string;
  readonly type: string;
  readonly source: string | null;
  readonly at: string | null;
  /** As drawn. */
  readonly args: Readonly<Record<string, number | string>>;
  /** From the flow's start. */
  readonly offsetMs: number;
  /** Of the step or the call that it struck. */
  readonly step?: string;
  readonly repetition?: number;
  readonly attempt?: number;
  readonly priority?: number;
  /** It was logged, and not carried out. */
  readonly refused?: string;
}

export interface EffectLabel {
  readonly injection: string;
  readonly kinds: readonly EffectKind[];
  /** How much longer the span took than without this injection alone; negative where it was over sooner, null: unknown. */
  readonly addedMs: number | null;
  /** Request ids from the span that was struck to this one. */
  readonly via: readonly string[];
  /**
   * Without this injection alone nothing would have been better, since another one does the same; `addedMs` is then what
   * this one alone would have added.
   */
  readonly shared?: true;
  /** With `absent`: what was not called. */
  readonly absent?: readonly string[];
}

/**
 * What a policy decided here on a state (an open breaker, a full limit, a spent budget) that injections may have brought about, in
 * this flow or in others.
 */
export interface IndirectLabel {
  /** Names it in effects, as an injection is named, with `!` in the place of `#`. */
  readonly injection: string;
  readonly decision: 'BREAKER_OPEN' | 'BULKHEAD_FULL' | 'REQUEST_SHED' | 'RETRY_BUDGET_EXHAUSTED';
  readonly step?: string;
  readonly repetition?: number;
  readonly attempt?: number;
  /** `injected`: the log proves it. `unknown`: then so is what would have been. */
  readonly because: 'injected' | 'unknown';
  /** The injections that it goes back to, up to twenty; where that is unknown, those that the log points to. */
  readonly injections: readonly string[];
  readonly reason: string;
}

/** A fault of the instance that lasted while the span was there: it may have touched it, which nothing proves. */
export interface ExposureLabel {
  readonly id: string;
  readonly type: string;
  readonly source: string | null;
  readonly instance: string;
  /** `itself`: on the span's own instance. `call`: on one that a call of its met an error of. */
  readonly through: 'itself' | 'call';
  /** The request that it struck; null where it struck the instance. */
  readonly request: string | null;
  /** Wall clock of the instance; the end is the latest possible, and null of a crash that the instance stayed down after. */
  readonly from: string;
  readonly to: string | null;
  /** So many like it, of which this is the first. */
  readonly times: number;
}

/** How what was compares with what would have been. */
export interface Comparison {
  readonly status: number | null;
  readonly durationMs: number | null;
  readonly counterfactualStatus: number | null;
  /** Without any injection; null where it would not have been, or that is unknown. */
  readonly counterfactualMs: number | null;
  readonly addedMs: number | null;
  readonly basis: Basis;
}

export interface SpanLabel extends Comparison {
  readonly requestId: string;
  readonly parentRequestId: string | null;
  readonly service: string;
  readonly instance: string;
  readonly endpoint: string | null;
  /** `web->catalog`; null where the caller is not known. */
  readonly edge: string | null;
  /** Raw wall clock of its host. */
  readonly startTime: string;
  /** From the flow's start. */
  readonly offsetMs: number;
  /** A fault was injected here, or one that was injected elsewhere had an effect here. */
  readonly anomalous: boolean;
  readonly faults: readonly InjectionLabel[];
  readonly effects: readonly EffectLabel[];
  readonly exposed: readonly ExposureLabel[];
  readonly indirect: readonly IndirectLabel[];
}

export interface FlowLabel extends Comparison {
  readonly traceId: string;
  readonly key: string;
  readonly startTime: string;
  /** No event of it is known to be lost. */
  readonly complete: boolean;
  /** A fault was injected somewhere in it. */
  readonly faulted: boolean;
  /** One had an effect on its root. */
  readonly anomalous: boolean;
  /** Some span of it is exposed. */
  readonly exposed: boolean;
  /** Injections with an effect on the root. */
  readonly causes: readonly string[];
  /** As the client saw it; null where it logged nothing. */
  readonly client: Comparison | null;
  readonly spans: readonly SpanLabel[];
}
