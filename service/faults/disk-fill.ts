import { randomBytes } from 'node:crypto';
import { statfsSync } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FAULT_BOUNDS } from '../../lib/model/fault';
import type { Scene } from './effects';

const MIB = 1_048_576;
const CHUNK = Buffer.alloc(MIB, 'microcosm fault ');
/** Left free whatever is asked for: the log goes on. */
const SPARE_MIB = 256;

/** Mebibytes taken by all nodes of the process together. */
let takenMiB = 0;

/** How much of the size asked for the bound and the disk leave, which is then reserved. */
export function grantDisk(sizeMiB: number): number {
  const { bavail, bsize } = statfsSync(tmpdir());
  const free = Math.floor((bavail * bsize) / MIB) - SPARE_MIB;
  const granted = Math.max(0, Math.min(sizeMiB, FAULT_BOUNDS.diskMiB - takenMiB, free));
  takenMiB += granted;
  return granted;
}

/** Fills a file that has no name from its first moment on, so that not even a crash leaves it behind. */
export function fillDisk(grantedMiB: number, durationMs: number, { lasting }: Scene): void {
  let over = false;
  let file: FileHandle | undefined;
  let writing = true;
  const close = (): void => {
    if (!over || writing) return;
    takenMiB -= grantedMiB;
    void file?.close().catch(() => {});
  };
  lasting(durationMs, () => {
    over = true;
    close();
  });
  const fill = async (): Promise<void> => {
    const path = join(tmpdir(), `microcosm-fault-${process.pid}-${randomBytes(8).toString('hex')}`);
    file = await open(path, 'wx', 0o600);
    await unlink(path);
    let left = Math.round(grantedMiB * MIB);
    while (left > 0 && !over) left -= (await file.write(CHUNK, 0, Math.min(MIB, left))).bytesWritten;
  };
  // A disk that fills up earlier is full all the same.
  void fill()
    .catch(() => {})
    .finally(() => {
      writing = false;
      close();
    });
}
