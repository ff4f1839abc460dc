import type { InstanceOutcome } from './manifest';
import type { ScenarioStep } from './scenario';

/** What a scenario is played on: makes its steps, takes them back, and says what became of them. */
export interface ScenarioStage {
  /** @param standing the steps that stand from now on, this one included, those that began first coming first */
  begin(step: ScenarioStep, standing: readonly ScenarioStep[], leftMs: number): Promise<StepReport>;
  /** @param standing the steps that still stand */
  end(step: ScenarioStep, standing: readonly ScenarioStep[]): Promise<StepReport>;
  /** Takes everything back that still stands, whatever became of it. Undefined where there was nothing. */
  clear(): Promise<StepReport | undefined>;
}

export interface StepReport {
  /** What was done, in words. */
  readonly did: string;
  /** The epoch that it began; null where no slice changed. */
  readonly epoch: number | null;
  readonly instances: readonly InstanceOutcome[];
}
