import { availableParallelism } from 'node:os';

/** More would only make each start slower. */
const STARTS_AT_ONCE = 2 * availableParallelism();

/** A bounded number at a time; the first failure ends the rest. */
export async function startAll<T>(
  items: readonly T[],
  signal: AbortSignal | undefined,
  start: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  let failed = false;
  const worker = async () => {
    for (const item of queue) {
      if (failed) return;
      try {
        await raceAbort(start(item), signal);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(STARTS_AT_ONCE, items.length) }, worker));
}

/** The promise's outcome, or a rejection with the signal's reason where that comes first. */
export async function raceAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  signal.throwIfAborted();
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
