import type { Limit } from '../../lib/model/resilience';

/** Lets so many in at once; a bounded number of others waits, first come, first served. */
export interface Limiter {
  readonly settings: Limit;
  /**
   * True where there is room, false where the queue is full too; else a promise of the one or the other.
   *
   * @param waitMs longest time to wait; the promise is false once it has passed
   */
  enter(waitMs: number): boolean | Promise<boolean>;
  /** Whether one more would be let in at once. */
  hasRoom(): boolean;
  /** Once for each that was let in. */
  leave(): void;
}

interface Waiting {
  readonly resolve: (admitted: boolean) => void;
  readonly timer: NodeJS.Timeout;
}

export function limiter(settings: Limit): Limiter {
  /** A Set keeps the order, and lets go of one in its middle. */
  const queue = new Set<Waiting>();
  let inside = 0;

  const wait = (waitMs: number): Promise<boolean> =>
    new Promise((resolve) => {
      const expire = (): void => {
        queue.delete(waiting);
        resolve(false);
      };
      const waiting: Waiting = { resolve, timer: setTimeout(expire, Math.max(0, Math.ceil(waitMs))) };
      queue.add(waiting);
    });

  return {
    settings,
    enter(waitMs) {
      if (inside < settings.limit) {
        inside += 1;
        return true;
      }
      return queue.size < settings.queue && wait(waitMs);
    },
    hasRoom: () => inside < settings.limit,
    leave() {
      const [next] = queue;
      if (next === undefined) {
        inside -= 1;
        return;
      }
      queue.delete(next);
      clearTimeout(next.timer);
      next.resolve(true);
    },
  };
}
