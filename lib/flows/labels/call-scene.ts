import type { DrawContext } from '../../model/draw';
import type { CallStep, SendStep } from '../../model/topology';
import type { AttemptScene } from './attempt-would';
import type { LoggedAttempt } from './logged-attempts';
import type { Moment } from './moment';

/** What one repetition of a call is worked out with. */
export interface CallScene {
  readonly step: CallStep | SendStep;
  readonly repetition: number;
  readonly draws: DrawContext;
  /** Whether a hedge was sent. */
  readonly wasHedged: boolean;
  /** An attempt as it was. */
  logged(attempt: number): LoggedAttempt | undefined;
  sceneOf(attempt: number, at: Moment): AttemptScene;
}
