import { chooseEndpoint, DEFAULT_ENDPOINT, parseCallee } from './callee';
import type { Distribution } from './distribution';
import { layered } from './layered';
import { type Hedge, resolveCallPolicies, resolveLimit, resolveRetryBudget } from './resilience';
import { resolveCallFaults, resolveFault, resolveFaultRules } from './resolve-faults';
import type {
  CallDefaultsSpec,
  CallSpec,
  EndpointSpec,
  NamedEndpointSpec,
  RetriesSpec,
  ServiceSpec,
  StepSpec,
  TopologySpec,
  WorkSpec,
} from './spec';
import type { Endpoint, Outgoing, Retries, Service, Step, Topology } from './topology';

const DEFAULT_DEADLINE_MS = 10_000;
const NO_RETRIES: Retries = { max: 0, backoffMs: 25, maxBackoffMs: 1_000, jitter: 0.5 };

type AnyServiceSpec = ServiceSpec<Record<string, unknown>>;

/**
 * Fills in every default, expands the short forms and gives each step its identity. Pure; expects a specification that
 * `validate` finds no fault with, and a name.
 */
export function resolve(spec: TopologySpec, name: string): Topology {
  const specs = Object.entries(spec.services as Record<string, AnyServiceSpec>);
  const services = specs.map(([service, serviceSpec]) => ({
    serviceSpec,
    service,
    endpoints: Object.fromEntries(
      Object.entries(endpointSpecs(serviceSpec)).map(([key, endpoint]) => [
        key,
        resolveEndpoint(key, endpoint, serviceSpec, spec),
      ]),
    ),
  }));
  const callees = new Map(services.map(({ service, endpoints }) => [service, calleesOf(endpoints)]));
  return {
    name,
    seed: spec.seed ?? name,
    services: Object.fromEntries(
      services.map(({ service, serviceSpec, endpoints }): [string, Service] => [
        service,
        {
          name: service,
          role: serviceSpec.edge ? 'edge' : callees.get(service)?.length ? 'intermediate' : 'foundational',
          edge: serviceSpec.edge ?? false,
          replicas: serviceSpec.replicas ?? spec.defaults?.replicas ?? 1,
          server: serviceSpec.server ?? spec.defaults?.server ?? 'koa',
          client: serviceSpec.client ?? spec.defaults?.client ?? 'got',
          endpoints,
          callees: callees.get(service) ?? [],
          callers: services
            .map((other) => other.service)
            .filter((other) => callees.get(other)?.includes(service))
            .sort(),
          faults: resolveFaultRules(serviceSpec),
          ...serviceLimit(serviceSpec, spec),
          ...(serviceSpec.aws?.instanceType && { instanceType: serviceSpec.aws.instanceType }),
        },
      ]),
    ),
  };
}

/** The endpoints of a service by key; one default endpoint where none is named. */
export function endpointSpecs(service: AnyServiceSpec): Readonly<Record<string, EndpointSpec>> {
  return (service.endpoints as Record<string, EndpointSpec> | undefined) ?? { [DEFAULT_ENDPOINT]: service };
}

/**
 * The key of the endpoint that a reference means, or undefined where there is none or several could be meant. A bare
 * service means its `GET /` (or `<method> /` where a method is given), else its only endpoint.
 */
export function calleeEndpoint(spec: TopologySpec, reference: string, method: string | undefined): string | undefined {
  const { service, endpoint } = parseCallee(reference);
  const services = spec.services as Record<string, AnyServiceSpec>;
  const callee = Object.hasOwn(services, service) ? services[service] : undefined;
  if (!callee) return undefined;
  return chooseEndpoint(Object.keys(endpointSpecs(callee)), callee.endpoints === undefined, endpoint, method);
}

function serviceLimit({ concurrency: own }: AnyServiceSpec, { defaults }: TopologySpec) {
  const concurrency = own ?? defaults?.concurrency;
  return concurrency && { concurrency: resolveLimit(concurrency) };
}

function resolveEndpoint(key: string, endpoint: EndpointSpec, service: AnyServiceSpec, spec: TopologySpec): Endpoint {
  const anyMethod = service.endpoints === undefined;
  const [method = 'GET', path = '/'] = key.split(' ');
  const { concurrency } = endpoint as NamedEndpointSpec;
  const work: StepSpec[] = endpoint.latencyMs === undefined ? [] : [{ work: { latencyMs: endpoint.latencyMs } }];
  const written = (endpoint.steps ?? endpoint.calls ?? []) as readonly StepSpec[];
  return {
    key,
    anyMethod,
    method: anyMethod && endpoint.requestBytes !== undefined ? 'POST' : method,
    path,
    weight: endpoint.weight ?? 1,
    deadlineMs: endpoint.deadlineMs ?? spec.defaults?.deadlineMs ?? DEFAULT_DEADLINE_MS,
    requestBytes: endpoint.requestBytes ?? null,
    responseBytes: endpoint.responseBytes ?? spec.defaults?.responseBytes ?? 0,
    steps: stepResolver(spec, layered(service.callDefaults, spec.defaults))([...work, ...written], 'parallel'),
    ...(!anyMethod && concurrency && { concurrency: resolveLimit(concurrency) }),
  };
}

/** Resolves one endpoint's steps; counts occurrences over the whole endpoint, so that an identity is unique in it. */
function stepResolver(spec: TopologySpec, defaults: CallDefaultsSpec) {
  const occurrences = new Map<string, number>();

  const identify = (kind: string, id: string | undefined, callee = ''): string => {
    if (id !== undefined) return id;
    const base = callee ? `${kind}:${callee}` : kind;
    const occurrence = (occurrences.get(base) ?? 0) + 1;
    occurrences.set(base, occurrence);
    return `${base}#${occurrence}`;
  };

  /** @param listMeans what a bare list at this level stands for: lists alternate on the way down */
  const resolveSteps = (steps: readonly StepSpec[], listMeans: 'parallel' | 'sequence'): readonly Step[] =>
    steps.map((step) => resolveStep(step, listMeans));

  const resolveStep = (step: StepSpec, listMeans: 'parallel' | 'sequence'): Step => {
    if (typeof step === 'string') return { kind: 'call', ...outgoing('call', step, {}) };
    if (isList(step)) return resolveStep(listMeans === 'parallel' ? { parallel: step } : { sequence: step }, listMeans);
    if ('call' in step && step.call !== undefined) return { kind: 'call', ...outgoing('call', step.call, step) };
    if ('send' in step && step.send !== undefined)
      return { kind: 'send', ...outgoing('send', step.send, { ...step, method: 'POST' }) };
    if ('parallel' in step && step.parallel !== undefined) {
      const id = identify('parallel', step.id);
      return { kind: 'parallel', id, steps: resolveSteps(step.parallel, 'sequence') };
    }
    if ('sequence' in step && step.sequence !== undefined) {
      const id = identify('sequence', step.id);
      return { kind: 'sequence', id, steps: resolveSteps(step.sequence, 'parallel') };
    }
    if ('oneOf' in step && step.oneOf !== undefined) {
      const id = identify('oneOf', step.id);
      const branches = step.oneOf.map(({ weight, steps }) => ({ weight, steps: resolveSteps(steps, 'parallel') }));
      return { kind: 'oneOf', id, branches };
    }
    if ('fault' in step && step.fault !== undefined) {
      const { fault: type, args, probability = 1, id } = step;
      return { kind: 'fault', id: identify(`fault:${type}`, id), fault: resolveFault(type, args), probability };
    }
    const { latencyMs = null, cpuMs = null, memoryBytes = null, diskBytes = null } = (step as WorkSpec).work;
    return { kind: 'work', id: identify('work', step.id), latencyMs, cpuMs, memoryBytes, diskBytes };
  };

  const outgoing = (kind: 'call' | 'send', reference: string, options: Omit<CallSpec, 'call'>): Outgoing => {
    const { service } = parseCallee(reference);
    const endpoint = calleeEndpoint(spec, reference, options.method) ?? DEFAULT_ENDPOINT;
    const callee = (spec.services as Record<string, AnyServiceSpec>)[service];
    const [endpointMethod = 'GET', path = '/'] = endpoint.split(' ');
    const requestBytes: Distribution | null = options.requestBytes ?? null;
    const anyMethod = callee?.endpoints === undefined;
    const method = options.method ?? (anyMethod && requestBytes !== null ? 'POST' : endpointMethod);
    const id = identify(kind, options.id, `${service} ${endpoint}`);
    const { timeoutMs = null, retries, ...stated } = layered<CallDefaultsSpec>(options, defaults);
    const replicas = callee?.replicas ?? spec.defaults?.replicas ?? 1;
    const hedge = options.hedge ?? usefulHedge(defaults.hedge, replicas, timeoutMs);
    const answerPolicies = kind === 'send' ? ({ hedge: false, fallback: false } as const) : { hedge };
    return {
      id,
      service,
      endpoint,
      method,
      path,
      probability: options.probability ?? 1,
      count: options.count ?? 1,
      timeoutMs,
      retries: resolveRetries(retries),
      requestBytes,
      optional: options.optional ?? false,
      faults: resolveCallFaults(id, options.faults ?? []),
      ...resolveCallPolicies({ ...stated, ...answerPolicies }),
    };
  };

  return resolveSteps;
}

/** A default that could never be sent is left out; a call's own is a fault then, which validation finds. */
function usefulHedge(hedge: Hedge | false | undefined, replicas: number, timeoutMs: number | null): Hedge | false {
  return hedge && replicas > 1 && (timeoutMs === null || hedge.afterMs < timeoutMs) ? hedge : false;
}

function resolveRetries(retries: RetriesSpec | undefined): Retries {
  if (retries === undefined) return NO_RETRIES;
  if (typeof retries === 'number') return { ...NO_RETRIES, max: retries };
  const { max, backoffMs = NO_RETRIES.backoffMs, maxBackoffMs = NO_RETRIES.maxBackoffMs } = retries;
  const { jitter = NO_RETRIES.jitter, budget } = retries;
  return { max, backoffMs, maxBackoffMs, jitter, ...(budget && { budget: resolveRetryBudget(budget) }) };
}

function calleesOf(endpoints: Readonly<Record<string, Endpoint>>): readonly string[] {
  const names = new Set<string>();
  for (const endpoint of Object.values(endpoints)) {
    for (const step of stepsWithin(endpoint.steps)) {
      if (step.kind === 'call' || step.kind === 'send') names.add(step.service);
    }
  }
  return [...names].sort();
}

/** Every step of a list, groups before their members, in the order written. */
export function* stepsWithin(steps: readonly Step[]): Generator<Step> {
  for (const step of steps) {
    yield step;
    if (step.kind === 'parallel' || step.kind === 'sequence') yield* stepsWithin(step.steps);
    if (step.kind === 'oneOf') for (const branch of step.branches) yield* stepsWithin(branch.steps);
  }
}

function isList(step: StepSpec): step is readonly StepSpec[] {
  return Array.isArray(step);
}
