import { parseCallee } from './callee';
import { durationMs } from './duration-text';
import { resolveFaultRule, type WrittenRule } from './resolve-faults';
import type {
  Demand,
  Expectation,
  Scenario,
  ScenarioChange,
  ScenarioPhase,
  ScenarioStep,
  Subject,
  TimeLimit,
  Window,
} from './scenario';
import type { ExpectationSpec, PhaseSpec, ScenarioSpec, ScenarioStepSpec, SubjectSpec } from './scenario-spec';
import type { TopologySpec } from './spec';

/** All scenarios of a topology as written, by name. Expects one that validation finds no fault with. */
export function resolveScenarios({ scenarios = {} }: TopologySpec): Readonly<Record<string, Scenario>> {
  return Object.fromEntries(Object.entries(scenarios).map(([name, spec]) => [name, resolveScenario(spec, name)]));
}

function resolveScenario({ description, load, steps = [], expect = [] }: ScenarioSpec, name: string): Scenario {
  return {
    name,
    description: description ?? null,
    load: load ? { arrivals: load.arrivals ?? 'constant', phases: load.phases.map(resolvePhase) } : null,
    steps: steps.map(resolveStep),
    expect: expect.map(resolveExpectation),
  };
}

function resolvePhase({ name, rate, for: length }: PhaseSpec): ScenarioPhase {
  const { from, to } = typeof rate === 'number' ? { from: rate, to: rate } : rate;
  return { name: name ?? null, fromRate: from, toRate: to, durationMs: durationMs(length) };
}

function resolveStep(step: ScenarioStepSpec, index: number): ScenarioStep {
  const name = stepName(step, index);
  const forMs = step.for === undefined ? null : durationMs(step.for);
  return { name, atMs: durationMs(step.at), forMs, ...changeOf(step, name) };
}

/** As written, or its kind and its number in the list, from 1. Takes values with any other fault. */
export function stepName(step: Readonly<Record<string, unknown>> | ScenarioStepSpec, index: number): string {
  if (typeof step.name === 'string') return step.name;
  const kind = STEP_KINDS.find((each) => each in step) ?? 'step';
  return `${kind}-${index + 1}`;
}

export const STEP_KINDS = ['fault', 'connect', 'disconnect', 'work', 'scale'] as const;

function changeOf(step: ScenarioStepSpec, name: string): ScenarioChange {
  if ('fault' in step) {
    const { service, ...rule } = step.fault;
    return {
      kind: 'fault',
      service,
      rule: resolveFaultRule({ ...rule, id: name } as WrittenRule, 'scenario', () => name),
    };
  }
  if ('connect' in step) return { kind: 'connect', ...step.connect };
  if ('disconnect' in step) return { kind: 'disconnect', ...step.disconnect };
  if ('scale' in step) return { kind: 'scale', ...step.scale };
  const { service, endpoint, ...work } = step.work;
  return { kind: 'work', service, ...(endpoint !== undefined && { endpoint }), work };
}

function resolveExpectation(written: ExpectationSpec): Expectation {
  const during = 'during' in written ? written.during : undefined;
  return {
    name: written.name ?? null,
    of: written.of === undefined ? null : subjectOf(written.of),
    during: during === undefined ? null : windowOf(during),
    that: demandOf(written),
  };
}

function subjectOf(of: SubjectSpec): Subject {
  const { service, endpoint } = parseCallee(typeof of === 'string' ? of : of.to);
  const place = { service, endpoint: endpoint ?? null };
  return typeof of === 'string' ? { kind: 'handled', ...place } : { kind: 'calls', from: of.from, ...place };
}

function windowOf(during: string | { readonly from?: string; readonly to?: string }): Window {
  if (typeof during === 'string') return { named: during };
  const ms = (text: string | undefined): number | null => (text === undefined ? null : durationMs(text));
  return { fromMs: ms(during.from), toMs: ms(during.to) };
}

function demandOf(written: ExpectationSpec): Demand {
  if ('responseTime' in written) return { kind: 'time', time: 'responseTime', ...written.responseTime };
  if ('serviceTime' in written) return { kind: 'time', time: 'serviceTime', ...written.serviceTime };
  if ('errors' in written) return { kind: 'errors', ...written.errors };
  if ('throughput' in written) return { kind: 'throughput', ...written.throughput };
  const { after, within, errors } = written.recovered;
  const limits = (['responseTime', 'serviceTime'] as const).flatMap((time): readonly TimeLimit[] => {
    const limit = written.recovered[time];
    return limit ? [{ time, ...limit }] : [];
  });
  return { kind: 'recovered', after, withinMs: durationMs(within), limits, errorsAtMost: errors?.atMost ?? null };
}
