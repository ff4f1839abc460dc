import { closeSync, openSync, readSync } from 'node:fs';
import type { LogStream } from './log-source';

/** Large enough that asking for a piece costs nothing beside reading it, small enough to stay in a processor's cache. */
const CHUNK_BYTES = 256 * 1024;

/** A log file as a stream. What is appended while it is read is read too, up to the end as met. */
export function fileStream(name: string, path: string): LogStream {
  return { name, chunks: () => chunksOf(path) };
}

/** Synchronous: handing each piece over to a thread and back costs a tenth of rebuilding flows from it. */
async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    for (;;) {
      const bytesRead = readSync(file, buffer, 0, buffer.length, null);
      if (bytesRead === 0) return;
      yield bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead);
    }
  } finally {
    closeSync(file);
  }
}
