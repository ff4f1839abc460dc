import type { ManifestRecord, ManifestStep } from '../model/manifest';
import type { Scenario, ScenarioStep } from '../model/scenario';
import type { ScenarioStage, StepReport } from '../model/scenario-stage';
import { type Moment, momentsOf, standingAfter } from '../model/scenario-timeline';
import { UserError } from '../model/user-error';

/** A scenario and what it is played on. */
export interface Play {
  readonly scenario: Scenario;
  readonly stage: ScenarioStage;
  /** How long the traffic is planned to last, its warm-up not counted. */
  readonly lengthMs: number;
  /** Told of each step when it is done with. */
  readonly onStep?: (step: ManifestStep) => void;
}

export interface PlayOptions {
  readonly run: string;
  /** The moment that the scenario's times count from, by `performance.now()`. */
  readonly zeroAt: number;
  readonly record: (record: ManifestRecord) => void;
}

export interface ScenarioPlayed {
  readonly name: string;
  readonly steps: readonly ManifestStep[];
  /** Steps that the run's end came before. */
  readonly notReached: readonly string[];
  /** Every step was made, and every instance took it. */
  readonly whole: boolean;
}

export interface Playing {
  /** Makes no more steps, takes back what stands, and resolves when that is done. A second call waits for the first. */
  finish(): Promise<ScenarioPlayed>;
}

/** Makes each step of a scenario at its time, one after the other; to start instances takes long and is waited for apart. */
export function playScenario({ scenario, stage, lengthMs, onStep = () => {} }: Play, options: PlayOptions): Playing {
  const { run, zeroAt, record } = options;
  const sinceZero = (): number => performance.now() - zeroAt;
  const steps: ManifestStep[] = [];
  const reached = new Set<ScenarioStep>();
  let standing: readonly ScenarioStep[] = [];
  let wake = (): void => {};
  let stopped = false;
  const stop = new Promise<void>((resolve) => {
    wake = resolve;
  });

  record({
    record: 'scenario',
    timestamp: new Date().toISOString(),
    run,
    startTime: new Date(Date.now() - sinceZero()).toISOString(),
    lengthMs,
    scenario,
  });

  const note = async (
    step: string,
    what: ManifestStep['what'],
    plannedMs: number,
    action: () => Promise<StepReport | undefined>,
  ): Promise<boolean> => {
    const atMs = sinceZero();
    let report: StepReport | undefined = { did: 'nothing', epoch: null, instances: [] };
    let problem: string | null = null;
    try {
      report = await action();
    } catch (error) {
      problem = error instanceof UserError ? error.message.replaceAll('\n', '; ') : `${(error as Error).message}`;
    }
    if (!report) return true;
    const [planned, at, done] = [plannedMs, atMs, sinceZero()].map((ms) => Math.round(ms * 10) / 10) as [
      number,
      number,
      number,
    ];
    const written: ManifestStep = {
      record: 'step',
      timestamp: new Date().toISOString(),
      run,
      step,
      what,
      plannedMs: planned,
      atMs: at,
      doneMs: done,
      ...report,
      problem,
    };
    steps.push(written);
    record(written);
    onStep(written);
    return problem === null;
  };

  const due = async (atMs: number): Promise<boolean> => {
    const waitMs = atMs - sinceZero();
    if (waitMs > 0 && !stopped) {
      let timer: NodeJS.Timeout | undefined;
      const time = new Promise<void>((resolve) => {
        // A timer leaves fractions of a millisecond out.
        timer = setTimeout(resolve, Math.ceil(waitMs));
      });
      await Promise.race([time, stop]);
      clearTimeout(timer);
    }
    return !stopped;
  };

  const playLane = async (moments: readonly Moment[]): Promise<void> => {
    for (const moment of moments) {
      if (!(await due(moment.atMs))) return;
      const { step, what, atMs } = moment;
      standing = standingAfter(standing, moment);
      if (what === 'begin') reached.add(step);
      const done = await note(step.name, what, atMs, () =>
        what === 'begin' ? stage.begin(step, standing, lengthMs - atMs) : stage.end(step, standing),
      );
      // What could not be made is not made again when others end.
      if (!done) standing = standing.filter((other) => other !== step);
    }
  };

  const moments = momentsOf(scenario);
  const isScaling = ({ step }: Moment): boolean => step.kind === 'scale';
  const lanes = Promise.all([
    playLane(moments.filter((moment) => !isScaling(moment))),
    playLane(moments.filter(isScaling)),
  ]);

  const finishNow = async (): Promise<ScenarioPlayed> => {
    stopped = true;
    wake();
    await lanes;
    await note('everything', 'cleared', lengthMs, () => stage.clear());
    return {
      name: scenario.name,
      steps,
      notReached: scenario.steps.filter((step) => !reached.has(step)).map(({ name }) => name),
      whole: reached.size === scenario.steps.length && steps.every(isWhole),
    };
  };
  let finishing: Promise<ScenarioPlayed> | undefined;
  return {
    finish: () => {
      finishing ??= finishNow();
      return finishing;
    },
  };
}

/** Whether the step was made and every instance took it. */
export function isWhole({ problem, instances }: ManifestStep): boolean {
  return problem === null && instances.every(({ taken }) => taken);
}
