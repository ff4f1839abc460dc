import { addRule, connect, disconnect, removeRules, setWork, type TopologyEdit, withGraph } from './edit-topology';
import type { ScenarioStep } from './scenario';
import type { Topology } from './topology';

/** Whether the step changes what services do, and not only what goes wrong or how many they are. */
export function changesSteps({ kind }: ScenarioStep): boolean {
  return kind === 'connect' || kind === 'disconnect' || kind === 'work';
}

/**
 * What a step does to a topology when it begins.
 *
 * @param expiresAt ISO 8601: when a fault ends at the latest, by the node's own clock
 */
export function stepEdit(step: ScenarioStep, expiresAt?: string): TopologyEdit {
  switch (step.kind) {
    case 'fault':
      return addRule(step.service, { ...step.rule, ...(expiresAt !== undefined && { expiresAt }) });
    case 'connect':
      return connect(step, step);
    case 'disconnect':
      return disconnect(step);
    case 'work':
      return setWork(step.service, step.endpoint, step.work);
    case 'scale':
      return (topology) => withReplicas(topology, step.service, step.replicas);
  }
}

/** Takes back all rules of scenarios, or that of one step. */
export function withoutScenarioFaults(step?: ScenarioStep): TopologyEdit {
  return removeRules(({ source, id }) => source === 'scenario' && (step === undefined || id === step.name));
}

/** Does again, from what ran before the scenario, what those steps that still stand did to calls and work. */
export function redoneFrom(before: Topology, standing: readonly ScenarioStep[]): TopologyEdit {
  return (topology) => {
    const services = Object.values(topology.services).map((service) => {
      const { endpoints = service.endpoints } = before.services[service.name] ?? {};
      return [service.name, { ...service, endpoints }] as const;
    });
    let edited = withGraph({ ...topology, services: Object.fromEntries(services) });
    for (const step of standing) if (changesSteps(step)) edited = stepEdit(step)(edited);
    return edited;
  };
}

function withReplicas(topology: Topology, name: string, replicas: number): Topology {
  const service = topology.services[name];
  return service ? { ...topology, services: { ...topology.services, [name]: { ...service, replicas } } } : topology;
}
