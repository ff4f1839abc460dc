import { expectationText } from '../lib/flows/expectations/expectation-text';
import type { ScenarioPlayed } from '../lib/load/play-scenario';
import type { ManifestStep } from '../lib/model/manifest';
import { loadLengthMs, type Scenario, type ScenarioPhase, type ScenarioStep } from '../lib/model/scenario';
import { ruleText } from './fault-text';

/** A step in words: `slow-bank: latency delay=300 before on payments`. */
export function stepText(step: ScenarioStep): string {
  return `${step.name}: ${changeText(step)}`;
}

function changeText(step: ScenarioStep): string {
  switch (step.kind) {
    case 'fault':
      // That it is of a scenario is said beside it.
      return `${step.service} ${ruleText({ ...step.rule, source: 'live' })}`;
    case 'connect':
      return `${placeText(step.from, step.endpoint)} calls ${step.to}`;
    case 'disconnect':
      return `${placeText(step.from, step.endpoint)} no longer calls ${step.to}`;
    case 'work': {
      const amounts = Object.entries(step.work).map(([name, amount]) => `${name} ${JSON.stringify(amount)}`);
      return `${placeText(step.service, step.endpoint)} works ${amounts.join(', ')}`;
    }
    case 'scale':
      return `${step.service} to ${step.replicas} instance${step.replicas === 1 ? '' : 's'}`;
  }
}

function placeText(service: string, endpoint: string | undefined): string {
  return endpoint === undefined ? service : `${service} ${endpoint}`;
}

/** All scenarios of a topology: what each does when, and what it expects. */
export function scenariosText(topology: string, scenarios: readonly Scenario[]): string {
  const lines = scenarios.flatMap(({ name, description, load, steps, expect }) => [
    '',
    `Scenario ${name}${load ? `, ${loadLengthMs(load) / 1000} s` : ''}${description === null ? '' : `: ${description}`}`,
    ...(load ? [`  load    ${load.phases.map(phaseText).join(', ')}`] : []),
    ...steps.map(
      (step) => `${timeText(step.atMs)}  ${stepText(step)}${step.forMs === null ? '' : `, for ${step.forMs / 1000} s`}`,
    ),
    ...expect.map((each) => `  expect  ${each.name === null ? '' : `${each.name}: `}${expectationText(each)}`),
    `  npx ts-node tools/load.ts ${topology} --scenario ${name}`,
  ]);
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function phaseText({ name, fromRate, toRate, durationMs }: ScenarioPhase): string {
  const rate = fromRate === toRate ? `${fromRate}/s` : `${fromRate} to ${toRate}/s`;
  return `${name === null ? '' : `${name} `}${rate} for ${durationMs / 1000} s`;
}

function timeText(ms: number): string {
  return `${ms / 1000} s`.padStart(8);
}

/** What became of a step, on one line, and those instances that did not take it on lines of their own. */
export function stepLines({ atMs, doneMs, did, step, epoch, instances, problem }: ManifestStep): readonly string[] {
  const time = `${(atMs / 1000).toFixed(1).padStart(6)} s`;
  if (problem !== null) return [`${time}  ${step} FAILED: ${problem}`];
  const missed = instances.filter(({ taken }) => !taken);
  const took =
    missed.length === 0 ? `${instances.length}` : `${instances.length - missed.length} of ${instances.length}`;
  const parts = [
    ...(epoch === null ? [] : [`epoch ${epoch}`]),
    `${took} instance${instances.length === 1 ? '' : 's'}`,
    `${Math.round(doneMs - atMs)} ms`,
  ];
  return [
    `${time}  ${did} (${parts.join(', ')})`,
    ...missed.map((each) => `          ${each.instance} did not take it: ${each.problem}`),
  ];
}

/** What to say of a scenario that was not played to its end, or not everywhere. */
export function playedLines({ name, notReached, steps, whole }: ScenarioPlayed): readonly string[] {
  if (whole) return [`scenario  ${name}: all steps made and taken back`];
  const failed = [...new Set(steps.filter(({ problem }) => problem !== null).map(({ step }) => step))];
  const partial = steps.filter(({ problem, instances }) => problem === null && instances.some(({ taken }) => !taken));
  return [
    `scenario  ${name}: NOT played as written`,
    ...(failed.length > 0 ? [`          failed: ${failed.join(', ')}`] : []),
    ...(partial.length > 0
      ? [`          not taken everywhere: ${[...new Set(partial.map(({ step }) => step))].join(', ')}`]
      : []),
    ...(notReached.length > 0 ? [`          not reached: ${notReached.join(', ')}`] : []),
  ];
}
