import type { Scene } from './effects';

/** Shifts the wall clock that the node reports: timestamps, and the hybrid clock that is built on it. No timer moves. */
export function clockOffset(offsetMs: number, durationMs: number, { node, lasting }: Scene): void {
  node.clock.offsetMs += offsetMs;
  lasting(durationMs, () => {
    node.clock.offsetMs -= offsetMs;
  });
}
