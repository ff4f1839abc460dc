import type { Outcome } from '../steps/outcome';
import type { Scene } from './effects';
import { endedBy } from './outcomes';

/** The answer is this status, whatever the steps came to. */
export function error(status: number, { id }: Scene): Outcome {
  return endedBy(id, { status });
}
