/** What began and ended in each of some consecutive cells of time. */
export interface ProgressCells {
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** Milliseconds from each start to its cell's end, less those from each end to its cell's end. */
  readonly restMs: Float64Array;
}

/**
 * How many requests were in progress over time, from their starts and ends in any order, in memory that does not grow with
 * their number: cells of equal width, which are joined by twos when the run outgrows them.
 */
export interface ProgressRing {
  /** A power of two, from 1 on. */
  readonly cellMs: number;
  /** The cells in use; `first * cellMs` is milliseconds since 1970. */
  readonly first: number;
  readonly last: number;
  /** Of all requests, exactly: the first start, the last end, and the sum of the times between. */
  readonly startMs: number;
  readonly endMs: number;
  readonly totalMs: number;
  /** @param durationMs not negative; both finite */
  add(fromMs: number, durationMs: number): void;
  /** Joins cells until there are at most so many, now and hereafter. */
  limit(mostCells: number): void;
  /** Joins cells until they are so wide. */
  widen(cellMs: number): void;
  /** Adds cell `first` to place `at`, and so on. */
  addTo(cells: ProgressCells, at: number): void;
}

const FIRST_CELLS = 256;

export function progressCells(count: number): ProgressCells {
  return { starts: new Int32Array(count), ends: new Int32Array(count), restMs: new Float64Array(count) };
}

/** @param mostCells a power of two, as all numbers of cells here */
export function progressRing(mostCells: number): ProgressRing {
  let most = mostCells;
  let cellMs = 1;
  let first = 0;
  let last = -1;
  let startMs = Number.POSITIVE_INFINITY;
  let endMs = Number.NEGATIVE_INFINITY;
  let totalMs = 0;
  // A cell stands at its number modulo the length, so that the range in use can grow to both sides.
  let cells = progressCells(Math.min(most, FIRST_CELLS));

  const addCell = (to: ProgressCells, at: number, cell: number, laterMs: number): void => {
    const from = cell & (cells.starts.length - 1);
    const starts = cells.starts[from] as number;
    const ends = cells.ends[from] as number;
    (to.starts[at] as number) += starts;
    (to.ends[at] as number) += ends;
    (to.restMs[at] as number) += (cells.restMs[from] as number) + laterMs * (starts - ends);
  };

  const join = (): void => {
    const joined = progressCells(cells.starts.length);
    for (let cell = first; cell <= last; cell++) {
      const at = Math.floor(cell / 2) & (joined.starts.length - 1);
      addCell(joined, at, cell, cell % 2 === 0 ? cellMs : 0);
    }
    cells = joined;
    cellMs *= 2;
    first = Math.floor(first / 2);
    last = Math.floor(last / 2);
  };

  const resize = (count: number): void => {
    const resized = progressCells(count);
    for (let cell = first; cell <= last; cell++) addCell(resized, cell & (count - 1), cell, 0);
    cells = resized;
  };

  const include = (ms: number): void => {
    let cell = Math.floor(ms / cellMs);
    if (last < first) [first, last] = [cell, cell];
    while (Math.max(last, cell) - Math.min(first, cell) >= most) {
      join();
      cell = Math.floor(ms / cellMs);
    }
    const used = Math.max(last, cell) - Math.min(first, cell) + 1;
    let count = cells.starts.length;
    while (count < used) count *= 2;
    if (count > cells.starts.length) resize(count);
    first = Math.min(first, cell);
    last = Math.max(last, cell);
  };

  return {
    add(fromMs, durationMs) {
      const toMs = fromMs + durationMs;
      if (fromMs < startMs) {
        startMs = fromMs;
        include(fromMs);
      }
      if (toMs > endMs) {
        endMs = toMs;
        include(toMs);
      }
      totalMs += durationMs;
      const mask = cells.starts.length - 1;
      const fromCell = Math.floor(fromMs / cellMs);
      const toCell = Math.floor(toMs / cellMs);
      const start = fromCell & mask;
      const end = toCell & mask;
      (cells.starts[start] as number) += 1;
      (cells.ends[end] as number) += 1;
      (cells.restMs[start] as number) += (fromCell + 1) * cellMs - fromMs;
      (cells.restMs[end] as number) -= (toCell + 1) * cellMs - toMs;
    },
    limit(mostNow) {
      most = mostNow;
      while (last - first >= most) join();
      if (cells.starts.length > most) resize(most);
    },
    widen(width) {
      while (cellMs < width) join();
    },
    addTo(to, at) {
      for (let cell = first; cell <= last; cell++) addCell(to, at + cell - first, cell, 0);
    },
    get cellMs() {
      return cellMs;
    },
    get first() {
      return first;
    },
    get last() {
      return last;
    },
    get startMs() {
      return startMs;
    },
    get endMs() {
      return endMs;
    },
    get totalMs() {
      return totalMs;
    },
  };
}
