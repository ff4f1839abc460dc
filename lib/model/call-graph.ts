import { meanCount } from './distribution';
import type { CallGraph } from './itinerary';
import type { CallStep, Endpoint, SendStep, Step, Topology } from './topology';
import { type Edge, expectedVisits } from './visits';

/** A request that an endpoint sends, and how many of them are expected each time it runs, all its callees answering. */
export interface ExpectedRequest {
  readonly step: CallStep | SendStep;
  readonly expected: number;
}

/** What itineraries are held against; see `ENVIRONMENT.graph`. */
export function calleesByService({ services }: Topology): CallGraph {
  return Object.fromEntries(Object.values(services).map(({ name, callees }) => [name, callees]));
}

/** How an endpoint is named as a node of the call graph: as a callee is written. */
export function nodeName(service: string, endpoint: string): string {
  return `${service} ${endpoint}`;
}

export function expectedRequests(endpoint: Endpoint): readonly ExpectedRequest[] {
  return [...requestsOf(endpoint.steps, 1)];
}

function* requestsOf(steps: readonly Step[], share: number): Generator<ExpectedRequest> {
  for (const step of steps) {
    switch (step.kind) {
      case 'call':
      case 'send':
        yield { step, expected: share * step.probability * meanCount(step.count) };
        break;
      case 'parallel':
      case 'sequence':
        yield* requestsOf(step.steps, share);
        break;
      case 'oneOf': {
        const total = step.branches.reduce((sum, { weight }) => sum + weight, 0);
        for (const { weight, steps: inner } of step.branches) yield* requestsOf(inner, (share * weight) / total);
        break;
      }
      case 'work':
      case 'fault':
        break;
    }
  }
}

/**
 * How often each endpoint runs, on average, for requests from outside: `start` says how many come to which endpoint.
 * Nothing fails and nothing is retried.
 */
export function endpointVisits(topology: Topology, start: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const nodes: string[] = [];
  const edges: Edge[] = [];
  for (const service of Object.values(topology.services)) {
    for (const endpoint of Object.values(service.endpoints)) {
      const from = nodeName(service.name, endpoint.key);
      nodes.push(from);
      for (const { step, expected } of expectedRequests(endpoint)) {
        edges.push({ from, to: nodeName(step.service, step.endpoint), weight: expected });
      }
    }
  }
  return expectedVisits(nodes, edges, start).expected;
}

export interface EdgeEndpoint {
  readonly service: string;
  readonly endpoint: Endpoint;
  /** Its part of the edge's traffic; all of them sum to 1. */
  readonly share: number;
}

/** The endpoints that users reach, with the share of traffic that their weights give them. */
export function edgeEndpoints(topology: Topology): readonly EdgeEndpoint[] {
  const endpoints = Object.values(topology.services)
    .filter(({ edge }) => edge)
    .flatMap(({ name, endpoints }) => Object.values(endpoints).map((endpoint) => ({ service: name, endpoint })));
  const total = endpoints.reduce((sum, { endpoint }) => sum + endpoint.weight, 0);
  return endpoints.map(({ service, endpoint }) => ({ service, endpoint, share: endpoint.weight / total }));
}
