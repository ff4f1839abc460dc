import { NOTHING, type Outcome } from '../steps/outcome';
import type { Scene } from './effects';

/** The answer has its right length and is no JSON. */
export function corrupt({ span }: Scene): Outcome {
  if (span) {
    span.faulty ??= {};
    span.faulty.corrupt = true;
  }
  return NOTHING;
}

/** No JSON value begins with this. */
export function corrupted(body: Buffer): Buffer {
  const copy = Buffer.from(body);
  copy[0] = '#'.charCodeAt(0);
  return copy;
}
