/** Calls back for each thing added, once it is due: in the order added, for all wait equally long. */
export interface DeadlineQueue<T> {
  add(thing: T): void;
  stop(): void;
}

/** Forgets the used front of its list when it is so long. */
const COMPACT_AT = 4096;

/**
 * One timer for all, since a timer a request costs more than the request. What is over before its time is only
 * marked, and left out here when its turn comes.
 *
 * @param isOver whether a thing needs no call any more
 */
export function deadlineQueue<T>(
  waitMs: number,
  isOver: (thing: T) => boolean,
  onDue: (thing: T) => void,
): DeadlineQueue<T> {
  let waiting: { readonly thing: T; readonly dueAt: number }[] = [];
  let front = 0;
  let timer: NodeJS.Timeout | null = null;
  let isStopped = false;

  /** Timers come before input in a turn of the event loop: what arrived while the loop was held up is read first. */
  const arm = (ms: number): void => {
    timer = setTimeout(() => setImmediate(expire), Math.max(1, Math.ceil(ms)));
  };

  /** The timer counts as set until the end, so that what is added meanwhile sets no second one. */
  const expire = (): void => {
    if (isStopped) return;
    for (let first = waiting[front]; first; first = waiting[front]) {
      const leftMs = isOver(first.thing) ? 0 : first.dueAt - performance.now();
      if (leftMs > 0) {
        arm(leftMs);
        return;
      }
      front += 1;
      if (front >= COMPACT_AT) {
        waiting = waiting.slice(front);
        front = 0;
      }
      if (!isOver(first.thing)) onDue(first.thing);
    }
    waiting = [];
    front = 0;
    timer = null;
  };

  return {
    add: (thing) => {
      waiting.push({ thing, dueAt: performance.now() + waitMs });
      if (timer === null && !isStopped) arm(waitMs);
    },
    stop: () => {
      isStopped = true;
      if (timer) clearTimeout(timer);
      waiting = [];
      front = 0;
    },
  };
}
