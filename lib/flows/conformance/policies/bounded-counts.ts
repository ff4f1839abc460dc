/** Parts of a window: what leaves it, leaves a tenth at a time. */
const PARTS = 10;

/** Counts of two things over the last so many milliseconds: at the least and at the most, as far as a log tells. */
export interface BoundedCounts {
  /** Something happened between two moments (microseconds); `sure` where it certainly did. */
  add(what: 0 | 1, fromUs: number, toUs: number, sure: boolean): void;
  /** Of what was added so far, for whoever asked not later than a moment. */
  least(what: 0 | 1, toUs: number): number;
  /** The same for whoever asked not earlier. */
  most(what: 0 | 1, fromUs: number): number;
  /** What `least` will have been of what was added up to now, for whoever asked not later than a moment. */
  snapshot(what: 0 | 1): { least(toUs: number): number };
  clear(): void;
}

interface Part {
  readonly least: [number, number];
  readonly most: [number, number];
}

/** A node counts by parts of its monotonic clock: `service/resilience/rolling-counts.ts`. */
export function boundedCounts(windowMs: number): BoundedCounts {
  const partUs = (windowMs / PARTS) * 1_000;
  const parts = new Map<number, Part>();

  const partOf = (us: number): number => Math.floor(us / partUs);

  const at = (part: number): Part => {
    const known = parts.get(part);
    if (known) return known;
    for (const old of parts.keys()) if (old < part - 2 * PARTS) parts.delete(old);
    const made: Part = { least: [0, 0], most: [0, 0] };
    parts.set(part, made);
    return made;
  };

  const sumAfter = (counts: Iterable<readonly [part: number, count: number]>, toUs: number): number => {
    const oldest = partOf(toUs + 1) - PARTS;
    let sum = 0;
    for (const [part, count] of counts) if (part > oldest) sum += count;
    return sum;
  };

  const leastParts = (what: 0 | 1) => Array.from(parts, ([part, { least }]) => [part, least[what]] as const);

  return {
    add(what, fromUs, toUs, sure) {
      // A reading is cut to whole microseconds.
      const last = partOf(toUs + 1);
      const first = Math.max(partOf(fromUs), last - PARTS);
      if (sure && first === last) at(last).least[what] += 1;
      for (let part = first; part <= last; part++) at(part).most[what] += 1;
    },
    least: (what, toUs) => sumAfter(leastParts(what), toUs),
    snapshot(what) {
      const then = leastParts(what);
      return { least: (toUs) => sumAfter(then, toUs) };
    },
    most(what, fromUs) {
      const oldest = partOf(fromUs) - PARTS;
      let sum = 0;
      for (const [part, { most }] of parts) if (part > oldest) sum += most[what];
      return sum;
    },
    clear: () => parts.clear(),
  };
}
