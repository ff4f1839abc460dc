import { closeSync, type Dirent, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { LOG_SUFFIX } from './local-source';

/** Log files that are written while they are read. */
export interface LogTail {
  /**
   * Reads some of what was appended to each file since the last call. The files keep pace with each other: of one with
   * twice as much to come, twice as much is read.
   *
   * @param take a piece of a file; its memory is used again for the next one
   * @returns whether there is more
   */
  poll(take: (file: TailedFile, chunk: Buffer) => void): boolean;
}

export interface TailedFile {
  /** Tells files apart, whatever their names and links. */
  readonly id: string;
  /** Usually the instance. */
  readonly name: string;
}

interface Position extends TailedFile {
  /** As last met: of several names of one file, one may go. */
  path: string;
  at: number;
}

const PIECE_BYTES = 256 * 1024;

/**
 * Follows the logs in folders, files that come later included. A file that is there twice by hard links is one. One that
 * has become shorter was written anew, and is read from its start.
 *
 * @param places the folders as they are known at each call; one that does not exist (yet) has no files
 * @param sinceMs files that were last written before, in milliseconds since 1970, are left out. @default none
 */
export function tailLocal(places: () => readonly string[], sinceMs = 0): LogTail {
  const files = new Map<string, Position>();
  const buffer = Buffer.allocUnsafeSlow(PIECE_BYTES);

  const read = (file: Position, bytes: number): number => {
    const descriptor = openSync(file.path, 'r');
    try {
      return readSync(descriptor, buffer, 0, bytes, file.at);
    } finally {
      closeSync(descriptor);
    }
  };

  return {
    poll(take) {
      const left = new Map<Position, number>();
      for (const path of places().flatMap(logFiles)) {
        const found = unlessGone(() => statSync(path));
        if (!found || found.mtimeMs < sinceMs) continue;
        const id = `${found.dev} ${found.ino}`;
        const file = files.get(id) ?? { id, name: basename(path, LOG_SUFFIX), path, at: 0 };
        files.set(id, file);
        file.path = path;
        if (found.size < file.at) file.at = 0;
        if (found.size > file.at) left.set(file, found.size - file.at);
      }
      const rounds = Math.max(1, ...Array.from(left.values(), (bytes) => Math.ceil(bytes / PIECE_BYTES)));
      for (const [file, bytes] of left) {
        const got = unlessGone(() => read(file, Math.ceil(bytes / rounds))) ?? 0;
        file.at += got;
        if (got > 0) take(file, buffer.subarray(0, got));
      }
      return rounds > 1;
    },
  };
}

function logFiles(place: string): readonly string[] {
  const entries: readonly Dirent[] = unlessGone(() => readdirSync(place, { withFileTypes: true })) ?? [];
  return entries.filter(({ name }) => name.endsWith(LOG_SUFFIX)).map(({ name }) => join(place, name));
}

/** A deployment that stops may take its files with it at any moment. */
function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
