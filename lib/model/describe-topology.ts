import { edgeEndpoints, endpointVisits, expectedRequests, nodeName } from './call-graph';
import { isTolerated } from './decisions';
import { describePolicies, type PolicyDescription } from './describe-policies';
import { estimateLatency, type LatencyEstimate } from './estimate';
import type { FaultPosition, FaultType } from './fault';
import { stepsWithin } from './resolve';
import type { Role, Service, Topology } from './topology';
import { stronglyConnected } from './visits';

/** What follows from a topology without running it. All averages are for one edge request, chosen by the edge's weights. */
export interface TopologyDescription {
  readonly topology: string;
  readonly seed: string;
  readonly services: readonly ServiceDescription[];
  readonly edges: readonly EdgeDescription[];
  readonly instances: number;
  readonly endpoints: number;
  /** Most hops from the edge. */
  readonly depth: number;
  /** Calls and sends, the edge request itself left out. */
  readonly callsPerRequest: number;
  readonly sendsPerRequest: number;
}

export interface ServiceDescription {
  readonly service: string;
  readonly role: Role;
  readonly replicas: number;
  readonly endpoints: readonly string[];
  /** Most hops from the edge; services that call each other in a circle have one depth. */
  readonly depth: number;
  /** Requests that it handles for one edge request. */
  readonly requestsPerEdgeRequest: number;
  /** Calls and sends that it makes for each request it handles. */
  readonly fanOut: number;
  readonly callees: readonly CalleeDescription[];
  /** What protects it, and the services that it calls. */
  readonly policies: readonly PolicyDescription[];
  /** What goes wrong on purpose: its rules, faults among its steps, and those of its calls. */
  readonly faults: readonly FaultDescription[];
}

export interface FaultDescription {
  readonly id: string;
  readonly type: FaultType;
  readonly at: FaultPosition | 'step';
  readonly probability: number;
  /** Key of the endpoint; null for every one. */
  readonly endpoint: string | null;
}

/** All steps of a service that lead to one callee in one way. */
export interface CalleeDescription {
  readonly service: string;
  readonly kind: 'call' | 'send';
  /** A failure is tolerated, by a fallback too. */
  readonly optional: boolean;
  /** How many for each request that the caller handles. */
  readonly expected: number;
}

export interface EdgeDescription {
  readonly service: string;
  readonly endpoint: string;
  readonly share: number;
  readonly callsPerRequest: number;
  readonly latency: LatencyEstimate;
}

export function describeTopology(topology: Topology): TopologyDescription {
  const entries = edgeEndpoints(topology);
  const visits = endpointVisits(topology, new Map(entries.map((e) => [nodeName(e.service, e.endpoint.key), e.share])));
  const depths = depthsOf(topology);
  const all = Object.values(topology.services);
  const services = all.map((service) => describeService(service, visits, depths.get(service.name) ?? 0));
  const requests = services.reduce((sum, { requestsPerEdgeRequest }) => sum + requestsPerEdgeRequest, 0);
  const sends = services.flatMap(({ requestsPerEdgeRequest, callees }) =>
    callees.filter(({ kind }) => kind === 'send').map(({ expected }) => expected * requestsPerEdgeRequest),
  );
  return {
    topology: topology.name,
    seed: topology.seed,
    services,
    edges: entries.map(({ service, endpoint, share }) => {
      const own = endpointVisits(topology, new Map([[nodeName(service, endpoint.key), 1]]));
      const callsPerRequest = sum(own.values()) - 1;
      const latency = estimateLatency(topology, service, endpoint, callsPerRequest);
      return { service, endpoint: endpoint.key, share, callsPerRequest, latency };
    }),
    instances: sum(all.map(({ replicas }) => replicas)),
    endpoints: sum(all.map(({ endpoints }) => Object.keys(endpoints).length)),
    depth: Math.max(...services.map(({ depth }) => depth)),
    callsPerRequest: requests - 1,
    sendsPerRequest: sum(sends),
  };
}

function describeService(service: Service, visits: ReadonlyMap<string, number>, depth: number): ServiceDescription {
  const endpoints = Object.values(service.endpoints);
  const handled = sum(endpoints.map(({ key }) => visits.get(nodeName(service.name, key)) ?? 0));
  const callees = new Map<string, CalleeDescription>();
  for (const endpoint of endpoints) {
    // An endpoint that nobody asks for still shows whom it would call.
    const own = visits.get(nodeName(service.name, endpoint.key)) ?? 0;
    const part = handled > 0 ? own / handled : 1 / endpoints.length;
    for (const { step, expected } of expectedRequests(endpoint)) {
      const optional = isTolerated(step);
      const key = `${step.service} ${step.kind} ${optional}`;
      const before = callees.get(key)?.expected ?? 0;
      const { kind } = step;
      callees.set(key, { service: step.service, kind, optional, expected: before + part * expected });
    }
  }
  return {
    service: service.name,
    role: service.role,
    replicas: service.replicas,
    endpoints: endpoints.map(({ key }) => key),
    depth,
    requestsPerEdgeRequest: handled,
    fanOut: sum([...callees.values()].map(({ expected }) => expected)),
    callees: [...callees.values()],
    policies: describePolicies(service),
    faults: describeFaults(service),
  };
}

function describeFaults({ faults, endpoints }: Service): readonly FaultDescription[] {
  const all: FaultDescription[] = faults.map(({ id, fault, at, probability = 1, endpoint = null }) => ({
    id,
    type: fault.type,
    at,
    probability,
    endpoint,
  }));
  for (const { key, steps } of Object.values(endpoints)) {
    for (const step of stepsWithin(steps)) {
      if (step.kind === 'fault') {
        const { id, fault, probability } = step;
        all.push({ id, type: fault.type, at: 'step', probability, endpoint: key });
      }
      if (step.kind !== 'call' && step.kind !== 'send') continue;
      for (const { id, fault, probability } of step.faults) {
        all.push({ id, type: fault.type, at: 'call', probability, endpoint: key });
      }
    }
  }
  return all;
}

/** Longest ways from the edge, by service, over the groups that call each other in a circle. */
function depthsOf({ services }: Topology): ReadonlyMap<string, number> {
  const graph = new Map(
    Object.values(services).map(({ name, callees }) => [name, new Map(callees.map((callee) => [callee, 1]))]),
  );
  const depths = new Map<string, number>();
  for (const group of stronglyConnected(graph).reverse()) {
    const depth = Math.max(0, ...group.map((name) => depths.get(name) ?? 0));
    const members = new Set(group);
    for (const name of group) {
      depths.set(name, depth);
      for (const callee of services[name]?.callees ?? []) {
        if (!members.has(callee)) depths.set(callee, Math.max(depths.get(callee) ?? 0, depth + 1));
      }
    }
  }
  return depths;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
