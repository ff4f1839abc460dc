import { open } from 'node:fs/promises';
import type { LogStream } from './log-source';

/** Large enough that asking for a piece costs nothing beside reading it, small enough to stay in a processor's cache. */
const CHUNK_BYTES = 512 * 1024;

/** A log file as a stream. What is appended while it is read is read too, up to the end as met. */
export function fileStream(name: string, path: string): LogStream {
  return { name, chunks: () => chunksOf(path) };
}

async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return;
      yield bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
