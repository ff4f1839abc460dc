import { isUnnamed } from './edit-topology';
import type { FaultRule } from './fault';
import { writtenBreaker } from './resilience';
import type { Outgoing, Service, Step, Topology } from './topology';
import type { Fault } from './user-error';
import { validate } from './validate';

/**
 * Every fault of a resolved topology, by the rules for written ones: what a live change makes must be a topology that could
 * have been written so.
 */
export function topologyFaults(topology: Topology): readonly Fault[] {
  return validate(written(topology), topology.name);
}

/** The topology as somebody could have written it, with all that validation looks at. */
function written(topology: Topology): unknown {
  const { name, seed, services } = topology;
  const reached = reachable(topology);
  return {
    name,
    seed,
    services: Object.fromEntries(
      Object.values(services).map((service) => [
        service.name,
        // A change may leave a service without callers: it still runs, and another change may bring it back.
        writtenService(reached.has(service.name) ? service : { ...service, edge: true }),
      ]),
    ),
  };
}

function reachable({ services }: Topology): ReadonlySet<string> {
  const reached = new Set(
    Object.values(services)
      .filter(({ edge }) => edge)
      .map(({ name }) => name),
  );
  for (const name of reached) for (const callee of services[name]?.callees ?? []) reached.add(callee);
  return reached;
}

function writtenService(service: Service): unknown {
  const { edge, replicas, server, client, endpoints, faults, concurrency: limit } = service;
  const all = Object.entries(endpoints).map(([key, endpoint]) => {
    const { weight, deadlineMs, requestBytes, responseBytes, steps, concurrency } = endpoint;
    const own = { ...(edge && { weight }), ...(concurrency && { concurrency }) };
    const fields = { deadlineMs, responseBytes, steps: steps.map(writtenStep), ...own };
    return [key, requestBytes === null ? fields : { ...fields, requestBytes }] as const;
  });
  // What ends by the clock stands in no topology; all else of such a rule is checked as any other's.
  const rules = faults.map(({ fault, source: _source, startsAt: _from, expiresAt: _until, ...rule }: FaultRule) => ({
    ...writtenId(rule),
    ...fault,
  }));
  const own = { edge, replicas, server, client, faults: rules, ...(limit && { concurrency: limit }) };
  const [only] = all;
  return isUnnamed(service) && only ? { ...own, ...only[1] } : { ...own, endpoints: Object.fromEntries(all) };
}

function writtenStep(step: Step): unknown {
  switch (step.kind) {
    case 'call':
      return { call: `${step.service} ${step.endpoint}`, ...writtenOutgoing(step) };
    case 'send':
      return { send: `${step.service} ${step.endpoint}`, ...writtenOutgoing(step) };
    case 'parallel':
      return { parallel: step.steps.map(writtenStep) };
    case 'sequence':
      return { sequence: step.steps.map(writtenStep) };
    case 'oneOf':
      return {
        oneOf: step.branches.map(({ weight, steps }) => ({ weight, steps: steps.map(writtenStep) })),
      };
    case 'work': {
      const { kind: _kind, id: _id, ...work } = step;
      return { work: Object.fromEntries(Object.entries(work).filter(([, value]) => value !== null)) };
    }
    case 'fault':
      return { fault: step.fault.type, args: step.fault.args, probability: step.probability };
  }
}

function writtenOutgoing(step: Outgoing) {
  const { probability, count, timeoutMs, retries, requestBytes, optional, faults, breaker, bulkhead, fallback, hedge } =
    step;
  return {
    probability,
    count,
    retries,
    optional,
    ...(timeoutMs !== null && { timeoutMs }),
    ...(requestBytes !== null && { requestBytes }),
    faults: faults.map(({ fault, probability: drawn }) => ({ ...fault, probability: drawn })),
    ...(breaker && { breaker: writtenBreaker(breaker) }),
    ...(bulkhead && { bulkhead }),
    ...(fallback && { fallback }),
    ...(hedge && { hedge }),
  };
}

/** An identity that `resolve` gave is no id that can be written. */
function writtenId<T extends { readonly id: string }>({ id, ...rest }: T) {
  return /^[A-Za-z0-9._-]{1,64}$/.test(id) ? { ...rest, id } : rest;
}
