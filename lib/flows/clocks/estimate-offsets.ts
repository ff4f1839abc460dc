import { middle, solveRanges, tightest } from './difference-constraints';
import type { ClockEstimates, OffsetWindow } from './offset-estimate';
import { estimatesOf, solveWindow } from './solve-window';

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
