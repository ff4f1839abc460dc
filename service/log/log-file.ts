import { close, openSync, write, writeSync } from 'node:fs';

/** What the owner of the lines is asked and told. */
export interface LogFileOwner {
  /** Asked as a write begins: a line to go ahead of those that wait; empty for none. */
  readonly ahead: () => string;
  /**
   * Told after each write, with room in the buffer again.
   *
   * @param lost lines that the disk refused
   * @param aheadLost whether the line ahead is one of them
   */
  readonly written: (lost: number, aheadLost: boolean) => void;
}

/** Where lines go. Appending never waits for the disk. */
export interface LogFile {
  /** Takes a line with its line feed; false when the buffer is full and the line is dropped. */
  append(line: string): boolean;
  /** Resolves once every line taken before the call is written. */
  flush(): Promise<void>;
  /** Writes what waits at once, for a process that is about to die. */
  flushSync(): void;
  close(): Promise<void>;
}

/** A write starts when so much waits, */
const WRITE_CHARACTERS = 65_536;
/** or when the first line that waits has waited so long. */
const WRITE_AFTER_MS = 10;
/** So much may wait while the disk is slow; further lines are dropped. */
export const LOG_BUFFER_CHARACTERS = 8_388_608;
const BUSY_RETRY_MS = 5;
const LINE_FEED = 0x0a;
/** A disk that refuses is tried again so long after, or when a whole write waits. */
const REFUSED_RETRY_MS = 500;

/**
 * Appends lines to the file at `path` (`-` is standard output), whole lines in each write, so that several writers may
 * share a file.
 *
 * What a crash costs: a process that throws, or calls `process.exit`, writes its buffer on the way out and loses at
 * most the one write then under way. One that is killed loses at most what it logged since its last write began: the
 * last 10 ms or 64 Ki characters, whichever is less, while the disk keeps up; `LOG_BUFFER_CHARACTERS` at the very most.
 */
export function openLogFile(path: string, { ahead, written }: LogFileOwner): LogFile {
  const fd = path === '-' ? 1 : openSync(path, 'a', 0o644);
  let waiting = '';
  let underWay: Promise<void> | null = null;
  let timer: NodeJS.Timeout | null = null;
  let brokenLine = false;

  const start = (): void => {
    if (timer) clearTimeout(timer);
    timer = null;
    if (underWay) return;
    const first = ahead();
    if (first === '' && waiting === '') return;
    const mending = brokenLine ? 1 : 0;
    const chunk = take(first);
    underWay = writeWhole(fd, chunk).then((unwritten) => {
      underWay = null;
      const bytes = chunk.length - unwritten.length;
      const mended = bytes >= mending;
      const lost = countLines(unwritten) - (mended ? 0 : 1);
      brokenLine = !mended || (bytes > 0 && chunk[bytes - 1] !== LINE_FEED);
      written(lost, first !== '' && bytes < mending + Buffer.byteLength(first));
      if (waiting.length >= WRITE_CHARACTERS) start();
      else if (unwritten.length > 0) arm(REFUSED_RETRY_MS);
      else if (waiting !== '') arm(WRITE_AFTER_MS);
    });
  };

  const arm = (afterMs: number): void => {
    timer ??= setTimeout(start, afterMs);
  };

  /** What waits, behind the line given. A line that the disk took only a part of is closed first: it spoils no other. */
  const take = (first: string): Buffer => {
    const chunk = Buffer.from((brokenLine ? '\n' : '') + first + waiting);
    waiting = '';
    brokenLine = false;
    return chunk;
  };

  const flush = async (): Promise<void> => {
    await underWay;
    start();
    await underWay;
  };

  return {
    append: (line) => {
      if (waiting.length + line.length > LOG_BUFFER_CHARACTERS) return false;
      waiting += line;
      if (underWay) return true;
      if (waiting.length >= WRITE_CHARACTERS) start();
      else if (!timer) arm(WRITE_AFTER_MS);
      return true;
    },
    flush,
    flushSync: () => {
      if (waiting === '') return;
      let chunk = take(ahead());
      try {
        while (chunk.length > 0) chunk = chunk.subarray(writeSync(fd, chunk));
      } catch {
        // The process is dying and has nowhere left to say so.
      }
    },
    close: async () => {
      await flush();
      if (timer) clearTimeout(timer);
      if (fd !== 1) await new Promise<void>((resolve) => close(fd, () => resolve()));
    },
  };
}

/** Resolves to what could not be written: nothing, where all is well. */
async function writeWhole(fd: number, chunk: Buffer): Promise<Buffer> {
  let left = chunk;
  while (left.length > 0) {
    const result = await writeSome(fd, left);
    if (typeof result === 'number') left = left.subarray(result);
    else if (result.code === 'EAGAIN') await new Promise((resolve) => setTimeout(resolve, BUSY_RETRY_MS));
    else return left;
  }
  return left;
}

function writeSome(fd: number, chunk: Buffer): Promise<number | NodeJS.ErrnoException> {
  return new Promise((resolve) => write(fd, chunk, (error, bytes) => resolve(error ?? bytes)));
}

function countLines(chunk: Buffer): number {
  let lines = 0;
  for (const byte of chunk) if (byte === LINE_FEED) lines += 1;
  return lines;
}
