import { parseCallee } from './callee';
import { instanceNames } from './contract';
import { nearest } from './nearest';
import type { WrittenRule } from './resolve-faults';
import { isObject, type Report, show } from './shape';
import type { Survey, SurveyedService } from './survey';
import type { Service } from './topology';

/** What a rule of a service may name. */
export interface RuleTargets {
  readonly service: string;
  readonly endpoints: readonly string[];
  readonly callees: readonly string[];
  readonly replicas: number;
}

export function ruleTargets({ name, endpoints, callees, replicas }: Service): RuleTargets {
  return { service: name, endpoints: Object.keys(endpoints), callees, replicas };
}

/** Rules name what exists, and no two faults of a service have one id: draws depend on it. */
export function checkFaults({ services, requests }: Survey, report: Report): void {
  for (const [name, service] of services) {
    const own = requests.filter(({ from }) => from.service === name);
    const callees = [...new Set(own.map(({ reference }) => parseCallee(reference).service))];
    const targets = { service: name, endpoints: [...service.endpoints.keys()], callees, replicas: service.replicas };
    const ids = new Map<string, string>();
    for (const { where, value } of stepFaults(service)) {
      // That steps of one endpoint share no id is checked with the steps.
      if (value.fault === undefined) checkId(value.id, where, ids, report);
      else if (typeof value.id === 'string' && !ids.has(value.id)) ids.set(value.id, where);
    }
    for (const { where, value } of writtenRules(service)) {
      checkId(value.id, where, ids, report);
      checkRuleTargets(value, where, targets, report);
    }
  }
}

/** Whether the endpoint, callee and instances that a rule names are the service's. Takes values with any other fault. */
export function checkRuleTargets(
  { endpoint, callee, instances }: { readonly [K in keyof WrittenRule]?: unknown },
  where: string,
  { service, endpoints, callees, replicas }: RuleTargets,
  report: Report,
): void {
  if (typeof endpoint === 'string' && !endpoints.includes(endpoint)) {
    const problem = `${service} has no endpoint ${show(endpoint)}`;
    report(`${where}.endpoint`, problem, suggest(endpoint, endpoints));
  }
  if (typeof callee === 'string' && !callees.includes(parseCallee(callee).service)) {
    report(
      `${where}.callee`,
      `${service} does not call ${show(callee)}`,
      suggest(parseCallee(callee).service, callees),
    );
  }
  if (!Array.isArray(instances)) return;
  const names = instanceNames(service, Math.min(1_000, replicas));
  for (const [index, instance] of instances.entries()) {
    if (typeof instance !== 'string' || names.includes(instance)) continue;
    report(`${where}.instances[${index}]`, `${service} has no instance ${show(instance)}`, suggest(instance, names));
  }
}

interface Written {
  readonly where: string;
  readonly value: Readonly<Record<string, unknown>>;
}

function* writtenRules(service: SurveyedService): Generator<Written> {
  yield* listed(service.value.faults, `${service.where}.faults`);
  if (service.unnamed) return;
  for (const { value, where } of service.endpoints.values()) yield* listed(value.faults, `${where}.faults`);
}

/** Faults among the steps, and those of calls. */
function* stepFaults({ endpoints }: SurveyedService): Generator<Written> {
  for (const { steps } of endpoints.values()) {
    for (const { where, value } of steps) {
      if (value.fault !== undefined) yield { where, value };
      else yield* listed(value.faults, `${where}.faults`);
    }
  }
}

function* listed(faults: unknown, where: string): Generator<Written> {
  if (!Array.isArray(faults)) return;
  for (const [index, value] of faults.entries()) if (isObject(value)) yield { where: `${where}[${index}]`, value };
}

function checkId(id: unknown, where: string, ids: Map<string, string>, report: Report): void {
  if (typeof id !== 'string') return;
  const other = ids.get(id);
  if (other === undefined) ids.set(id, where);
  else report(`${where}.id`, `${show(id)} is already the id of ${other}`, 'give each fault an id of its own');
}

function suggest(text: string, options: readonly string[]): string {
  const near = nearest(text, options);
  if (near) return `did you mean ${show(near)}?`;
  return options.length === 0 ? 'leave it out' : `use one of ${options.slice(0, 8).join(', ')}`;
}
