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

/** What a host's time service says of its clock at one moment: at most `boundMs` from true time. */
export interface VouchedClock {
  readonly host: number;
  readonly atMs: number;
  readonly boundMs: number;
  /** What the clock at hand shows more than the one vouched for. @default 0 */
  readonly offsetMs?: number;
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
  /** The drift allowance, in parts per million. */
  readonly driftPpm: number;
  /**
   * Windows in which messages between these hosts contradict each other (a step or a drift beyond the allowance), and
   * tell nothing of their clocks.
   */
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
  const offsets = coarseOffsets(hosts, messages, drift, resolutionMs);
  const offsetOf = (host: number): number => offsets[host] as number;
  const bySender = sortedByTime(hosts, messages, ({ from, sentMs }) => [from, sentMs]);
  const reports = sortedByTime(hosts, vouched, ({ host, atMs }) => [host, atMs]);
  const windows: OffsetWindow[] = [];
  const discarded: { host: number; centreMs: number }[] = [];
  const contradictory: { centreMs: number; hosts: number[] }[] = [];
  const [firstMs, lastMs] = rangeOf(bySender, offsets);
  if (messages.length === 0) return { axis, driftPpm, windows, discarded, contradictory };

  for (const centreMs of knots(firstMs, lastMs, windowMs)) {
    const slack = (atMs: number): number => drift * Math.abs(atMs - centreMs);
    const causal = tightest(
      bySender.flatMap((own, host) =>
        within(own, centreMs + offsetOf(host), windowMs).map(({ atMs, value: { from, to, sentMs, receivedMs } }) => ({
          from,
          to,
          limit: receivedMs - sentMs + resolutionMs + slack(atMs - offsetOf(host)),
        })),
      ),
    );
    const vouchedHere = reports.flatMap((own, host) =>
      within(own, centreMs + offsetOf(host), windowMs).map(({ atMs, value: { boundMs, offsetMs = 0 } }) => ({
        host,
        offsetMs,
        boundMs: boundMs + slack(atMs - offsetOf(host)),
      })),
    );
    const solved = solveWindow(hosts, causal, vouchedHere, reference);
    if (solved.contradictory.length > 0) contradictory.push({ centreMs, hosts: [...solved.contradictory] });
    discarded.push(...solved.discarded.map((host) => ({ host, centreMs })));
    const estimates = estimatesOf(hosts, solved.constraints, solved.ranges, reference);
    windows.push({ centreMs, hosts: estimates });
    // What is known of a clock by now tells better than the coarse offset which messages the next window has.
    for (const [host, { offsetMs, boundMs }] of estimates.entries()) {
      if (boundMs < windowMs) offsets[host] = offsetMs;
    }
  }
  return { axis, driftPpm, windows, discarded, contradictory };
}

interface Placed<T> {
  readonly atMs: number;
  readonly value: T;
}

/** What concerns a host, in the order of that host's clock. */
function sortedByTime<T>(
  hosts: number,
  values: readonly T[],
  place: (value: T) => readonly [host: number, atMs: number],
): readonly (readonly Placed<T>[])[] {
  const lists: Placed<T>[][] = Array.from({ length: hosts }, () => []);
  for (const value of values) {
    const [host, atMs] = place(value);
    lists[host]?.push({ atMs, value });
  }
  for (const list of lists) list.sort((a, b) => a.atMs - b.atMs);
  return lists;
}

function rangeOf(
  lists: readonly (readonly Placed<unknown>[])[],
  offsets: readonly number[],
): readonly [number, number] {
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  for (const [host, list] of lists.entries()) {
    if (list.length === 0) continue;
    first = Math.min(first, (list[0] as Placed<unknown>).atMs - (offsets[host] as number));
    last = Math.max(last, (list[list.length - 1] as Placed<unknown>).atMs - (offsets[host] as number));
  }
  return [first, last];
}

/** Those of a sorted list that are at most `reachMs` from a time. */
function within<T>(list: readonly Placed<T>[], centreMs: number, reachMs: number): readonly Placed<T>[] {
  return list.slice(firstAbove(list, centreMs - reachMs), firstAbove(list, centreMs + reachMs + 1e-6));
}

function firstAbove(list: readonly Placed<unknown>[], atMs: number): number {
  let [from, to] = [0, list.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((list[middle] as Placed<unknown>).atMs < atMs) from = middle + 1;
    else to = middle;
  }
  return from;
}

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

/** One offset a host for the whole run, only to tell which window a message belongs to. */
function coarseOffsets(hosts: number, messages: readonly Message[], drift: number, resolutionMs: number): number[] {
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
  readonly offsetMs: number;
  readonly boundMs: number;
}

interface Solved {
  readonly ranges: Ranges;
  readonly constraints: readonly DifferenceConstraint[];
  readonly discarded: readonly number[];
  /** Hosts whose messages with each other contradict themselves: those count for nothing here. */
  readonly contradictory: readonly number[];
}

/** Messages can't lie, time services can: while the two contradict each other, the worst contradicted service goes. */
function solveWindow(
  hosts: number,
  messages: readonly DifferenceConstraint[],
  vouched: readonly VouchedHere[],
  reference: number,
): Solved {
  const variables = Math.max(hosts, reference + 1);
  const trusted = new Set(vouched.map(({ host }) => host));
  const discarded: number[] = [];
  const contradictory = new Set<number>();
  let causal = messages;
  for (;;) {
    const ties = vouched
      .filter(({ host }) => trusted.has(host))
      .flatMap(({ host, offsetMs, boundMs }) => [
        { from: reference, to: host, limit: offsetMs + boundMs },
        { from: host, to: reference, limit: boundMs - offsetMs },
      ]);
    const constraints = [...causal, ...tightest(ties)];
    const ranges = solveRanges(variables, constraints, reference);
    if (!('cycle' in ranges))
      return { ranges, constraints, discarded, contradictory: [...contradictory].sort(ascending) };
    const involved = hostsOf(ranges.cycle);
    const suspects = involved.filter((host) => host !== reference && trusted.has(host));
    const tied = reference >= hosts && involved.includes(reference);
    if (tied && suspects.length > 0) {
      const worst = mostContradicted(suspects, causal, vouched, trusted);
      trusted.delete(worst);
      discarded.push(worst);
      continue;
    }
    const among = new Set(involved);
    causal = causal.filter(({ from, to }) => !(among.has(from) && among.has(to)));
    for (const host of involved) contradictory.add(host);
  }
}

/** The suspect whose vouched bound disagrees with most other trusted hosts over single messages. */
function mostContradicted(
  suspects: readonly number[],
  causal: readonly DifferenceConstraint[],
  vouched: readonly VouchedHere[],
  trusted: ReadonlySet<number>,
): number {
  const known = new Map(vouched.filter(({ host }) => trusted.has(host)).map((here) => [here.host, here]));
  const disagreements = (suspect: number): number =>
    causal.filter(({ from, to, limit }) => {
      if (from !== suspect && to !== suspect) return false;
      const [a, b] = [known.get(from), known.get(to)];
      return a !== undefined && b !== undefined && limit < b.offsetMs - a.offsetMs - a.boundMs - b.boundMs;
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
      if (host === reference || !(allows(current, host, 0) && tiedDown(current, host))) continue;
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

function allows({ lower, upper }: Ranges, host: number, value: number): boolean {
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

function ascending(a: number, b: number): number {
  return a - b;
}
