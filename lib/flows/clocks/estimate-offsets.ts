import { type DifferenceConstraint, type Ranges, solveRanges } from './difference-constraints';

/**
 * One message between hosts, by each host's own clock, in milliseconds. Both readings may be late by their resolution
 * (`resolutionMs`): a clock that shows whole milliseconds shows 5 until just before 6.
 */
export interface Message {
  readonly from: number;
  readonly to: number;
  readonly sentMs: number;
  readonly receivedMs: number;
}

/** What a host's time service says of its clock at one moment: at most so far from true time. */
export interface VouchedClock {
  readonly host: number;
  readonly atMs: number;
  readonly boundMs: number;
}

export interface OffsetOptions {
  /** Spacing of the knots at which offsets are estimated; messages up to one spacing away from a knot count for it. @default 10000 */
  readonly windowMs?: number;
  /** How fast two clocks may drift apart, in parts per million. @default 500, chrony's usual limit */
  readonly driftPpm?: number;
  /** @default 0 */
  readonly resolutionMs?: number;
}

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
  /** Windows in which messages contradict each other (a step or a drift beyond the allowance): no estimate there. */
  readonly contradictory: readonly { readonly centreMs: number; readonly hosts: readonly number[] }[];
}

const UNKNOWN: OffsetEstimate = { offsetMs: 0, boundMs: Number.POSITIVE_INFINITY, correctionMs: 0 };

/**
 * Estimates every host's clock offset jointly from all messages. A message can't arrive before it is sent, so each
 * one bounds the difference of two clocks from one side; requests and answers together bound it from both, chains of
 * hosts pass bounds on, and clocks that a time service vouches for are tied to true time. What remains possible is an
 * interval per host and knot; its half width is the bound, which for two hosts is at most half their smallest round
 * trip plus what the clocks may drift within the window.
 *
 * @param hosts how many there are; host 0 is the axis where no clock is vouched for
 */
export function estimateOffsets(
  hosts: number,
  messages: readonly Message[],
  vouched: readonly VouchedClock[],
  { windowMs = 10_000, driftPpm = 500, resolutionMs = 0 }: OffsetOptions = {},
): ClockEstimates {
  const axis = vouched.length > 0 ? 'utc' : { host: 0 };
  const reference = axis === 'utc' ? hosts : 0;
  const drift = driftPpm / 1e6;
  const coarse = coarseOffsets(hosts, messages, drift, resolutionMs);
  const placed = messages.map((message) => ({ message, atMs: message.sentMs - (coarse[message.from] as number) }));
  const times = placed.map(({ atMs }) => atMs);
  if (times.length === 0) return { axis, windows: [], discarded: [], contradictory: [] };

  const windows: OffsetWindow[] = [];
  const discarded: { host: number; centreMs: number }[] = [];
  const contradictory: { centreMs: number; hosts: number[] }[] = [];
  for (const centreMs of knots(minimum(times), maximum(times), windowMs)) {
    const near = placed.filter(({ atMs }) => Math.abs(atMs - centreMs) <= windowMs);
    const slack = (atMs: number): number => drift * Math.abs(atMs - centreMs);
    const causal = tightest(
      near.map(({ message: { from, to, sentMs, receivedMs }, atMs }) => ({
        from,
        to,
        limit: receivedMs - sentMs + resolutionMs + slack(atMs),
      })),
    );
    const vouchedHere = vouched
      .filter(({ host, atMs }) => Math.abs(atMs - (coarse[host] as number) - centreMs) <= windowMs)
      .map(({ host, atMs, boundMs }) => ({ host, boundMs: boundMs + slack(atMs - (coarse[host] as number)) }));
    const solved = solveWindow(hosts, causal, vouchedHere, reference);
    if ('contradiction' in solved) {
      contradictory.push({ centreMs, hosts: solved.contradiction });
      windows.push({ centreMs, hosts: Array.from({ length: hosts }, () => UNKNOWN) });
      continue;
    }
    discarded.push(...solved.discarded.map((host) => ({ host, centreMs })));
    windows.push({ centreMs, hosts: estimatesOf(hosts, solved.constraints, solved.ranges, reference) });
  }
  return { axis, windows, discarded, contradictory };
}

/** The estimate at a time of the axis: between knots both offset and bound are interpolated, beyond them they stay. */
export function offsetAt({ windows }: ClockEstimates, host: number, atMs: number): OffsetEstimate {
  const after = windows.findIndex(({ centreMs }) => centreMs >= atMs);
  const right = windows[after === -1 ? windows.length - 1 : after];
  const left = windows[after === -1 ? windows.length - 1 : Math.max(0, after - 1)];
  const [a, b] = [left?.hosts[host], right?.hosts[host]];
  if (!left || !right || !a || !b) return UNKNOWN;
  if (a.boundMs === Number.POSITIVE_INFINITY || b.boundMs === Number.POSITIVE_INFINITY) return UNKNOWN;
  const span = right.centreMs - left.centreMs;
  const share = span === 0 ? 0 : (atMs - left.centreMs) / span;
  const between = (x: number, y: number): number => x + share * (y - x);
  return {
    offsetMs: between(a.offsetMs, b.offsetMs),
    boundMs: between(a.boundMs, b.boundMs),
    correctionMs: between(a.correctionMs, b.correctionMs),
  };
}

/** One offset a host for the whole run, only to tell which window a message belongs to. */
function coarseOffsets(
  hosts: number,
  messages: readonly Message[],
  drift: number,
  resolutionMs: number,
): readonly number[] {
  const lengthMs =
    messages.length === 0 ? 0 : maximum(messages.map((m) => m.sentMs)) - minimum(messages.map((m) => m.sentMs));
  for (let slack = drift * lengthMs; ; slack = slack * 2 + 1) {
    const constraints = tightest(
      messages.map(({ from, to, sentMs, receivedMs }) => ({
        from,
        to,
        limit: receivedMs - sentMs + resolutionMs + slack,
      })),
    );
    const ranges = solveRanges(hosts, constraints, 0);
    if (!('cycle' in ranges)) {
      return Array.from({ length: hosts }, (_, host) => middle(ranges, host) ?? 0);
    }
  }
}

interface VouchedHere {
  readonly host: number;
  readonly boundMs: number;
}

type Solved =
  | {
      readonly ranges: Ranges;
      readonly constraints: readonly DifferenceConstraint[];
      readonly discarded: readonly number[];
    }
  | { readonly contradiction: number[] };

/** Messages can't lie, time services can: while the two contradict each other, the worst contradicted service goes. */
function solveWindow(
  hosts: number,
  causal: readonly DifferenceConstraint[],
  vouched: readonly VouchedHere[],
  reference: number,
): Solved {
  const variables = Math.max(hosts, reference + 1);
  const trusted = new Set(vouched.map(({ host }) => host));
  const discarded: number[] = [];
  for (;;) {
    const ties = vouched
      .filter(({ host }) => trusted.has(host))
      .flatMap(({ host, boundMs }) => [
        { from: reference, to: host, limit: boundMs },
        { from: host, to: reference, limit: boundMs },
      ]);
    const constraints = [...causal, ...tightest(ties)];
    const ranges = solveRanges(variables, constraints, reference);
    if (!('cycle' in ranges)) return { ranges, constraints, discarded };
    const suspects = hostsOf(ranges.cycle).filter((host) => host !== reference && trusted.has(host));
    const tied = ranges.cycle.some(({ from, to }) => from === reference || to === reference);
    if (!tied || reference < hosts || suspects.length === 0) return { contradiction: hostsOf(ranges.cycle) };
    const worst = mostContradicted(suspects, causal, vouched, trusted);
    trusted.delete(worst);
    discarded.push(worst);
  }
}

/** The suspect whose vouched bound disagrees with most other trusted hosts over single messages. */
function mostContradicted(
  suspects: readonly number[],
  causal: readonly DifferenceConstraint[],
  vouched: readonly VouchedHere[],
  trusted: ReadonlySet<number>,
): number {
  const bounds = new Map(vouched.filter(({ host }) => trusted.has(host)).map(({ host, boundMs }) => [host, boundMs]));
  const disagreements = (suspect: number): number =>
    causal.filter(({ from, to, limit }) => {
      if (from !== suspect && to !== suspect) return false;
      const [a, b] = [bounds.get(from), bounds.get(to)];
      return a !== undefined && b !== undefined && limit < -(a + b);
    }).length;
  return suspects.reduce((worst, suspect) => (disagreements(suspect) > disagreements(worst) ? suspect : worst));
}

/**
 * As many clocks as possible stay as they are: host by host, one whose raw time is still possible is fixed there. The
 * others move to the middle of what is then possible, which keeps every message's order.
 */
function estimatesOf(
  hosts: number,
  constraints: readonly DifferenceConstraint[],
  ranges: Ranges,
  reference: number,
): OffsetEstimate[] {
  const corrections = new Array<number>(hosts).fill(0);
  if (constraints.some(({ limit }) => limit < 0)) {
    const fixed = [...constraints];
    let current = ranges;
    for (let host = 0; host < hosts; host++) {
      if (host === reference || !(within(current, host, 0) && tiedDown(current, host))) continue;
      fixed.push({ from: reference, to: host, limit: 0 }, { from: host, to: reference, limit: 0 });
      const next = solveRanges(current.upper.length, fixed, reference);
      if ('cycle' in next) throw new Error('a value within its range must belong to a solution');
      current = next;
    }
    for (let host = 0; host < hosts; host++) corrections[host] = middle(current, host) ?? 0;
  }
  return corrections.map((correctionMs, host) => {
    const offsetMs = middle(ranges, host);
    if (offsetMs === undefined) return UNKNOWN;
    return { offsetMs, boundMs: ((ranges.upper[host] as number) - (ranges.lower[host] as number)) / 2, correctionMs };
  });
}

function middle({ lower, upper }: Ranges, host: number): number | undefined {
  const centre = ((lower[host] as number) + (upper[host] as number)) / 2;
  return Number.isFinite(centre) ? centre : undefined;
}

function tiedDown(ranges: Ranges, host: number): boolean {
  return middle(ranges, host) !== undefined;
}

function within({ lower, upper }: Ranges, host: number, value: number): boolean {
  return (lower[host] as number) <= value && value <= (upper[host] as number);
}

/** Of constraints between the same two, the one that matters. */
function tightest(constraints: readonly DifferenceConstraint[]): DifferenceConstraint[] {
  const best = new Map<string, DifferenceConstraint>();
  for (const constraint of constraints) {
    const pair = `${constraint.from} ${constraint.to}`;
    const known = best.get(pair);
    if (!known || constraint.limit < known.limit) best.set(pair, constraint);
  }
  return [...best.values()];
}

function hostsOf(cycle: readonly DifferenceConstraint[]): number[] {
  return [...new Set(cycle.flatMap(({ from, to }) => [from, to]))].sort((a, b) => a - b);
}

function knots(firstMs: number, lastMs: number, spacingMs: number): number[] {
  const count = Math.max(1, Math.round((lastMs - firstMs) / spacingMs));
  const spacing = (lastMs - firstMs) / count;
  return Array.from({ length: count }, (_, index) => firstMs + spacing * (index + 0.5));
}

function minimum(values: readonly number[]): number {
  return values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
}

function maximum(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
}
