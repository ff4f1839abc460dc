import { parseCallee } from './callee';
import { CLIENT_SERVICE } from './contract';
import { durationMs } from './duration-text';
import { nearest } from './nearest';
import { STEP_KINDS, stepName } from './resolve-scenario';
import { isObject, orList, pathTo, type Report, show } from './shape';
import type { Survey, SurveyedService } from './survey';
import { checkRuleTargets } from './validate-faults';

type Fields = Readonly<Record<string, unknown>>;

/** Whether scenarios name what exists and fit together. Takes values with any other fault. */
export function checkScenarios(value: unknown, written: Survey, report: Report): void {
  const scenarios = isObject(value) && isObject(value.scenarios) ? value.scenarios : {};
  for (const [name, scenario] of Object.entries(scenarios)) {
    if (isObject(scenario)) checkScenario(scenario, pathTo('scenarios', name), written, report);
  }
}

function checkScenario(scenario: Fields, where: string, written: Survey, report: Report): void {
  const steps = objectsOf(scenario.steps);
  const phases = objectsOf(isObject(scenario.load) ? scenario.load.phases : undefined);
  const names = new Map<string, string>();
  const take = (name: unknown, at: string): void => {
    if (typeof name !== 'string') return;
    const other = names.get(name);
    if (other === undefined) names.set(name, at);
    else report(`${at}.name`, `${show(name)} is already the name of ${other}`, 'give each step and phase its own');
  };
  for (const [index, phase] of phases) take(phase.name, `${where}.load.phases[${index}]`);
  for (const [index, step] of steps) take(stepName(step, index), `${where}.steps[${index}]`);

  const endMs = phases.reduce((sum, [, phase]) => sum + msOf(phase.for), 0);
  for (const [index, step] of steps) {
    const at = `${where}.steps[${index}]`;
    if (phases.length > 0 && msOf(step.at) >= endMs) {
      report(`${at}.at`, `${show(step.at)} is not before the load's end at ${endMs / 1000}s`, 'lengthen a phase');
    }
    checkStep(step, at, { written, connected: connectedBy(steps), replicas: mostReplicas(steps), report });
  }
  const stepNames = steps.map(([index, step]) => stepName(step, index));
  for (const [index, expectation] of objectsOf(scenario.expect)) {
    checkExpectation(expectation, `${where}.expect[${index}]`, {
      written,
      names: [...names.keys()],
      stepNames,
      report,
    });
  }
}

interface StepContext {
  readonly written: Survey;
  /** Services that a step lets another one call, by the caller. */
  readonly connected: ReadonlyMap<string, readonly string[]>;
  readonly replicas: ReadonlyMap<string, number>;
  readonly report: Report;
}

function checkStep(step: Fields, at: string, { written, connected, replicas, report }: StepContext): void {
  const kind = STEP_KINDS.find((each) => isObject(step[each]));
  if (!kind) return;
  const change = step[kind] as Fields;
  const where = `${at}.${kind}`;
  const isCall = kind === 'connect' || kind === 'disconnect';
  const ownField = isCall ? 'from' : 'service';
  const own = serviceOf(change[ownField], `${where}.${ownField}`, written, report);
  if (isCall) checkReference(change.to, `${where}.to`, written, report);
  if (!own) return;
  if (kind !== 'fault') {
    checkEndpoint(change.endpoint, own, `${where}.endpoint`, report);
    return;
  }
  const { name, service } = own;
  const callees = written.requests.filter(({ from }) => from.service === name);
  checkRuleTargets(
    change,
    where,
    {
      service: name,
      endpoints: [...service.endpoints.keys()],
      callees: [
        ...new Set([...callees.map(({ reference }) => parseCallee(reference).service), ...(connected.get(name) ?? [])]),
      ],
      replicas: Math.max(service.replicas, replicas.get(name) ?? 0),
    },
    report,
  );
}

interface ExpectationContext {
  readonly written: Survey;
  /** Of phases and steps. */
  readonly names: readonly string[];
  readonly stepNames: readonly string[];
  readonly report: Report;
}

function checkExpectation(
  { of, during, responseTime, recovered }: Fields,
  at: string,
  { written, names, stepNames, report }: ExpectationContext,
): void {
  let isClient = of === undefined;
  if (typeof of === 'string') checkReference(of, `${at}.of`, written, report);
  if (isObject(of)) {
    isClient = of.from === CLIENT_SERVICE;
    if (!isClient) serviceOf(of.from, `${at}.of.from`, written, report, [CLIENT_SERVICE]);
    checkReference(of.to, `${at}.of.to`, written, report);
  }
  const nested = isObject(recovered) ? recovered : {};
  const timed = responseTime !== undefined ? `${at}.responseTime` : `${at}.recovered.responseTime`;
  if (!isClient && (responseTime ?? nested.responseTime) !== undefined) {
    const problem = 'only the client knows when its requests were planned';
    report(timed, problem, `use serviceTime, or of: { from: "${CLIENT_SERVICE}", to: ... }`);
  }
  if (typeof during === 'string' && !names.includes(during)) {
    report(`${at}.during`, `there is no phase or step ${show(during)}`, hint(during, names));
  }
  if (isObject(during) && msOf(during.from) >= (during.to === undefined ? Number.POSITIVE_INFINITY : msOf(during.to))) {
    report(`${at}.during`, `it begins at ${show(during.from)} and ends at ${show(during.to)}`, 'let it end later');
  }
  const { after } = nested;
  if (typeof after === 'string' && !stepNames.includes(after)) {
    report(`${at}.recovered.after`, `there is no step ${show(after)}`, hint(after, stepNames));
  }
}

interface Known {
  readonly name: string;
  readonly service: SurveyedService;
}

function serviceOf(
  name: unknown,
  where: string,
  { services }: Survey,
  report: Report,
  others: readonly string[] = [],
): Known | undefined {
  if (typeof name !== 'string') return undefined;
  const service = services.get(name);
  if (service) return { name, service };
  report(where, `there is no service ${show(name)}`, hint(name, [...services.keys(), ...others]));
  return undefined;
}

/** `service`, or `service METHOD /path`. */
function checkReference(reference: unknown, where: string, written: Survey, report: Report): void {
  if (typeof reference !== 'string') return;
  const { service, endpoint } = parseCallee(reference);
  const known = serviceOf(service, where, written, report);
  if (known) checkEndpoint(endpoint, known, where, report);
}

function checkEndpoint(endpoint: unknown, { name, service }: Known, where: string, report: Report): void {
  const keys = [...service.endpoints.keys()];
  if (typeof endpoint !== 'string' || keys.includes(endpoint)) return;
  report(where, `${name} has no endpoint ${show(endpoint)}`, hint(endpoint, keys));
}

function connectedBy(steps: readonly (readonly [number, Fields])[]): ReadonlyMap<string, readonly string[]> {
  const connected = new Map<string, string[]>();
  for (const [, { connect }] of steps) {
    if (!isObject(connect) || typeof connect.from !== 'string' || typeof connect.to !== 'string') continue;
    connected.set(connect.from, [...(connected.get(connect.from) ?? []), parseCallee(connect.to).service]);
  }
  return connected;
}

function mostReplicas(steps: readonly (readonly [number, Fields])[]): ReadonlyMap<string, number> {
  const most = new Map<string, number>();
  for (const [, { scale }] of steps) {
    if (!isObject(scale) || typeof scale.service !== 'string' || typeof scale.replicas !== 'number') continue;
    most.set(scale.service, Math.max(scale.replicas, most.get(scale.service) ?? 0));
  }
  return most;
}

function objectsOf(list: unknown): readonly (readonly [number, Fields])[] {
  return Array.isArray(list)
    ? [...list.entries()].filter((entry): entry is [number, Fields] => isObject(entry[1]))
    : [];
}

/** A text that is no duration counts as none: that is a fault of the shape. */
function msOf(text: unknown): number {
  return typeof text === 'string' ? durationMs(text) || 0 : 0;
}

function hint(text: string, options: readonly string[]): string {
  const near = nearest(text, options);
  if (near !== undefined) return `did you mean ${show(near)}?`;
  return options.length > 0 ? `use ${orList(options.slice(0, 12))}` : 'leave it out';
}
