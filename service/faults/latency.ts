import { FAULT_BOUNDS } from '../../lib/model/fault';
import { leftMs } from '../span';
import { NOTHING, type Outcome } from '../steps/outcome';
import type { Scene } from './effects';
import { outOfTime } from './outcomes';

/** Waits on a timer of the event loop, which counts whole milliseconds; the deadline cuts it. */
export function latency(delayMs: number, { id, span }: Scene): Promise<Outcome> | Outcome {
  const wait = Math.round(Math.min(delayMs, FAULT_BOUNDS.delayMs));
  const left = span ? leftMs(span) : Number.POSITIVE_INFINITY;
  if (left <= 0) return outOfTime(id);
  if (wait <= 0) return NOTHING;
  return new Promise((resolve) => {
    if (wait < left) setTimeout(resolve, wait, NOTHING);
    else setTimeout(() => resolve(outOfTime(id)), Math.ceil(left));
  });
}
