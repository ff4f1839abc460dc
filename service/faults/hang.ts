import type { ServerResponse } from 'node:http';
import type { Outcome } from '../steps/outcome';
import type { Scene } from './effects';
import { endedBy } from './outcomes';

/** No answer comes; the connection is dropped when the time is over. */
export function hang(durationMs: number, { id, lasting }: Scene): Outcome {
  const over = new Promise<void>((resolve) => lasting(durationMs, resolve));
  return endedBy(id, { drop: 'hang', over });
}

/** Waits until the time is over or the caller has gone, then closes the connection. */
export async function hangUp(response: ServerResponse, over: Promise<void>): Promise<void> {
  if (!response.closed && !response.destroyed) {
    const gone = new Promise<void>((resolve) => {
      response.once('close', resolve);
    });
    await Promise.race([over, gone]);
  }
  response.destroy();
}
