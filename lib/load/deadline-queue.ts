/** What can fall due. The fields are the queue's own. */
export interface Due {
  /** By the monotonic clock, in milliseconds. */
  dueAt: number;
  earlier: Due | null;
  later: Due | null;
}

/** Calls back for each thing that is not removed in time, once it is due: in the order added, for all wait equally long. */
export interface DeadlineQueue<T extends Due> {
  add(thing: T): void;
  /** Takes out a thing that is in the queue. */
  remove(thing: T): void;
  stop(): void;
}

/**
 * One timer for all, since a timer a request costs more than the request; and a list whose links are in the things
 * themselves, so that what is removed is garbage at once and not only when its time has come.
 */
export function deadlineQueue<T extends Due>(waitMs: number, onDue: (thing: T) => void): DeadlineQueue<T> {
  let first: T | null = null;
  let last: T | null = null;
  let timer: NodeJS.Timeout | null = null;
  let isStopped = false;

  /** Timers come before input in a turn of the event loop: what arrived while the loop was held up is read first. */
  const arm = (ms: number): void => {
    timer = setTimeout(() => setImmediate(expire), Math.max(1, Math.ceil(ms)));
  };

  /** The timer counts as set until the end, so that what is added meanwhile sets no second one. */
  const expire = (): void => {
    while (first && !isStopped) {
      const leftMs = first.dueAt - performance.now();
      if (leftMs > 0) {
        arm(leftMs);
        return;
      }
      const due = first;
      remove(due);
      onDue(due);
    }
    timer = null;
  };

  const remove = (thing: T): void => {
    const { earlier, later } = thing;
    if (earlier) earlier.later = later;
    else first = later as T | null;
    if (later) later.earlier = earlier;
    else last = earlier as T | null;
    thing.earlier = null;
    thing.later = null;
  };

  return {
    add: (thing) => {
      thing.dueAt = performance.now() + waitMs;
      thing.earlier = last;
      if (last) last.later = thing;
      else first = thing;
      last = thing;
      if (timer === null && !isStopped) arm(waitMs);
    },
    remove,
    stop: () => {
      isStopped = true;
      if (timer) clearTimeout(timer);
    },
  };
}
