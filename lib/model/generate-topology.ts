import { type DrawContext, draw, hashText } from './draw';
import { normalQuantile } from './normal-quantile';
import type { EndpointSpec, ServiceSpec, StepSpec, TopologySpec } from './spec';

export interface GeneratorOptions {
  /** All services, edge and shared ones included; from 2. */
  readonly services: number;
  /** Hops from the edge to the deepest service of the tree, below which only shared ones come; from 1. @default 5 */
  readonly depth?: number;
  /**
   * How uneven the fan-out is: the chance that a service's caller is chosen by how many callees it already has, and not
   * evenly. 0 gives fan-outs of even size, 1 a few very large ones. @default 0.6
   */
  readonly skew?: number;
  /** Part of the services that are shared: called from everywhere, by popularity. @default 0.05 */
  readonly shared?: number;
  /** Calls that a service makes on average for each request, shared services left out. @default 2 */
  readonly callsPerRequest?: number;
  /** The same seed and options give the same topology. @default 'generated' */
  readonly seed?: string;
  readonly name?: string;
}

/** The edge has an endpoint for each so many of its callees. */
const CALLEES_OF_EDGE_ENDPOINT = 4;

interface Draft {
  readonly name: string;
  readonly layer: number;
  readonly callees: string[];
  readonly shared: string[];
}

/**
 * A large topology in the shape of published call graphs: much like trees, shallow, with heavy-tailed fan-out, and a few
 * shared services that most requests meet. Shape after S. Luo et al., "Characterizing Microservice Dependency and
 * Performance: Alibaba Trace Analysis" (ACM SoCC 2021); its fitted parameters are not used. The tree grows by preferential
 * attachment (A.-L. Barabási and R. Albert, "Emergence of Scaling in Random Networks", Science 286, 1999) within
 * layers; shared services are chosen by Zipf's law. A request takes only some of a service's calls, as in the traces,
 * so that its own call graph stays small.
 */
export function generateTopology(options: GeneratorOptions): TopologySpec {
  const { services: size, depth = 5, shared = 0.05, callsPerRequest = 2, seed = 'generated', name } = options;
  checkOptions(size, depth);
  const random = randomNumbers(seed);
  const sharedCount = Math.min(Math.round(size * shared), Math.max(0, size - depth - 1));
  const drafts = growTree(size - sharedCount, depth, options.skew ?? 0.6, random);
  const stores = Array.from({ length: sharedCount }, (_, index) => `store-${letters(index)}`);
  for (const store of stores) drafts[Math.floor(random() * drafts.length)]?.shared.push(store);
  for (const draft of drafts) {
    while (stores.length > draft.shared.length && random() < 0.35) {
      const store = stores[zipf(stores.length, random)];
      if (store !== undefined && !draft.shared.includes(store)) draft.shared.push(store);
      else break;
    }
  }
  return {
    ...(name !== undefined && { name }),
    seed,
    services: Object.fromEntries([
      ...drafts.map((draft) => [draft.name, serviceOf(draft, callsPerRequest, random)]),
      ...stores.map((store, rank) => [store, { replicas: rank < 2 ? 2 : 1, latencyMs: lognormal(0.5, 2, random) }]),
    ]),
  };
}

function checkOptions(services: number, depth: number): void {
  if (!Number.isInteger(services) || services < 2)
    throw new RangeError(`services: ${services} is no whole number from 2`);
  if (!Number.isInteger(depth) || depth < 1 || depth >= services) {
    throw new RangeError(`depth: ${depth} is no whole number from 1 to ${services - 1}, one below the services`);
  }
}

/** A chain down to the full depth, then each further service below one that has room beneath it. */
function growTree(size: number, depth: number, skew: number, random: () => number): readonly Draft[] {
  const drafts: Draft[] = [];
  /** Each draft once for every callee it has: choosing evenly among these prefers those that have many. */
  const popular: Draft[] = [];
  const add = (caller: Draft | undefined): Draft => {
    const layer = caller ? caller.layer + 1 : 0;
    const draft = { name: caller ? `s${drafts.length}` : 'edge', layer, callees: [], shared: [] };
    if (caller) {
      caller.callees.push(draft.name);
      popular.push(caller);
    }
    drafts.push(draft);
    return draft;
  };
  let last = add(undefined);
  for (let layer = 1; layer <= depth && drafts.length < size; layer++) last = add(last);
  const open = drafts.filter(({ layer }) => layer < depth);
  while (drafts.length < size) {
    const pool = random() < skew ? popular : open;
    const draft = add(pool[Math.floor(random() * pool.length)]);
    if (draft.layer < depth) open.push(draft);
  }
  return drafts;
}

function serviceOf(draft: Draft, callsPerRequest: number, random: () => number): ServiceSpec<Record<string, unknown>> {
  if (draft.layer > 0) return endpointOf(draft.callees, draft.shared, callsPerRequest, random);
  const endpoints: Record<string, EndpointSpec> = {};
  for (let first = 0; first < draft.callees.length; first += CALLEES_OF_EDGE_ENDPOINT) {
    const callees = draft.callees.slice(first, first + CALLEES_OF_EDGE_ENDPOINT);
    const endpoint = endpointOf(callees, draft.shared, callsPerRequest, random);
    endpoints[`GET /${letters(Object.keys(endpoints).length)}`] = {
      weight: 1 + Math.floor(10 * random()),
      ...endpoint,
    };
  }
  return { edge: true, replicas: 2, endpoints };
}

function endpointOf(
  callees: readonly string[],
  shared: readonly string[],
  callsPerRequest: number,
  random: () => number,
): EndpointSpec {
  const probability = Math.min(1, Number((callsPerRequest / Math.max(1, callees.length)).toPrecision(3)));
  const own = callees.map((call): StepSpec => (probability === 1 ? call : { call, probability }));
  const stores = shared.map((call): StepSpec => (random() < 0.5 ? call : { call, probability: 0.5 }));
  const steps: readonly StepSpec[] = own.length > 1 && random() < 0.5 ? [own] : own;
  return {
    latencyMs: lognormal(0.3, 4, random),
    ...(callees.length + shared.length > 0 && { steps: [...stores, ...steps] }),
  };
}

/** A median between the two, evenly on a logarithmic scale, with a moderate tail. */
function lognormal(low: number, high: number, random: () => number) {
  const median = Number((low * (high / low) ** random()).toPrecision(2));
  const sigma = Number(Math.min(1.2, Math.max(0.2, 0.6 + 0.15 * normalQuantile(0.001 + 0.998 * random()))).toFixed(2));
  return { lognormal: { median, sigma, max: Math.round(median * 50) } };
}

/** An index below `size`, the n-th with weight 1/n. */
function zipf(size: number, random: () => number): number {
  let total = 0;
  for (let rank = 1; rank <= size; rank++) total += 1 / rank;
  let left = random() * total;
  for (let rank = 1; rank <= size; rank++) {
    left -= 1 / rank;
    if (left < 0) return rank - 1;
  }
  return size - 1;
}

/** a, b, ..., z, aa, ab, ... */
function letters(index: number): string {
  const rest = Math.floor(index / 26) - 1;
  return (rest >= 0 ? letters(rest) : '') + String.fromCharCode(97 + (index % 26));
}

/** The draws of a node, counted, so that a topology is the same on every machine. */
function randomNumbers(seed: string): () => number {
  const place = hashText('generate');
  let count = 0;
  return () => {
    const context: DrawContext = { seed: hashText(seed), key: { high: 0, low: count++ }, place };
    return draw(context, place);
  };
}
