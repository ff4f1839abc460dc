import type { Event } from '../../../model/event';
import type { DepartureKind } from '../departure';

/** A moment of a process: how many of its events came before, and its monotonic clock. */
export interface Moment {
  readonly at: number;
  readonly us: number;
}

export const UNKNOWN_PAST: Moment = { at: Number.NEGATIVE_INFINITY, us: Number.NEGATIVE_INFINITY };

/** What an attempt says of its callee; `none` where it never got that far, or was called off. */
export type Verdict = 'success' | 'failure' | 'none';

/** An attempt as its process's log shows it: between which moments what no event tells must have happened. */
export interface TrackedAttempt {
  readonly number: number;
  /** It was begun after this moment, */
  readonly after: Moment;
  /** and not later than its first event. */
  readonly first: Moment;
  /** `mayGoOn`: with the next instance, or it has failed by that none is left, which nothing tells. */
  outcome: (Moment & { readonly verdict: Verdict; readonly mayGoOn: boolean }) | undefined;
  /** By then whoever watches it had taken its outcome in. */
  settled: Moment | undefined;
  readonly report: PolicyReport;
}

/** Takes in that a policy was not followed, by the request concerned. */
export type PolicyReport = (
  kind: Extract<DepartureKind, 'undue-decision' | 'missing-decision' | 'over-limit'>,
  expected: string,
  actual: string,
  message: string,
  step?: string,
) => void;

/** As a node judges the result of an attempt: `service/resilience/guarded-attempt.ts`. */
export function verdictOf({ event, status, error, durationMs }: Event): Verdict {
  if (event === 'RESPONSE_RECEIVED') return status !== undefined && status < 500 ? 'success' : 'failure';
  if (error?.kind === 'CANCELLED') return 'none';
  // Only what was begun has a duration.
  if (error?.kind === 'DEADLINE' && durationMs === undefined) return 'none';
  return status !== undefined && status < 500 ? 'success' : 'failure';
}
