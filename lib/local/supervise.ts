import type { ReadyMessage } from '../model/contract';
import { describeExit, type NodeProcess } from './node-process';

/** Something that is started, and started again when it dies. */
export interface Supervised {
  /** Resolves once it is up for the first time; rejects when the first start fails, which is not tried again. */
  readonly started: Promise<void>;
  /** SIGTERM, and SIGKILL where it takes too long; resolves when it is gone. Never restarts from then on. */
  stop(): Promise<void>;
  kill(): Promise<void>;
}

export interface SuperviseOptions {
  /** @param restarts starts before this one */
  readonly start: (restarts: number) => NodeProcess;
  readonly onUp: (pid: number, ready: readonly ReadyMessage[], restarts: number) => void;
  /** A process that was up has died, or a restart failed; the next start follows after the delay. */
  readonly onCrash: (pid: number, reason: string, stderr: string, delayMs: number) => void;
  readonly backoff?: Backoff;
}

export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
  /** A process that was up for so long is restarted after `firstMs` again. */
  readonly resetAfterMs: number;
}

export const DEFAULT_BACKOFF: Backoff = { firstMs: 200, maxMs: 10_000, resetAfterMs: 30_000 };
/** Longer than a node's own bound on its stop. */
const KILL_AFTER_MS = 12_000;

export function supervise({ start, onUp, onCrash, backoff = DEFAULT_BACKOFF }: SuperviseOptions): Supervised {
  let stopping = false;
  let restarts = 0;
  let delayMs = backoff.firstMs;
  let running: NodeProcess | undefined;
  let pause: { timer: NodeJS.Timeout } | undefined;

  const run = async (): Promise<void> => {
    const current = start(restarts);
    running = current;
    let upSince: number | undefined;
    let problem: unknown;
    try {
      const ready = await current.ready;
      upSince = performance.now();
      if (!stopping) onUp(current.pid, ready, restarts);
    } catch (error) {
      problem = error;
    }
    void current.exited.then((exit) => {
      if (running === current) running = undefined;
      if (stopping || (problem !== undefined && restarts === 0)) return;
      if (upSince !== undefined && performance.now() - upSince > backoff.resetAfterMs) delayMs = backoff.firstMs;
      const reason = upSince === undefined ? `did not come up again: ${describeExit(exit)}` : describeExit(exit);
      onCrash(current.pid, reason, current.stderr(), delayMs);
      pause = { timer: setTimeout(restart, delayMs) };
      delayMs = Math.min(delayMs * 2, backoff.maxMs);
    });
    if (problem !== undefined) throw problem;
  };
  const restart = () => {
    restarts += 1;
    // A restart that fails ends in `exited` too, and is tried again from there.
    run().catch(() => {});
  };

  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    stopping = true;
    clearTimeout(pause?.timer);
    const current = running;
    if (!current) return;
    current.kill(signal);
    const timer = setTimeout(() => current.kill('SIGKILL'), KILL_AFTER_MS);
    await current.exited;
    clearTimeout(timer);
  };

  const started = run();
  started.catch(() => {});
  return { started, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
}
