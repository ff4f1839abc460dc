import { WORD, wallMillis } from '../events/event-record';
import type { SpanTable } from '../rebuild/group-spans';
import type { FlowNode } from '../rebuild/span-node';
import { firstEvent, unseenMs } from '../rebuild/span-times';
import { type DifferenceConstraint, solveRanges } from './difference-constraints';
import { type AxisTime, eachSpan, pairsOf, type RunClocks } from './run-clocks';

/** Where the events of one flow stand, in milliseconds from its start. */
export interface Placement {
  /** As shown: no receipt before its sending, no process out of its own order. */
  offsetMs(record: number): number;
  /** The best guess, from the same start; infinite bound where nothing tells. */
  likely(record: number): { readonly offsetMs: number; readonly boundMs: number };
}

type Records = Pick<SpanTable, 'words' | 'floats'>;

interface Pair {
  readonly sender: number;
  readonly receiver: number;
  /** By how much the receipt follows the sending as things stand. */
  readonly byMs: number;
}

/** Less is rounding. */
const TOLERANCE_MS = 1e-3;

/**
 * Puts the events of a flow on one axis. The estimates of the run's clocks do nearly all of it; what they leave is
 * settled for the flow alone: a flow is short, so that a clock's error in it is one number, and the smallest shifts are
 * sought, first of hosts, then (for less than a timestamp's resolution) of processes, that let no receipt stand before
 * its sending. Clocks that contradict nothing stay.
 */
export function placeFlow(flow: FlowNode, table: Records, clocks: RunClocks): Placement {
  const { words, floats } = table;
  const domains = clocks.domains;
  const originOf = (record: number): number => words[record + WORD.ORIGIN] as number;
  const axisTime = (record: number): AxisTime =>
    clocks.axisTime(originOf(record), floats[(record + WORD.MONOTONIC) >> 1] as number, wallMillis(words, record));
  const pairs: Pair[] = [];
  for (const top of [flow.client ?? flow.root, ...flow.orphans]) {
    eachSpan(top, (span) =>
      pairsOf(span, table, (_table, sent, received) => {
        const byMs = axisTime(received).atMs - axisTime(sent).atMs;
        pairs.push({ sender: originOf(sent), receiver: originOf(received), byMs });
      }),
    );
  }
  const start = firstEvent(table, flow.root);
  const hostShift = minimalShifts(
    pairs,
    domains.domainOf,
    domains.domainOf(originOf(start)),
    (pair) => domains.domainOf(pair.sender) === domains.domainOf(pair.receiver),
  );
  const shifted = pairs.map((pair) => ({
    ...pair,
    byMs: pair.byMs + hostShift(domains.domainOf(pair.receiver)) - hostShift(domains.domainOf(pair.sender)),
  }));
  const processShift = minimalShifts(
    shifted,
    (process) => process,
    originOf(start),
    () => false,
  );
  const shiftOf = (process: number): number => hostShift(domains.domainOf(process)) + processShift(process);
  const shown = (record: number): number => axisTime(record).atMs + shiftOf(originOf(record));
  const unseen = unseenMs(table, flow.root);
  const startAt = shown(start) - unseen;
  const likelyStart = axisTime(start).likelyMs - unseen;
  return {
    offsetMs: (record) => shown(record) - startAt,
    likely: (record) => {
      const { likelyMs, boundMs } = axisTime(record);
      return { offsetMs: likelyMs - likelyStart, boundMs };
    },
  };
}

/**
 * The smallest shifts, the reference staying, that let every receipt follow its sending: one after another, a clock is
 * fixed where it stands, or at the nearest possible place. None where no shifts do.
 */
function minimalShifts(
  pairs: readonly Pair[],
  variableOf: (process: number) => number,
  reference: number,
  ignored: (pair: Pair) => boolean,
): (variable: number) => number {
  if (!pairs.some((pair) => pair.byMs < -TOLERANCE_MS && !ignored(pair))) return () => 0;
  const numbers = new Map<number, number>([[reference, 0]]);
  const numberOf = (process: number): number => {
    const variable = variableOf(process);
    const known = numbers.get(variable);
    if (known !== undefined) return known;
    numbers.set(variable, numbers.size);
    return numbers.size - 1;
  };
  const constraints: DifferenceConstraint[] = [];
  const byPair = new Map<number, number>();
  for (const pair of pairs) {
    if (ignored(pair)) continue;
    const key = numberOf(pair.sender) * 0x10000 + numberOf(pair.receiver);
    byPair.set(key, Math.min(byPair.get(key) ?? Number.POSITIVE_INFINITY, pair.byMs));
  }
  // shift[sender] - shift[receiver] may be at most what lies between.
  for (const [key, limit] of byPair) constraints.push({ from: key & 0xffff, to: Math.floor(key / 0x10000), limit });
  const shifts = new Array<number>(numbers.size).fill(0);
  let ranges = solveRanges(numbers.size, constraints, 0);
  if ('cycle' in ranges) return () => 0;
  const settled = new Set([0]);
  const fix = (variable: number, at: number): void => {
    shifts[variable] = at;
    settled.add(variable);
    constraints.push({ from: 0, to: variable, limit: at }, { from: variable, to: 0, limit: -at });
    const next = solveRanges(numbers.size, constraints, 0);
    if (!('cycle' in next)) ranges = next;
  };
  for (const nearest of [false, true]) {
    for (let variable = 1; variable < numbers.size; variable++) {
      if (settled.has(variable)) continue;
      const [low, high] = [ranges.lower[variable] as number, ranges.upper[variable] as number];
      if (nearest) fix(variable, Math.max(low, Math.min(high, 0)));
      else if (low <= 0 && high >= 0) fix(variable, 0);
    }
  }
  return (variable) => shifts[numbers.get(variable) ?? -1] ?? 0;
}
