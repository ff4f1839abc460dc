import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { UserError } from '../lib/model/user-error';

/** Where a command's result goes: standard output, or a file. */
export interface Output {
  write(text: string): Promise<void>;
  /** To be called at the end, also after a failure. */
  close(): Promise<void>;
}

const BUFFER_CHARS = 1 << 16;

/** Waits while the reader is slower. */
export const standardOutput: Output = {
  async write(text) {
    if (!process.stdout.write(text)) await once(process.stdout, 'drain');
  },
  async close() {},
};

/**
 * A file, replaced where it exists.
 *
 * @throws UserError where it can't be written
 */
export async function fileOutput(path: string): Promise<Output> {
  const file = await opened(path);
  let waiting = '';
  const flush = async (): Promise<void> => {
    const text = waiting;
    waiting = '';
    // `write` may stop half-way, which is no error to it.
    await file.appendFile(text).catch((error) => {
      throw unwritable(path, error);
    });
  };
  return {
    async write(text) {
      waiting += text;
      if (waiting.length >= BUFFER_CHARS) await flush();
    },
    async close() {
      try {
        if (waiting !== '') await flush();
      } finally {
        await file.close();
      }
    },
  };
}

async function opened(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'w');
  } catch (error) {
    throw unwritable(path, error);
  }
}

function unwritable(path: string, error: unknown): UserError {
  const { code, message } = error as NodeJS.ErrnoException;
  const problems: Readonly<Record<string, string>> = {
    ENOENT: `the folder of ${path} does not exist`,
    EISDIR: `${path} is a folder`,
    EACCES: `${path} may not be written`,
    ENOSPC: `the disk of ${path} is full`,
  };
  return new UserError({
    where: '--out',
    problem: problems[code ?? ''] ?? message,
    remedy: 'name a file in a folder of yours',
  });
}
