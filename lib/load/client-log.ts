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

/** Lines gather in blocks of so many bytes; a write starts when one is full, */
const BLOCK_BYTES = 262_144;
/** or when the first line that waits has waited so long. */
const WRITE_AFTER_MS = 50;
/** So many full blocks may wait while the disk is slow: 64 MiB, some three seconds of 30,000 requests each. */
const MAX_BLOCKS = 256;
/** An UTF-16 code unit takes no more bytes in UTF-8. */
const MAX_BYTES_A_UNIT = 3;

interface Block {
  readonly bytes: Buffer;
  used: number;
}

/**
 * Creates the file at `path`. What a crash of the driver costs: at most what it logged since its last write began, 50 ms
 * or 256 KiB, whichever is less, while the disk keeps up. Lines are encoded straight into blocks that are used again:
 * texts kept for later would cost the garbage collector more than everything else in the driver.
 *
 * @param onError the disk refuses; called once, later lines are dropped
 */
export function openClientLog(path: string, onError: (error: NodeJS.ErrnoException) => void): ClientLog {
  const fd = openSync(path, 'ax', 0o644);
  let filling = newBlock();
  let full: Block[] = [];
  let spare: Block | null = null;
  let writing = false;
  let timer: NodeJS.Timeout | null = null;
  let refusal: NodeJS.ErrnoException | null = null;
  let onIdle: (() => void) | null = null;

  const seal = (): void => {
    full.push(filling);
    filling = spare ?? newBlock();
    spare = null;
  };

  const start = (): void => {
    if (timer) clearTimeout(timer);
    timer = null;
    if (writing) return;
    if (full.length === 0 && filling.used > 0) seal();
    const block = full.shift();
    if (!block || refusal) {
      onIdle?.();
      return;
    }
    writing = true;
    writeRest(block, 0);
  };

  const writeRest = (block: Block, from: number): void => {
    write(fd, block.bytes, from, block.used - from, null, (error, bytes) => {
      if (error) {
        refusal = error;
        onError(error);
      } else if (from + bytes < block.used) {
        writeRest(block, from + bytes);
        return;
      }
      writing = false;
      block.used = 0;
      spare ??= block;
      if (onIdle || full.length > 0) start();
      else if (filling.used > 0) timer ??= setTimeout(start, WRITE_AFTER_MS);
    });
  };

  return {
    append: (line) => {
      const room = line.length * MAX_BYTES_A_UNIT;
      if (refusal || room > BLOCK_BYTES) return false;
      if (room > BLOCK_BYTES - filling.used) {
        if (full.length >= MAX_BLOCKS) return false;
        seal();
      }
      filling.used += filling.bytes.write(line, filling.used);
      if (writing) return true;
      if (full.length > 0) start();
      else timer ??= setTimeout(start, WRITE_AFTER_MS);
      return true;
    },
    flushSync: () => {
      if (refusal) return;
      seal();
      for (const { bytes, used } of full) {
        for (let from = 0; from < used; ) from += writeSync(fd, bytes, from, used - from);
      }
      full = [];
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

function newBlock(): Block {
  return { bytes: Buffer.allocUnsafeSlow(BLOCK_BYTES), used: 0 };
}
