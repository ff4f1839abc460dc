import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { constants, createGunzip } from 'node:zlib';
import { UserError } from '../model/user-error';
import type { LogStream } from './log-source';

/** Large enough that asking for a piece costs nothing beside reading it, small enough to stay in a processor's cache. */
const CHUNK_BYTES = 256 * 1024;
/** What gzip's files begin with (RFC 1952). */
const GZIP = Buffer.from([0x1f, 0x8b]);

/**
 * A log file as a stream, unpacked where it is gzip's. What is appended while it is read is read too, up to the end as met.
 * Its pieces throw a UserError where the file can't be read.
 */
export function fileStream(name: string, path: string): LogStream {
  return { name, chunks: () => chunksOf(path) };
}

/** The error for a file that is there and can't be read. */
export function unreadable(path: string, error: unknown): UserError {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = Object.hasOwn(REASONS, code ?? '') ? REASONS[code ?? ''] : message;
  return new UserError({
    where: path,
    problem: `the file can't be read: ${reason}`,
    remedy: 'make it readable, or take it out of its folder',
  });
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EISDIR: 'it is a folder',
  ENOENT: 'it is a link to a file that is gone',
};

async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  if (isPacked(path)) yield* unpacked(path);
  else yield* plain(path);
}

function isPacked(path: string): boolean {
  const file = opened(path);
  try {
    const start = Buffer.alloc(GZIP.length);
    readPiece(file, start, path);
    return start.equals(GZIP);
  } finally {
    closeSync(file);
  }
}

/** Synchronous: handing each piece over to a thread and back costs a tenth of rebuilding flows from it. */
async function* plain(path: string): AsyncGenerator<Buffer> {
  const file = opened(path);
  try {
    const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    for (;;) {
      const bytesRead = readPiece(file, buffer, path);
      if (bytesRead === 0) return;
      yield bytesRead === buffer.length ? buffer : buffer.subarray(0, bytesRead);
    }
  } finally {
    closeSync(file);
  }
}

/** Of an archive that breaks off what is there is read: sequence numbers tell what is lost. */
async function* unpacked(path: string): AsyncGenerator<Buffer> {
  const gunzip = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH, chunkSize: CHUNK_BYTES });
  const packed = createReadStream(path);
  packed.on('error', (error) => gunzip.destroy(error));
  try {
    yield* packed.pipe(gunzip) as AsyncIterable<Buffer>;
  } catch (error) {
    throw unreadable(path, error);
  } finally {
    packed.destroy();
  }
}

function opened(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw unreadable(path, error);
  }
}

function readPiece(file: number, buffer: Buffer, path: string): number {
  try {
    return readSync(file, buffer, 0, buffer.length, null);
  } catch (error) {
    throw unreadable(path, error);
  }
}
