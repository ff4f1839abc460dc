import { FAULT_BOUNDS } from '../../lib/model/fault';
import type { Scene } from './effects';

/** ES2024's resizable buffers, which the compiler's library does not know; Node has them since version 20. */
interface ResizableBuffer extends ArrayBuffer {
  resize(bytes: number): void;
}

const newResizable = ArrayBuffer as unknown as new (
  bytes: number,
  options: { readonly maxByteLength: number },
) => ResizableBuffer;

const MIB = 1_048_576;
/** Touched between two turns of the event loop. */
const CHUNK_MIB = 8;

/** Mebibytes held by all nodes of the process together: they share its memory, so they share the bound. */
let heldMiB = 0;

/** How much of the size asked for the bound leaves, which is then reserved. */
export function grantMemory(sizeMiB: number): number {
  const granted = Math.max(0, Math.min(sizeMiB, FAULT_BOUNDS.memoryMiB - heldMiB));
  heldMiB += granted;
  return granted;
}

/**
 * Holds memory that is really touched. It is given back to the operating system at once, without waiting for garbage to
 * be collected: a resizable buffer that shrinks gives up its pages.
 */
export function leakMemory(grantedMiB: number, durationMs: number, { lasting }: Scene): void {
  let over = false;
  const buffers: ResizableBuffer[] = [];
  lasting(durationMs, () => {
    over = true;
    for (const buffer of buffers) buffer.resize(0);
    heldMiB -= grantedMiB;
  });
  const touch = (leftMiB: number): void => {
    if (over || leftMiB <= 0) return;
    const maxByteLength = Math.ceil(Math.min(CHUNK_MIB, leftMiB) * MIB);
    const buffer = new newResizable(maxByteLength, { maxByteLength });
    new Uint8Array(buffer).fill(1);
    buffers.push(buffer);
    setImmediate(touch, leftMiB - CHUNK_MIB);
  };
  touch(grantedMiB);
}
