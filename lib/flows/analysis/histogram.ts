/**
 * Durations in cells whose width grows with the value: 256 cells for each doubling, so that a percentile is within 0.2 %
 * of the true one, whatever the number of values. Least, most and mean are exact.
 */
export interface Histogram {
  readonly count: number;
  readonly min: number;
  readonly max: number;
  readonly sum: number;
  /** @param value not negative; NaN is not counted */
  add(value: number): void;
  /** The value that the share `q` (0 to 1) of all values does not exceed; NaN when empty. */
  percentile(q: number): number;
}

const CELLS = 256;
/** Microseconds and less share the first cell; the largest exponent is four days. */
const LEAST_EXPONENT = -10;
const DOUBLINGS = 40;

export function histogram(): Histogram {
  const pages: (Uint32Array | undefined)[] = new Array(DOUBLINGS).fill(undefined);
  const bits = new DataView(new ArrayBuffer(8));
  let count = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = 0;
  let sum = 0;

  return {
    add(value) {
      if (Number.isNaN(value)) return;
      count += 1;
      sum += value;
      if (value < min) min = value;
      if (value > max) max = value;
      // A float is its exponent, and a mantissa whose first eight bits are the cell.
      bits.setFloat64(0, value);
      const head = bits.getUint32(0);
      const exponent = Math.min(DOUBLINGS - 1, Math.max(0, ((head >>> 20) & 0x7ff) - 1023 - LEAST_EXPONENT));
      let page = pages[exponent];
      if (!page) {
        page = new Uint32Array(CELLS);
        pages[exponent] = page;
      }
      const cell = (head >>> 12) & (CELLS - 1);
      page[cell] = (page[cell] as number) + 1;
    },
    percentile(q) {
      if (count === 0) return Number.NaN;
      const rank = Math.max(1, Math.ceil(q * count));
      if (rank === count) return max;
      let passed = 0;
      for (const [exponent, page] of pages.entries()) {
        if (!page) continue;
        for (let cell = 0; cell < CELLS; cell++) {
          passed += page[cell] as number;
          if (passed < rank) continue;
          const middle = 2 ** (exponent + LEAST_EXPONENT) * (1 + (cell + 0.5) / CELLS);
          return Math.min(max, Math.max(min, middle));
        }
      }
      return max;
    },
    get count() {
      return count;
    },
    get min() {
      return count === 0 ? Number.NaN : min;
    },
    get max() {
      return count === 0 ? Number.NaN : max;
    },
    get sum() {
      return sum;
    },
  };
}
