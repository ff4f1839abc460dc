/**
 * Systems of difference constraints, `value[to] - value[from] <= limit`, solved by shortest paths (Bellman and Ford;
 * see Cormen et al., "Introduction to Algorithms", 24.4). Variables are numbered from 0.
 */
export interface DifferenceConstraint {
  readonly from: number;
  readonly to: number;
  readonly limit: number;
}

/** Per variable how far below and above the reference its value may lie; infinite where nothing ties it down. */
export interface Ranges {
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

/** Constraints that cannot hold together: a cycle whose limits sum to less than zero. */
export interface Contradiction {
  readonly cycle: readonly DifferenceConstraint[];
}

/** Rounding may turn a cycle of sum zero into one of about -1e-12; no clock is read to a nanosecond. */
const TOLERANCE = 1e-6;

/**
 * The tightest ranges of all variables relative to `reference`, or one contradiction. Any value of one variable within
 * its range belongs to some solution; the lower ends together are a solution, so are the upper ends, and so is any
 * mean of the two.
 */
export function solveRanges(
  variables: number,
  constraints: readonly DifferenceConstraint[],
  reference: number,
): Ranges | Contradiction {
  const upper = shortestPaths(variables, constraints, reference);
  if ('cycle' in upper) return upper;
  const reversed = constraints.map(({ from, to, limit }) => ({ from: to, to: from, limit }));
  const lower = shortestPaths(variables, reversed, reference);
  if ('cycle' in lower) {
    return { cycle: lower.cycle.map(({ from, to, limit }) => ({ from: to, to: from, limit })) };
  }
  return { lower: lower.distances.map((distance) => -distance), upper: upper.distances };
}

function shortestPaths(
  variables: number,
  constraints: readonly DifferenceConstraint[],
  source: number,
): { readonly distances: Float64Array } | Contradiction {
  const distances = new Float64Array(variables).fill(Number.POSITIVE_INFINITY);
  const arrivedBy: (DifferenceConstraint | undefined)[] = new Array(variables);
  distances[source] = 0;
  let improved: DifferenceConstraint | undefined;
  for (let round = 0; round <= variables; round++) {
    improved = undefined;
    for (const constraint of constraints) {
      const candidate = at(distances, constraint.from) + constraint.limit;
      if (candidate < at(distances, constraint.to) - TOLERANCE) {
        distances[constraint.to] = candidate;
        arrivedBy[constraint.to] = constraint;
        improved = constraint;
      }
    }
    if (!improved) return { distances };
  }
  return { cycle: cycleThrough(improved as DifferenceConstraint, arrivedBy, variables) };
}

/** Walks back far enough to be on the cycle, then once around it. */
function cycleThrough(
  start: DifferenceConstraint,
  arrivedBy: readonly (DifferenceConstraint | undefined)[],
  variables: number,
): DifferenceConstraint[] {
  let variable = start.to;
  for (let step = 0; step < variables; step++) variable = arrivedBy[variable]?.from ?? variable;
  const cycle: DifferenceConstraint[] = [];
  let current = variable;
  do {
    const constraint = arrivedBy[current];
    if (!constraint) break;
    cycle.unshift(constraint);
    current = constraint.from;
  } while (current !== variable);
  return cycle;
}

function at(values: Float64Array, index: number): number {
  return values[index] as number;
}

/** Of constraints between the same two, the one that matters. */
export function tightest(constraints: readonly DifferenceConstraint[]): DifferenceConstraint[] {
  const best = new Map<string, DifferenceConstraint>();
  for (const constraint of constraints) {
    const pair = `${constraint.from} ${constraint.to}`;
    const known = best.get(pair);
    if (!known || constraint.limit < known.limit) best.set(pair, constraint);
  }
  return [...best.values()];
}

/** Of what is possible for a variable; undefined where that has no end. */
export function middle({ lower, upper }: Ranges, host: number): number | undefined {
  const centre = ((lower[host] as number) + (upper[host] as number)) / 2;
  return Number.isFinite(centre) ? centre : undefined;
}
