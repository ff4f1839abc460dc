import { closeSync, type Dirent, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { LOG_SUFFIX } from './local-source';
import { unreadable } from './read-file';

/** Log files that are written while they are read. */
export interface LogTail {
  /**
   * Reads some of what was appended to each file since the last call: 4 MiB at most, of one file 256 KiB. The files keep pace
   * with each other: of one with twice as much to come, twice as much is read.
   *
   * @returns whether there is more
   * @throws UserError for a file that is there and can't be read
   */
  poll(reader: TailReader): boolean;
  /** To be called at the end. */
  close(): void;
}

export interface TailReader {
  /** A piece of a file; its memory is used again for the next one. */
  take(file: TailedFile, piece: Buffer): void;
  /** Nothing more comes of it: it is gone, or was written anew. What it holds then is another file's. */
  gone(file: TailedFile): void;
}

export interface TailedFile {
  /** Usually the instance. */
  readonly name: string;
}

/** An open file: whoever renames or removes it takes nothing away that was written to it. */
interface Position {
  readonly descriptor: number;
  file: TailedFile;
  at: number;
  /** What stands before `at`: a file that was written anew has something else there. */
  mark: Buffer;
  writtenAtMs: number;
  namedAtMs: number;
}

const PIECE_BYTES = 256 * 1024;
const POLL_BYTES = 4 * 1024 * 1024;
const MARK_BYTES = 64;
/** A process may write so long to a log that has no name any more. */
const LINGER_MS = 60_000;

/**
 * Follows the logs in folders, files that come later included. A file that is there twice by hard links is one. One that
 * was renamed or removed is read to its end, and a minute longer. One that was truncated or written anew is read from its
 * start.
 *
 * @param places the folders as they are known at each call; one that does not exist (yet) has no files
 * @param sinceMs files that were last written before, in milliseconds since 1970, are left out. @default none
 */
export function tailLocal(places: () => readonly string[], sinceMs = 0): LogTail {
  const files = new Map<string, Position>();
  const buffer = Buffer.allocUnsafeSlow(MARK_BYTES + PIECE_BYTES);

  const opened = (path: string): Position | undefined => {
    const descriptor = unlessGone(path, () => openSync(path, 'r'));
    if (descriptor === undefined) return undefined;
    // The name may have gone to another file meanwhile.
    const id = idOf(fstatSync(descriptor));
    const known = files.get(id);
    if (known) {
      closeSync(descriptor);
      return known;
    }
    const file = { name: basename(path, LOG_SUFFIX) };
    const position = { descriptor, file, at: 0, mark: Buffer.alloc(0), writtenAtMs: 0, namedAtMs: 0 };
    files.set(id, position);
    return position;
  };

  const find = (nowMs: number): void => {
    for (const path of places().flatMap(logFiles)) {
      const found = unlessGone(path, () => statSync(path));
      if (!found || found.mtimeMs < sinceMs) continue;
      const position = files.get(idOf(found)) ?? opened(path);
      if (position) position.namedAtMs = nowMs;
    }
  };

  const anew = (position: Position, { gone }: TailReader): void => {
    gone(position.file);
    position.file = { name: position.file.name };
    position.at = 0;
    position.mark = Buffer.alloc(0);
  };

  /** @returns how many bytes stand in the buffer behind the mark, -1 where the mark is another */
  const read = ({ descriptor, at, mark }: Position, bytes: number): number => {
    const got = readSync(descriptor, buffer, 0, mark.length + bytes, at - mark.length);
    return buffer.compare(mark, 0, mark.length, 0, Math.min(got, mark.length)) === 0 ? got - mark.length : -1;
  };

  const advance = (position: Position, bytes: number, reader: TailReader): void => {
    const got = read(position, bytes);
    // Truncated just now.
    if (got <= 0) return;
    const from = position.mark.length;
    position.at += got;
    position.mark = Buffer.from(buffer.subarray(Math.max(0, from + got - MARK_BYTES), from + got));
    reader.take(position.file, buffer.subarray(from, from + got));
  };

  return {
    poll(reader) {
      const nowMs = performance.now();
      find(nowMs);
      const left = new Map<Position, number>();
      for (const [id, position] of files) {
        const { size, mtimeMs } = fstatSync(position.descriptor);
        const isWritten = mtimeMs !== position.writtenAtMs;
        position.writtenAtMs = mtimeMs;
        if (size < position.at || (isWritten && read(position, 0) < 0)) anew(position, reader);
        if (size > position.at) left.set(position, size - position.at);
        else if (nowMs - position.namedAtMs > LINGER_MS) {
          closeSync(position.descriptor);
          files.delete(id);
          reader.gone(position.file);
        }
      }
      const sizes = [...left.values()];
      const rounds = Math.ceil(Math.max(sum(sizes) / POLL_BYTES, ...sizes.map((bytes) => bytes / PIECE_BYTES)));
      for (const [position, bytes] of left) advance(position, Math.ceil(bytes / rounds), reader);
      return rounds > 1;
    },
    close() {
      for (const { descriptor } of files.values()) closeSync(descriptor);
      files.clear();
    },
  };
}

function idOf({ dev, ino }: { readonly dev: number; readonly ino: number }): string {
  return `${dev} ${ino}`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function logFiles(place: string): readonly string[] {
  const entries: readonly Dirent[] = unlessGone(place, () => readdirSync(place, { withFileTypes: true })) ?? [];
  const files = entries.filter((entry) => entry.name.endsWith(LOG_SUFFIX) && !entry.isDirectory());
  return files.map(({ name }) => join(place, name));
}

/** A deployment that stops may take its files with it at any moment. */
function unlessGone<T>(path: string, look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unreadable(path, error);
  }
}
