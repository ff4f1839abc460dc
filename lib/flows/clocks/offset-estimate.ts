/** Offset of one host's clock at one knot: `clock - axis`, in milliseconds. */
export interface OffsetEstimate {
  /** Middle of what is possible. */
  readonly offsetMs: number;
  /** Half of what is possible: the true offset lies within `offsetMs` plus or minus `boundMs`. Infinite: not tied down. */
  readonly boundMs: number;
  /** What to subtract from the host's times: 0 where its clock, as it stands, contradicts nothing. */
  readonly correctionMs: number;
}

export interface OffsetWindow {
  readonly centreMs: number;
  readonly hosts: readonly OffsetEstimate[];
}

export interface ClockEstimates {
  /** What offsets are relative to: true time as time services vouch for it, or the clock of one host. */
  readonly axis: 'utc' | { readonly host: number };
  readonly windows: readonly OffsetWindow[];
  /** Vouched bounds that messages contradict, which were discarded for their window. */
  readonly discarded: readonly { readonly host: number; readonly centreMs: number }[];
  /** The drift allowance, in parts per million. */
  readonly driftPpm: number;
  /**
   * Windows in which messages between these hosts contradict each other (a step or a drift beyond the allowance), and
   * tell nothing of their clocks.
   */
  readonly contradictory: readonly { readonly centreMs: number; readonly hosts: readonly number[] }[];
}

export const UNKNOWN: OffsetEstimate = { offsetMs: 0, boundMs: Number.POSITIVE_INFINITY, correctionMs: 0 };

/**
 * The estimate at a time of the axis: between knots both offset and bound are interpolated, beyond them they stay. Where
 * only one of two neighbours knows, it serves for both, with what the clock may drift in between.
 */
export function offsetAt({ windows, driftPpm }: ClockEstimates, host: number, atMs: number): OffsetEstimate {
  let [from, to] = [0, windows.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((windows[middle] as OffsetWindow).centreMs < atMs) from = middle + 1;
    else to = middle;
  }
  const right = windows[Math.min(from, windows.length - 1)];
  const left = windows[Math.max(0, from - 1)];
  const [a, b] = [left?.hosts[host], right?.hosts[host]];
  if (!left || !right || !a || !b) return UNKNOWN;
  const [knowsA, knowsB] = [Number.isFinite(a.boundMs), Number.isFinite(b.boundMs)];
  if (!knowsA && !knowsB) return UNKNOWN;
  const widened = (estimate: OffsetEstimate, centreMs: number): OffsetEstimate => ({
    ...estimate,
    boundMs: estimate.boundMs + (driftPpm / 1e6) * Math.abs(atMs - centreMs),
  });
  if (!knowsA) return widened(b, right.centreMs);
  if (!knowsB) return widened(a, left.centreMs);
  const span = right.centreMs - left.centreMs;
  if (span === 0) return atMs < left.centreMs || atMs > right.centreMs ? widened(a, left.centreMs) : a;
  const share = (atMs - left.centreMs) / span;
  const between = (x: number, y: number): number => x + share * (y - x);
  return {
    offsetMs: between(a.offsetMs, b.offsetMs),
    boundMs: between(a.boundMs, b.boundMs),
    correctionMs: between(a.correctionMs, b.correctionMs),
  };
}
