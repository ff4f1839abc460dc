import { close, openSync, write, writeSync } from 'node:fs';

/** The file of the client's events. Appending never waits for the disk. */
export interface ClientLog {
  /** Takes a line with its line feed; false when the buffer is full and the line is dropped. */
  append(line: string): boolean;
  /** Writes what waits at once, for a process that is about to leave. */
  flushSync(): void;
  /** Writes what waits and closes. Rejects where the disk has refused a write. */
  close(): Promise<void>;
}

/** A write starts when so much waits, */
const WRITE_CHARACTERS = 262_144;
/** or when the first line that waits has waited so long. */
const WRITE_AFTER_MS = 50;
/** So much may wait while the disk is slow: some two seconds of 30,000 requests each. */
const BUFFER_CHARACTERS = 67_108_864;

/**
 * Creates the file at `path`. What a crash of the driver costs: at most what it logged since its last write began, 50 ms
 * or 256 Ki characters, whichever is less, while the disk keeps up.
 *
 * @param onError the disk refuses; called once, later lines are dropped
 */
export function openClientLog(path: string, onError: (error: NodeJS.ErrnoException) => void): ClientLog {
  const fd = openSync(path, 'ax', 0o644);
  let waiting: string[] = [];
  let waitingCharacters = 0;
  let writing = false;
  let timer: NodeJS.Timeout | null = null;
  let refusal: NodeJS.ErrnoException | null = null;
  let onIdle: (() => void) | null = null;

  const take = (): Buffer => {
    const chunk = Buffer.from(waiting.join(''));
    waiting = [];
    waitingCharacters = 0;
    return chunk;
  };

  const start = (): void => {
    if (timer) clearTimeout(timer);
    timer = null;
    if (writing) return;
    if (waiting.length === 0 || refusal) {
      onIdle?.();
      return;
    }
    writing = true;
    writeRest(take());
  };

  const writeRest = (chunk: Buffer): void => {
    write(fd, chunk, (error, bytes) => {
      if (error) {
        refusal = error;
        onError(error);
      } else if (bytes < chunk.length) {
        writeRest(chunk.subarray(bytes));
        return;
      }
      writing = false;
      if (onIdle || waitingCharacters >= WRITE_CHARACTERS) start();
      else if (waiting.length > 0) timer ??= setTimeout(start, WRITE_AFTER_MS);
    });
  };

  return {
    append: (line) => {
      if (refusal || waitingCharacters + line.length > BUFFER_CHARACTERS) return false;
      waiting.push(line);
      waitingCharacters += line.length;
      if (writing) return true;
      if (waitingCharacters >= WRITE_CHARACTERS) start();
      else timer ??= setTimeout(start, WRITE_AFTER_MS);
      return true;
    },
    flushSync: () => {
      if (refusal) return;
      let chunk = take();
      while (chunk.length > 0) chunk = chunk.subarray(writeSync(fd, chunk));
    },
    close: async () => {
      await new Promise<void>((resolve) => {
        onIdle = resolve;
        start();
      });
      await new Promise<void>((resolve) => close(fd, () => resolve()));
      if (refusal) throw refusal;
    },
  };
}
