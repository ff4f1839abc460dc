/** A way from one node of a graph to another, taken `weight` times on average for each visit of the first. */
export interface Edge {
  readonly from: string;
  readonly to: string;
  readonly weight: number;
}

export interface Visits {
  /** Expected visits by node; infinite on, and downstream of, a cycle that does not end. */
  readonly expected: ReadonlyMap<string, number>;
  /** A cycle out of each group of nodes whose visits don't end: first node, ..., first node again. */
  readonly endless: readonly (readonly string[])[];
}

/** A pivot below this counts as zero: weights are sums of products of decimal fractions. */
const ZERO = 1e-9;

/**
 * How often each node is visited when `start` gives the visits from outside: the solution of v = start + Wᵀ v, where W
 * holds the edges' weights. It is finite and non-negative exactly where the series start + Wᵀ start + (Wᵀ)² start + ...
 * converges, that is where the spectral radius of W is below one in each group of nodes that reach one another. Such a
 * group's I - W is then a nonsingular M-matrix, which elimination without pivoting tells by its positive pivots
 * (A. Berman and R. J. Plemmons, "Nonnegative Matrices in the Mathematical Sciences", 1994, theorem 6.2.3).
 * Groups are solved one by one, callers first, so that a graph without cycles costs linear time.
 */
export function expectedVisits(
  nodes: Iterable<string>,
  edges: readonly Edge[],
  start: ReadonlyMap<string, number>,
): Visits {
  const outgoing = new Map<string, Map<string, number>>();
  for (const node of nodes) outgoing.set(node, new Map());
  for (const { from, to, weight } of edges) {
    const row = outgoing.get(from);
    if (row && outgoing.has(to) && weight > 0) row.set(to, (row.get(to) ?? 0) + weight);
  }
  const expected = new Map<string, number>();
  for (const node of outgoing.keys()) expected.set(node, start.get(node) ?? 0);
  const endless: (readonly string[])[] = [];
  for (const group of stronglyConnected(outgoing).reverse()) {
    const members = new Set(group);
    const endlessBefore = group.some((node) => expected.get(node) === Number.POSITIVE_INFINITY);
    const visits = solveGroup(group, outgoing, endlessBefore ? new Map() : expected);
    if (!visits) endless.push(cycleWithin(group, outgoing));
    for (const [index, node] of group.entries()) {
      const own = visits && !endlessBefore ? (visits[index] ?? 0) : Number.POSITIVE_INFINITY;
      expected.set(node, own);
      if (own === 0) continue;
      for (const [to, weight] of outgoing.get(node) ?? []) {
        if (!members.has(to)) expected.set(to, (expected.get(to) ?? 0) + own * weight);
      }
    }
  }
  return { expected, endless };
}

type Graph = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Solves (I - Wᵀ) v = inflow within the group; undefined where it does not converge. */
function solveGroup(group: readonly string[], graph: Graph, inflow: ReadonlyMap<string, number>): number[] | undefined {
  const [only = ''] = group;
  if (group.length === 1 && !graph.get(only)?.has(only)) return [inflow.get(only) ?? 0];
  const size = group.length;
  const index = new Map(group.map((node, i) => [node, i]));
  const rows = group.map((node) => {
    const row = new Float64Array(size + 1);
    row[size] = inflow.get(node) ?? 0;
    return row;
  });
  for (const [from, node] of group.entries()) {
    for (const [to, weight] of graph.get(node) ?? []) {
      const row = rows[index.get(to) ?? -1];
      if (row) row[from] = (row[from] ?? 0) - weight;
    }
    const own = rows[from] as Float64Array;
    own[from] = (own[from] ?? 0) + 1;
  }
  for (const [i, pivotRow] of rows.entries()) {
    const pivot = pivotRow[i] ?? 0;
    if (!(pivot > ZERO)) return undefined;
    for (let r = i + 1; r < size; r++) {
      const row = rows[r] as Float64Array;
      const factor = (row[i] ?? 0) / pivot;
      if (factor === 0) continue;
      for (let c = i; c <= size; c++) row[c] = (row[c] ?? 0) - factor * (pivotRow[c] ?? 0);
    }
  }
  const visits = new Array<number>(size).fill(0);
  for (let i = size - 1; i >= 0; i--) {
    const row = rows[i] as Float64Array;
    let sum = row[size] ?? 0;
    for (let c = i + 1; c < size; c++) sum -= (row[c] ?? 0) * (visits[c] ?? 0);
    visits[i] = Math.max(0, sum / (row[i] ?? 1));
  }
  return visits;
}

/**
 * Groups of nodes that reach one another, callees before callers (R. Tarjan, "Depth-First Search and Linear Graph
 * Algorithms", SIAM Journal on Computing 1, 1972), with a stack of our own, since a chain may be thousands long.
 */
export function stronglyConnected(graph: Graph): string[][] {
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  const groups: string[][] = [];
  for (const root of graph.keys()) {
    if (order.has(root)) continue;
    const path: { readonly node: string; readonly next: Iterator<string> }[] = [];
    const enter = (node: string): void => {
      order.set(node, order.size);
      low.set(node, order.size - 1);
      open.push(node);
      isOpen.add(node);
      path.push({ node, next: (graph.get(node) ?? new Map<string, number>()).keys() });
    };
    enter(root);
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const { node, next } = top;
      const step = next.next();
      if (!step.done) {
        if (!order.has(step.value)) enter(step.value);
        else if (isOpen.has(step.value)) low.set(node, Math.min(low.get(node) ?? 0, order.get(step.value) ?? 0));
        continue;
      }
      path.pop();
      const parent = path.at(-1)?.node;
      if (parent !== undefined) low.set(parent, Math.min(low.get(parent) ?? 0, low.get(node) ?? 0));
      if (low.get(node) !== order.get(node)) continue;
      const group = open.splice(open.lastIndexOf(node));
      for (const member of group) isOpen.delete(member);
      groups.push(group.reverse());
    }
  }
  return groups;
}

/** A node that alone repeats itself without end, else a shortest cycle through the group's first node. */
function cycleWithin(group: readonly string[], graph: Graph): readonly string[] {
  const alone = group.find((node) => (graph.get(node)?.get(node) ?? 0) >= 1);
  if (alone !== undefined) return [alone, alone];
  const [first = ''] = group;
  const members = new Set(group);
  const cameFrom = new Map<string, string>();
  const queue = [first];
  for (const node of queue) {
    for (const next of graph.get(node)?.keys() ?? []) {
      if (next === first) {
        const cycle = [first];
        for (let at: string | undefined = node; at !== undefined && at !== first; at = cameFrom.get(at)) cycle.push(at);
        return [...cycle, first].reverse();
      }
      if (!members.has(next) || cameFrom.has(next)) continue;
      cameFrom.set(next, node);
      queue.push(next);
    }
  }
  return [first, first];
}
