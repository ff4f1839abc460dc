import type { Span } from '../flow';
import { BASES, type Basis } from './label';

/** What a request would have come to. */
export interface Would {
  /** From its receipt to its answer; NaN: unknown. */
  readonly ms: number;
  /** Null: no answer, or unknown. */
  readonly status: number | null;
  readonly basis: Basis;
  /** Callees of attempts that it would have made, and did not. */
  readonly absent: readonly string[];
  /** What answered attempts that it would not have made. */
  readonly extra: readonly Span[];
  /** Whether it would have made fewer further attempts of a call. */
  readonly retried: boolean;
  /** Whether it would have sent fewer hedges. */
  readonly hedged: boolean;
  /** Attempts that would have failed in a way that counts against the callee, by `attemptKey`. */
  readonly failing: readonly string[];
}

export function asMeasured({ durationMs, status }: Span): Would {
  return {
    ms: durationMs ?? Number.NaN,
    status,
    basis: durationMs === null ? 'unknown' : 'measured',
    absent: [],
    extra: [],
    retried: false,
    hedged: false,
    failing: [],
  };
}

export const UNKNOWN: Would = {
  ms: Number.NaN,
  status: null,
  basis: 'unknown',
  absent: [],
  extra: [],
  retried: false,
  hedged: false,
  failing: [],
};

export function weaker(a: Basis, b: Basis): Basis {
  return BASES.indexOf(a) > BASES.indexOf(b) ? a : b;
}
