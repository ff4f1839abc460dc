/** The lanes of one instance, numbered from 1: what it does at the same time lies in different ones. */
export interface Lanes {
  /**
   * @param within the slice of the same instance that it belongs to: it goes into that one's lane where it fits into the
   *   slice and beside what is in there already
   * @returns the lane's number
   */
  place(start: number, end: number, within?: Enclosing): number;
}

export interface Enclosing {
  readonly lane: number;
  readonly startUs: number;
  readonly endUs: number;
}

interface Lane {
  /** Starts and ends of what is outermost in the lane, in order. */
  readonly starts: number[];
  readonly ends: number[];
  /** Those of what lies within the outermost ones. */
  readonly inner: { readonly starts: number[]; readonly ends: number[] };
}

export function lanes(): Lanes {
  const all: Lane[] = [];
  return {
    place(start, end, within) {
      const own = within && all[within.lane - 1];
      if (own && start >= within.startUs && end <= within.endUs && insert(own.inner, start, end)) return within.lane;
      const found = all.findIndex((lane) => insert(lane, start, end));
      if (found >= 0) return found + 1;
      all.push({ starts: [start], ends: [end], inner: { starts: [], ends: [] } });
      return all.length;
    },
  };
}

/** False where it overlaps with, or touches, an interval that is there. */
function insert({ starts, ends }: Pick<Lane, 'starts' | 'ends'>, start: number, end: number): boolean {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((starts[middle] as number) < start) low = middle + 1;
    else high = middle;
  }
  const [before, after] = [ends[low - 1], starts[low]];
  if ((before !== undefined && before >= start) || (after !== undefined && after <= end)) return false;
  starts.splice(low, 0, start);
  ends.splice(low, 0, end);
  return true;
}
