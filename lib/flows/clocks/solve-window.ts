import type { DifferenceConstraint, Ranges } from './difference-constraints';
import { middle, solveRanges, tightest } from './difference-constraints';
import { type OffsetEstimate, UNKNOWN } from './offset-estimate';

export interface VouchedHere {
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
export function solveWindow(
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
export function estimatesOf(
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

function tiedDown(ranges: Ranges, host: number): boolean {
  return middle(ranges, host) !== undefined;
}

function allows({ lower, upper }: Ranges, host: number, value: number): boolean {
  return (lower[host] as number) <= value && value <= (upper[host] as number);
}

function hostsOf(cycle: readonly DifferenceConstraint[]): number[] {
  return [...new Set(cycle.flatMap(({ from, to }) => [from, to]))].sort((a, b) => a - b);
}

function ascending(a: number, b: number): number {
  return a - b;
}
