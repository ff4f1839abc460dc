/** Parts of a window: what leaves it, leaves a tenth at a time. */
const PARTS = 10;
/** Older than any part of a process's time, also in its first window. */
const NO_PART = Number.NEGATIVE_INFINITY;

/** Counts of two things over the last so many milliseconds, in memory that does not grow with them. */
export interface RollingCounts {
  add(what: 0 | 1, now: number): void;
  sum(what: 0 | 1, now: number): number;
  clear(): void;
}

export function rollingCounts(windowMs: number): RollingCounts {
  const partMs = windowMs / PARTS;
  const counts = new Float64Array(2 * PARTS);
  /** Which part of time each slot counts. */
  const parts = new Float64Array(PARTS).fill(NO_PART);

  return {
    add(what, now) {
      const part = Math.floor(now / partMs);
      const slot = part % PARTS;
      if (parts[slot] !== part) {
        parts[slot] = part;
        counts.fill(0, 2 * slot, 2 * slot + 2);
      }
      counts[2 * slot + what] = (counts[2 * slot + what] as number) + 1;
    },
    sum(what, now) {
      const oldest = Math.floor(now / partMs) - PARTS;
      let sum = 0;
      for (let slot = 0; slot < PARTS; slot++) {
        if ((parts[slot] as number) > oldest) sum += counts[2 * slot + what] as number;
      }
      return sum;
    },
    clear() {
      parts.fill(NO_PART);
    },
  };
}
