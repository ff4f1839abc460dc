import { leftMs } from '../span';
import { NOTHING, type Outcome } from '../steps/outcome';
import { burn } from '../steps/work';
import type { Scene } from './effects';
import { outOfTime } from './outcomes';

/** Burns CPU time in slices; other requests are late by a slice each turn. A request's deadline cuts it. */
export async function cpu(durationMs: number, { id, span, lasting }: Scene): Promise<Outcome> {
  if (span) {
    await burn(durationMs, () => leftMs(span));
    return leftMs(span) <= 0 ? outOfTime(id) : NOTHING;
  }
  let over = false;
  // CPU time passes no faster than time does, so a rule that goes ends it early.
  lasting(2 ** 31 - 1, () => {
    over = true;
  });
  await burn(durationMs, () => (over ? 0 : Number.POSITIVE_INFINITY));
  return NOTHING;
}
