import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Room for a reader's records beyond memory: a file a part, in a temporary folder that `close` removes. */
export interface TemporarySpill {
  write(part: number, bytes: Uint8Array): void;
  size(part: number): number;
  read(part: number, into: Uint8Array): void;
  close(): void;
}

/** Nothing is made on disk before the first `write`. */
export function temporarySpill(): TemporarySpill {
  let folder: string | undefined;
  const files = new Map<number, { readonly fd: number; size: number }>();

  const fileOf = (part: number): { readonly fd: number; size: number } => {
    let file = files.get(part);
    if (!file) {
      folder ??= mkdtempSync(join(tmpdir(), 'microcosm-'));
      file = { fd: openSync(join(folder, `${part}.records`), 'w+', 0o600), size: 0 };
      files.set(part, file);
    }
    return file;
  };

  return {
    write(part, bytes) {
      const file = fileOf(part);
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(file.fd, bytes, done, bytes.length - done, file.size + done);
      }
      file.size += bytes.length;
    },
    size: (part) => files.get(part)?.size ?? 0,
    read(part, into) {
      const file = files.get(part);
      for (let done = 0; file && done < into.length; ) {
        const count = readSync(file.fd, into, done, into.length - done, done);
        if (count === 0) throw new Error(`records of part ${part} end after ${done} of ${into.length} bytes`);
        done += count;
      }
    },
    close() {
      for (const { fd } of files.values()) closeSync(fd);
      files.clear();
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
      folder = undefined;
    },
  };
}
