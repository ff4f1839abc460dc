import type { IncomingMessage } from 'node:http';
import { LIMITS } from '../../lib/model/contract';

/** `gone`: the sender left before its end. `large`: beyond the limit. */
export type BodyEnd = 'whole' | 'large' | 'gone';

/**
 * A body above the limit is still read so far, and thrown away: who gets the refusal while it still writes sees a
 * broken connection instead of the status.
 */
const READ_ANYWAY = 16 * LIMITS.bodyBytes;

/** Whether the request announces a body at all. */
export function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

/** Reads the body to its end and lets go of it: what a request says in its body changes nothing. */
export function drainBody(request: IncomingMessage): Promise<BodyEnd> {
  if (Number(request.headers['content-length'] ?? 0) > READ_ANYWAY) return Promise.resolve('large');
  return new Promise((resolve) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > READ_ANYWAY) resolve('large');
    });
    request.once('end', () => resolve(bytes > LIMITS.bodyBytes ? 'large' : 'whole'));
    request.once('close', () => resolve('gone'));
  });
}

/**
 * Reads the whole body, for those that say something in it.
 *
 * @param most bytes; a longer one is read on for a while and thrown away, as `drainBody` does
 */
export function readBody(request: IncomingMessage, most: number): Promise<Buffer | Exclude<BodyEnd, 'whole'>> {
  if (Number(request.headers['content-length'] ?? 0) > READ_ANYWAY) return Promise.resolve('large');
  return new Promise((resolve) => {
    let chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= most) chunks.push(chunk);
      else chunks = [];
      if (bytes > READ_ANYWAY) resolve('large');
    });
    request.once('end', () => resolve(bytes > most ? 'large' : Buffer.concat(chunks)));
    request.once('close', () => resolve('gone'));
  });
}
