import { LIMITS } from '../../lib/model/contract';

/** Work that was answered 202 and waits for its turn. */
export interface SendQueue {
  /** False when the queue is full or closed. */
  offer(work: () => Promise<void>): boolean;
  /** Resolves when all work is done. */
  idle(): Promise<void>;
  /** Forgets what has not begun, and says how much that was. */
  abandon(): number;
}

/** So many run at once; the others wait. */
const CONCURRENT = 100;

export function sendQueue(limit: number = LIMITS.queuedSends): SendQueue {
  let waiting: (() => Promise<void>)[] = [];
  let next = 0;
  let running = 0;
  let whenIdle: (() => void)[] = [];

  const runMore = (): void => {
    while (running < CONCURRENT && next < waiting.length) {
      const work = waiting[next++] as () => Promise<void>;
      running += 1;
      void work().finally(() => {
        running -= 1;
        runMore();
      });
    }
    if (next === waiting.length) {
      waiting = [];
      next = 0;
    }
    if (running > 0) return;
    for (const resolve of whenIdle) resolve();
    whenIdle = [];
  };

  return {
    offer: (work) => {
      if (waiting.length - next >= limit) return false;
      waiting.push(work);
      // The 202 leaves first.
      setImmediate(runMore);
      return true;
    },
    idle: () =>
      running === 0 && waiting.length === next
        ? Promise.resolve()
        : new Promise((resolve) => {
            whenIdle.push(resolve);
          }),
    abandon: () => {
      const abandoned = waiting.length - next;
      waiting = [];
      next = 0;
      return abandoned;
    },
  };
}
