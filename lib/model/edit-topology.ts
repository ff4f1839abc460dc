import { chooseEndpoint, DEFAULT_ENDPOINT, parseCallee } from './callee';
import type { Distribution } from './distribution';
import type { FaultRule } from './fault';
import { nearest } from './nearest';
import { stepsWithin } from './resolve';
import { show } from './shape';
import type { CallStep, Endpoint, Service, Step, Topology, WorkStep } from './topology';
import { UserError } from './user-error';

/**
 * Changes of a topology that runs, each a pure function from one topology to the next. What is added comes last, and an
 * identity that goes is not taken again while others of its kind stand, so that no other step's draws change.
 */
export type TopologyEdit = (topology: Topology) => Topology;

export interface CallEdit {
  readonly from: string;
  /** Key of the caller's endpoint; every endpoint when left out. */
  readonly endpoint?: string | undefined;
  /** `service` or `service METHOD /path`. */
  readonly to: string;
}

export interface ConnectOptions {
  /** @default 1 */
  readonly probability?: number;
  /** @default whatever is left of the deadline */
  readonly timeoutMs?: number;
  /** @default false */
  readonly optional?: boolean;
}

/** Adds a call as the last step. */
export function connect({ from, endpoint, to }: CallEdit, options: ConnectOptions = {}): TopologyEdit {
  return (topology) => {
    const target = calleeOf(topology, to);
    return editEndpoints(topology, from, endpoint, (each) => ({
      ...each,
      steps: [...each.steps, callStep(each, target, options)],
    }));
  };
}

/** Removes every call and `send` to the callee, and groups that are empty then. */
export function disconnect({ from, endpoint, to }: CallEdit): TopologyEdit {
  return (topology) => {
    const { service, key } = calleeOf(topology, to);
    const exact = parseCallee(to).endpoint !== undefined;
    const concerns = (step: Step): boolean =>
      (step.kind === 'call' || step.kind === 'send') && step.service === service && (!exact || step.endpoint === key);
    let removed = 0;
    const without = (steps: readonly Step[]): readonly Step[] =>
      steps.flatMap((step): readonly Step[] => {
        if (concerns(step)) {
          removed += 1;
          return [];
        }
        if (step.kind === 'parallel' || step.kind === 'sequence') {
          const inner = without(step.steps);
          return inner.length > 0 ? [{ ...step, steps: inner }] : [];
        }
        if (step.kind !== 'oneOf') return [step];
        return [{ ...step, branches: step.branches.map((branch) => ({ ...branch, steps: without(branch.steps) })) }];
      });
    const edited = editEndpoints(topology, from, endpoint, (each) => ({ ...each, steps: without(each.steps) }));
    if (removed > 0) return edited;
    const where = endpoint === undefined ? from : `${from} ${endpoint}`;
    const callees = topology.services[from]?.callees ?? [];
    const remedy = callees.length > 0 ? `it calls ${callees.join(', ')}` : 'it calls nobody';
    throw new UserError({ where, problem: `does not call ${to}`, remedy });
  };
}

/** Gives the endpoint's first work step this latency; one is put before all others where it has none. */
export function setLatency(service: string, endpoint: string | undefined, latencyMs: Distribution): TopologyEdit {
  return setWork(service, endpoint, { latencyMs });
}

/** Changes what is given of the endpoint's first work step; one is put before all others where it has none. */
export function setWork(service: string, endpoint: string | undefined, work: Partial<WorkAmounts>): TopologyEdit {
  return (topology) =>
    editEndpoints(topology, service, endpoint, (each) => {
      const first = each.steps.findIndex(({ kind }) => kind === 'work');
      if (first < 0) return { ...each, steps: [newWork(each, work), ...each.steps] };
      const steps = each.steps.map((step, index) => (index === first ? { ...(step as WorkStep), ...work } : step));
      return { ...each, steps };
    });
}

type WorkAmounts = Pick<WorkStep, 'latencyMs' | 'cpuMs' | 'memoryBytes' | 'diskBytes'>;

/** Adds a rule to a service's, in the place of one with its id that was raised in the same way. */
export function addRule(service: string, rule: FaultRule): TopologyEdit {
  return (topology) => {
    const known = serviceOf(topology, service);
    const other = known.faults.find(({ id }) => id === rule.id);
    if (other && other.source !== rule.source) {
      const problem = `${show(rule.id)} is the id of a fault of its topology`;
      throw new UserError({ where: service, problem, remedy: 'give another id' });
    }
    const faults = [...known.faults.filter(({ id }) => id !== rule.id), rule];
    return withService(topology, { ...known, faults });
  };
}

/** Removes the rules that the predicate names from every service. */
export function removeRules(goes: (rule: FaultRule, service: string) => boolean): TopologyEdit {
  return (topology) => {
    let edited = topology;
    for (const service of Object.values(topology.services)) {
      const faults = service.faults.filter((rule) => !goes(rule, service.name));
      if (faults.length < service.faults.length) edited = withService(edited, { ...service, faults });
    }
    return edited;
  };
}

/** The service of that name, or a `UserError`. */
export function serviceOf({ name, services }: Topology, service: string): Service {
  const known = Object.hasOwn(services, service) ? services[service] : undefined;
  if (known) return known;
  const near = nearest(service, Object.keys(services));
  const remedy = near ? `did you mean ${near}?` : `use one of ${Object.keys(services).slice(0, 12).join(', ')}`;
  throw new UserError({ where: name, problem: `there is no service ${show(service)}`, remedy });
}

function calleeOf(topology: Topology, reference: string): { readonly service: string; readonly key: string } {
  const { service: name, endpoint } = parseCallee(reference);
  const service = serviceOf(topology, name);
  const keys = Object.keys(service.endpoints);
  const key = chooseEndpoint(keys, isUnnamed(service), endpoint, undefined);
  if (key !== undefined && keys.includes(key)) return { service: name, key };
  const options = keys.map((each) => show(`${name} ${each}`)).join(', ');
  const problem =
    endpoint === undefined ? `${name} has several endpoints` : `${name} has no endpoint ${show(endpoint)}`;
  throw new UserError({ where: reference, problem, remedy: `use ${options}` });
}

function callStep(
  { steps }: Endpoint,
  { service, key }: { readonly service: string; readonly key: string },
  { probability = 1, timeoutMs, optional = false }: ConnectOptions,
): CallStep {
  const [method = 'GET', path = '/'] = key.split(' ');
  return {
    kind: 'call',
    id: freeId(steps, `call:${service} ${key}`),
    service,
    endpoint: key,
    method,
    path,
    probability,
    count: 1,
    timeoutMs: timeoutMs ?? null,
    retries: { max: 0, backoffMs: 25, maxBackoffMs: 1_000, jitter: 0.5 },
    requestBytes: null,
    optional,
    faults: [],
  };
}

function newWork({ steps }: Endpoint, work: Partial<WorkAmounts>): WorkStep {
  const nothing = { latencyMs: null, cpuMs: null, memoryBytes: null, diskBytes: null };
  return { kind: 'work', id: freeId(steps, 'work'), ...nothing, ...work };
}

/** As `resolve` numbers them, after the highest that stands. */
function freeId(steps: readonly Step[], base: string): string {
  let highest = 0;
  for (const { id } of stepsWithin(steps)) {
    if (id.startsWith(`${base}#`)) highest = Math.max(highest, Number(id.slice(base.length + 1)) || 0);
  }
  return `${base}#${highest + 1}`;
}

function editEndpoints(
  topology: Topology,
  name: string,
  key: string | undefined,
  edit: (endpoint: Endpoint) => Endpoint,
): Topology {
  const service = serviceOf(topology, name);
  const keys = Object.keys(service.endpoints);
  if (key !== undefined && !keys.includes(key)) {
    const near = nearest(key, keys);
    const remedy = near ? `did you mean ${show(near)}?` : `it has ${keys.map(show).join(', ')}`;
    throw new UserError({ where: name, problem: `there is no endpoint ${show(key)}`, remedy });
  }
  const endpoints = Object.fromEntries(
    Object.entries(service.endpoints).map(([each, endpoint]) => [
      each,
      key === undefined || each === key ? edit(endpoint) : endpoint,
    ]),
  );
  return withGraph(withService(topology, { ...service, endpoints }));
}

function withService(topology: Topology, service: Service): Topology {
  return { ...topology, services: { ...topology.services, [service.name]: service } };
}

/** Whom each service calls and who calls it, as its steps now have it. */
export function withGraph(topology: Topology): Topology {
  const services = Object.values(topology.services);
  const callees = new Map(services.map(({ name, endpoints }) => [name, calleesOf(endpoints)]));
  return {
    ...topology,
    services: Object.fromEntries(
      services.map((service): [string, Service] => {
        const own = callees.get(service.name) ?? [];
        const callers = services
          .filter(({ name }) => callees.get(name)?.includes(service.name))
          .map(({ name }) => name);
        const role = service.edge ? 'edge' : own.length > 0 ? 'intermediate' : 'foundational';
        return [service.name, { ...service, role, callees: own, callers: callers.sort() }];
      }),
    ),
  };
}

function calleesOf(endpoints: Readonly<Record<string, Endpoint>>): readonly string[] {
  const names = new Set<string>();
  for (const { steps } of Object.values(endpoints)) {
    for (const step of stepsWithin(steps)) {
      if (step.kind === 'call' || step.kind === 'send') names.add(step.service);
    }
  }
  return [...names].sort();
}

/** Whether it names no endpoints and answers every method. */
export function isUnnamed({ endpoints }: Service): boolean {
  return endpoints[DEFAULT_ENDPOINT]?.anyMethod ?? false;
}
