import type { Span } from '../flow';

/**
 * How sure a span's place is beside its caller's: `proved` by a chain of messages or by clocks that are apart by more
 * than their bounds, or `within-clock-error`. Absent where the flow was rebuilt without clock estimates.
 */
export interface OrderMark {
  readonly order?: 'proved' | 'within-clock-error';
  /** The span may have begun so much earlier or later than shown. */
  readonly uncertaintyMs?: number;
}

export function orderMark(span: Span & OrderMark): OrderMark {
  const { order, uncertaintyMs } = span;
  return { ...(order !== undefined && { order }), ...(uncertaintyMs !== undefined && { uncertaintyMs }) };
}
