import type { ServerResponse } from 'node:http';
import { FAULT_BOUNDS } from '../../lib/model/fault';
import { NOTHING, type Outcome } from '../steps/outcome';
import type { Scene } from './effects';

/** The answer's body leaves at this pace; of several the slowest counts. */
export function slowBody(bytesPerSecond: number, { span }: Scene): Outcome {
  if (span) {
    span.faulty ??= {};
    span.faulty.bytesPerSecond = Math.min(bytesPerSecond, span.faulty.bytesPerSecond ?? bytesPerSecond);
  }
  return NOTHING;
}

/** Between two pieces of a body. */
const TICK_MS = 20;

/**
 * Writes the body in pieces, each when the pace allows it, and never faster for a late timer's sake. A body that would
 * take longer than any fault may last is cut off then. Resolves when all is written or the caller has gone.
 */
export async function writeSlowly(response: ServerResponse, body: Buffer, bytesPerSecond: number): Promise<void> {
  const startedAt = performance.now();
  let written = 0;
  while (written < body.length && !response.destroyed) {
    const nextAt = startedAt + ((written + 1) / bytesPerSecond) * 1000;
    await new Promise((resolve) => setTimeout(resolve, Math.max(TICK_MS, nextAt - performance.now())));
    const elapsed = performance.now() - startedAt;
    if (elapsed > FAULT_BOUNDS.durationMs) {
      response.destroy();
      return;
    }
    const due = Math.min(body.length, Math.floor((elapsed / 1000) * bytesPerSecond));
    if (due > written) response.write(body.subarray(written, due));
    written = Math.max(written, due);
  }
}
