import { type DrawContext, formatHash, type Hash, hashText, parseHash } from '../../model/draw';
import type { CallStep, Endpoint, SendStep, Topology } from '../../model/topology';
import { expectedCalls } from './expected-calls';

/** What a run's topology says of requests that left no event. */
export interface Expectation {
  readonly topology: Topology;
  /** Services whose slice was changed while the topology ran: what held for a lost request is not known. */
  readonly changed: ReadonlySet<string>;
}

/** A request whose steps are known: its endpoint, and its place as sixteen hexadecimal digits. */
export interface Located {
  readonly service: string;
  readonly endpoint: string | null;
  readonly place: string | null;
}

/** One attempt on the way from a request down to another one. */
export interface Hop {
  readonly step: CallStep | SendStep;
  readonly repetition: number;
  readonly attempt: number;
  readonly place: string;
}

/** The expectation for the requests of one key. */
export interface KeyExpectation {
  readonly topology: Topology;
  /** Null where nothing is known of its steps. */
  stepsOf(request: Located): { readonly endpoint: Endpoint; readonly draws: DrawContext } | null;
  /** The attempts that lead from a request to the one at `place`; null where none of those it may have made do. */
  wayTo(from: Located, place: string, service: string): readonly Hop[] | null;
}

/** Requests that a search looks at before it is given up. */
const MOST_SEARCHED = 5_000;

export function expectationOf({ topology, changed }: Expectation, key: string): KeyExpectation {
  const seed = hashText(topology.seed);
  const keyHash = hashText(key);
  const reach = reachability(topology);

  const stepsOf = ({ service, endpoint, place }: Located) => {
    const known = topology.services[service]?.endpoints[endpoint ?? ''];
    const at = parseHash(place ?? '');
    if (!known || !at || changed.has(service)) return null;
    return { endpoint: known, draws: { seed, key: keyHash, place: at } };
  };

  const wayTo = (from: Located, place: string, service: string): readonly Hop[] | null => {
    const sought = parseHash(place);
    if (!sought) return null;
    // Nearest first: a request that lost its caller has usually lost nobody else.
    const waiting: { readonly at: Located; readonly hops: readonly Hop[] }[] = [{ at: from, hops: [] }];
    for (let next = 0; next < waiting.length && next < MOST_SEARCHED; next++) {
      const { at, hops } = waiting[next] as (typeof waiting)[number];
      const own = stepsOf(at);
      if (!own) continue;
      for (const { step, repetition, places } of expectedCalls(own.endpoint, own.draws)) {
        if (step.service !== service && !reach(step.service).has(service)) continue;
        for (const [index, reached] of places.entries()) {
          const hop = { step, repetition, attempt: index + 1, place: formatHash(reached) };
          if (isSame(reached, sought)) return [...hops, hop];
          waiting.push({
            at: { service: step.service, endpoint: step.endpoint, place: hop.place },
            hops: [...hops, hop],
          });
        }
      }
    }
    return null;
  };

  return { topology, stepsOf, wayTo };
}

function isSame(a: Hash, b: Hash): boolean {
  return a.high === b.high && a.low === b.low;
}

/** The services below each one. */
function reachability({ services }: Topology): (service: string) => ReadonlySet<string> {
  const known = new Map<string, Set<string>>();
  return (service) => {
    let below = known.get(service);
    if (below) return below;
    below = new Set(services[service]?.callees);
    for (const callee of below) for (const next of services[callee]?.callees ?? []) below.add(next);
    known.set(service, below);
    return below;
  };
}
