import type { ManifestScenario, ManifestStep } from '../../model/manifest';
import type { Window } from '../../model/scenario';

/** What of a run its expectations are held against. */
export interface PlayedRun {
  readonly scenario: ManifestScenario;
  readonly steps: readonly ManifestStep[];
  /** How far the run came, since the scenario's start; infinite where it ended at its time. */
  readonly reachedMs: number;
}

/** A stretch of the run, in ms since the scenario's start: `toMs` is no longer part of it. */
export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
}

/** The stretch that an expectation means, or why there is none. */
export function stretchOf(during: Window | null, run: PlayedRun): Stretch | string {
  const { lengthMs, scenario } = run.scenario;
  if (during === null) return { fromMs: 0, toMs: lengthMs };
  if (!('named' in during)) return { fromMs: during.fromMs ?? 0, toMs: during.toMs ?? lengthMs };
  let fromMs = 0;
  for (const { name, durationMs } of scenario.load?.phases ?? []) {
    if (name === during.named) return { fromMs, toMs: fromMs + durationMs };
    fromMs += durationMs;
  }
  const begin = madeStep(run.steps, during.named, 'begin');
  if (!begin) return `${during.named} was not made`;
  const end = madeStep(run.steps, during.named, 'end');
  return { fromMs: begin.doneMs, toMs: end?.atMs ?? lengthMs };
}

/** From a step's end, or from its begin where it has none of its own, to the next step's begin. */
export function stretchAfter(name: string, run: PlayedRun): Stretch | string {
  const { lengthMs, scenario } = run.scenario;
  const hasEnd = scenario.steps.find((step) => step.name === name)?.forMs !== null;
  const last = madeStep(run.steps, name, hasEnd ? 'end' : 'begin');
  if (!last) return hasEnd ? `${name} did not end by itself` : `${name} was not made`;
  const next = scenario.steps.map(({ atMs }) => atMs).filter((atMs) => atMs > last.plannedMs);
  return { fromMs: last.doneMs, toMs: Math.min(lengthMs, ...next) };
}

function madeStep(steps: readonly ManifestStep[], name: string, what: ManifestStep['what']): ManifestStep | undefined {
  return steps.find((step) => step.step === name && step.what === what && step.problem === null);
}
