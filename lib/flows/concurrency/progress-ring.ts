/**
 * What began and ended in each of some consecutive cells of time. A cell is 16 bytes: two numbers of `counts`, at 4 times
 * its place, and one of `restMs`, at `2 * place + 1`. One piece of memory a cell makes half the time of counting.
 */
export interface ProgressCells {
  readonly count: number;
  /** Starts, then ends. */
  readonly counts: Int32Array;
  /** Milliseconds from each start to the cell's end, less those from each end to the cell's end. */
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

export function progressCells(count: number): ProgressCells {
  const memory = new ArrayBuffer(16 * count);
  return { count, counts: new Int32Array(memory), restMs: new Float64Array(memory) };
}

/** What a ring begins with; both are powers of two. */
export interface CellPlan {
  readonly cellMs: number;
  readonly cells: number;
}

const START = 0;
const END = 1;
const TOTAL = 2;
const ZERO = 3;
const UNPLANNED: CellPlan = { cellMs: 1, cells: 256 };

/** Cells are numbered from a multiple of it, so that their numbers are small and joined cells of all rings lie alike. */
const ZERO_STEP_MS = 2 ** 30;

/** @param mostCells a power of two, as all numbers of cells here */
export function progressRing(mostCells: number, planned: CellPlan = UNPLANNED): ProgressRing {
  let most = mostCells;
  let { cellMs } = planned;
  let first = 0;
  let last = -1;
  // A variable of a closure would make an object of every fraction that it is given.
  const sums = Float64Array.of(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0);
  // A cell stands at its number modulo the length, so that the range in use can grow to both sides.
  let cells = progressCells(Math.min(most, planned.cells));

  const cellOf = (ms: number): number => Math.floor((ms - (sums[ZERO] as number)) / cellMs);

  const addCell = (to: ProgressCells, at: number, cell: number, laterMs: number): void => {
    const from = cell & (cells.count - 1);
    const starts = cells.counts[4 * from] as number;
    const ends = cells.counts[4 * from + 1] as number;
    (to.counts[4 * at] as number) += starts;
    (to.counts[4 * at + 1] as number) += ends;
    (to.restMs[2 * at + 1] as number) += (cells.restMs[2 * from + 1] as number) + laterMs * (starts - ends);
  };

  const join = (): void => {
    const joined = progressCells(cells.count);
    for (let cell = first; cell <= last; cell++) {
      addCell(joined, (cell >> 1) & (joined.count - 1), cell, (cell & 1) === 0 ? cellMs : 0);
    }
    cells = joined;
    cellMs *= 2;
    first >>= 1;
    last >>= 1;
  };

  const resize = (count: number): void => {
    const resized = progressCells(count);
    for (let cell = first; cell <= last; cell++) addCell(resized, cell & (count - 1), cell, 0);
    cells = resized;
  };

  const include = (ms: number): void => {
    if (last < first) {
      sums[ZERO] = Math.floor(ms / ZERO_STEP_MS) * ZERO_STEP_MS;
      first = cellOf(ms);
      last = first;
    }
    let cell = cellOf(ms);
    while (Math.max(last, cell) - Math.min(first, cell) >= most) {
      join();
      cell = cellOf(ms);
    }
    let { count } = cells;
    while (count <= Math.max(last, cell) - Math.min(first, cell)) count *= 2;
    if (count > cells.count) resize(count);
    first = Math.min(first, cell);
    last = Math.max(last, cell);
  };

  return {
    add(fromMs, durationMs) {
      const toMs = fromMs + durationMs;
      let from = cellOf(fromMs);
      let to = cellOf(toMs);
      if (from < first || to > last) {
        include(fromMs);
        include(toMs);
        from = cellOf(fromMs);
        to = cellOf(toMs);
      }
      const { counts, restMs, count } = cells;
      const zeroMs = sums[ZERO] as number;
      const start = from & (count - 1);
      const end = to & (count - 1);
      (counts[4 * start] as number) += 1;
      (counts[4 * end + 1] as number) += 1;
      (restMs[2 * start + 1] as number) += (from + 1) * cellMs - (fromMs - zeroMs);
      (restMs[2 * end + 1] as number) -= (to + 1) * cellMs - (toMs - zeroMs);
      if (fromMs < (sums[START] as number)) sums[START] = fromMs;
      if (toMs > (sums[END] as number)) sums[END] = toMs;
      (sums[TOTAL] as number) += durationMs;
    },
    limit(mostNow) {
      most = mostNow;
      while (last - first >= most) join();
      if (cells.count > most) resize(most);
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
      return (sums[ZERO] as number) / cellMs + first;
    },
    get last() {
      return (sums[ZERO] as number) / cellMs + last;
    },
    get startMs() {
      return sums[START] as number;
    },
    get endMs() {
      return sums[END] as number;
    },
    get totalMs() {
      return sums[TOTAL] as number;
    },
  };
}
