import { randomBytes } from 'node:crypto';
import { open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { work } from '../../lib/model/decisions';
import type { WorkStep } from '../../lib/model/topology';
import { leftMs, type Span } from '../span';
import { NOTHING, type Outcome } from './outcome';

/**
 * The node's own work: CPU first, then disk, then memory is held while the latency passes. The deadline cuts each
 * short, and a work step so cut fails.
 */
export function doWork(step: WorkStep, span: Span): Promise<Outcome> | Outcome {
  const { latencyMs, cpuMs, memoryBytes, diskBytes } = work(step, span.draws);
  if (cpuMs <= 0 && diskBytes <= 0 && memoryBytes <= 0) {
    const wait = Math.round(latencyMs);
    const left = leftMs(span);
    if (left <= 0) return cut(step);
    return wait <= 0 ? NOTHING : pass(wait, left, step);
  }
  return doAll(step, span, { latencyMs, cpuMs, memoryBytes, diskBytes });
}

async function doAll(step: WorkStep, span: Span, work: Readonly<Record<string, number>>): Promise<Outcome> {
  const { latencyMs = 0, cpuMs = 0, memoryBytes = 0, diskBytes = 0 } = work;
  try {
    if (cpuMs > 0) await burn(cpuMs, () => leftMs(span));
    if (diskBytes > 0) await writeToDisk(diskBytes, span);
    const held = memoryBytes > 0 ? hold(memoryBytes) : null;
    const left = leftMs(span);
    if (left <= 0) return cut(step);
    const wait = Math.round(latencyMs);
    const outcome = wait > 0 ? await pass(wait, left, step) : NOTHING;
    release(held);
    return outcome;
  } catch (error) {
    const message = `${step.id}: ${(error as Error).message}`;
    return { responses: '', failure: { kind: 'INTERNAL', step: step.id, message } };
  }
}

function cut(step: WorkStep): Outcome {
  const message = `${step.id}: the deadline passed`;
  return { responses: '', failure: { kind: 'DEADLINE', step: step.id, message } };
}

/** Waits on a timer of the event loop, which counts whole milliseconds. */
function pass(wait: number, left: number, step: WorkStep): Promise<Outcome> {
  return new Promise((resolve) => {
    if (wait < left) setTimeout(resolve, wait, NOTHING);
    else setTimeout(() => resolve(cut(step)), Math.ceil(left));
  });
}

/** The event loop turns between two chunks, so that other requests are late by this much and not by the whole. */
const CHUNK_CPU_MS = 2;
/** Rounds of arithmetic between two looks at the meter, which itself costs about a microsecond. */
const ROUNDS = 5_000;

/**
 * Consumes CPU time as the operating system's meter counts it, so that a crowded machine makes it later, not less.
 *
 * @param timeLeft ends it early at 0 or below
 */
export async function burn(cpuMs: number, timeLeft: () => number): Promise<void> {
  let left = cpuMs;
  while (left > 0 && timeLeft() > 0) {
    const target = Math.min(left, CHUNK_CPU_MS);
    const start = process.cpuUsage();
    let used = 0;
    let seed = 1;
    while (used < target && timeLeft() > 0) {
      for (let i = 0; i < ROUNDS; i++) seed = Math.imul(seed ^ (seed >>> 13), 0x5bd1e995) | 1;
      const { user, system } = process.cpuUsage(start);
      used = (user + system) / 1000;
    }
    left -= used;
    if (left > 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Filled, so that the pages are really there. */
function hold(bytes: number): Buffer {
  return Buffer.alloc(bytes, 1);
}

/** Reads what was held, so that no optimiser lets go of it earlier. */
function release(held: Buffer | null): void {
  if (held && held[held.length - 1] !== 1) throw new Error('held memory has changed');
}

const DISK_CHUNK = Buffer.alloc(65_536, 'microcosm ');
/** A longer amount is written over the same file again: bytes are written, space is not taken. */
const MAX_FILE_BYTES = 67_108_864;

/** Writes to a temporary file that has no name from its first moment on, so that not even a crash leaves it behind. */
async function writeToDisk(bytes: number, span: Span): Promise<void> {
  const path = join(tmpdir(), `microcosm-${process.pid}-${randomBytes(8).toString('hex')}`);
  const file = await open(path, 'wx', 0o600);
  try {
    await unlink(path);
    let written = 0;
    while (written < bytes && leftMs(span) > 0) {
      const length = Math.min(DISK_CHUNK.length, bytes - written);
      written += (await file.write(DISK_CHUNK, 0, length, written % MAX_FILE_BYTES)).bytesWritten;
    }
  } finally {
    await file.close();
  }
}
