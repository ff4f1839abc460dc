import { NOTHING, type Outcome } from '../steps/outcome';
import type { Scene } from './effects';

/** A whole answer is announced, and the connection ends in its middle. */
export function truncate({ span }: Scene): Outcome {
  if (span) {
    span.faulty ??= {};
    span.faulty.truncate = true;
  }
  return NOTHING;
}

export function truncated(body: Buffer): Buffer {
  return body.subarray(0, Math.floor(body.length / 2));
}
