/**
 * A set of sequence numbers in bitmap pages: one bit a number where they are dense, so that duplicates and gaps of ten
 * million events are known exactly from a megabyte.
 */
export interface SequenceSet {
  /** False where the number is in already. */
  add(seq: number): boolean;
  has(seq: number): boolean;
  readonly size: number;
  /** The largest number in the set, 0 when empty. */
  readonly last: number;
  /** Runs of numbers from `from` to `to` (inclusive) that are not in the set. */
  gaps(from: number, to: number): Generator<Gap>;
}

export interface Gap {
  readonly from: number;
  readonly to: number;
}

const PAGE_BITS = 15;
const PAGE_WORDS = 1 << (PAGE_BITS - 5);

export function sequenceSet(): SequenceSet {
  const pages = new Map<number, Int32Array>();
  let currentNumber = -1;
  let current: Int32Array = new Int32Array(0);
  let size = 0;
  let last = 0;

  const has = (seq: number): boolean => {
    const page = pages.get(seq >>> PAGE_BITS);
    return page !== undefined && (((page[(seq & 0x7fff) >> 5] as number) >>> (seq & 31)) & 1) === 1;
  };

  return {
    add(seq) {
      const number = seq >>> PAGE_BITS;
      if (number !== currentNumber) {
        let page = pages.get(number);
        if (!page) {
          page = new Int32Array(PAGE_WORDS);
          pages.set(number, page);
        }
        current = page;
        currentNumber = number;
      }
      const word = (seq & 0x7fff) >> 5;
      const bit = 1 << (seq & 31);
      if (((current[word] as number) & bit) !== 0) return false;
      current[word] = (current[word] as number) | bit;
      size += 1;
      if (seq > last) last = seq;
      return true;
    },
    has,
    get size() {
      return size;
    },
    get last() {
      return last;
    },
    *gaps(from, to) {
      let start = -1;
      for (let seq = from; seq <= to; seq++) {
        // A page without any member is skipped whole: a wild number must not cost four thousand million steps.
        if ((seq & 0x7fff) === 0 && seq + 0x7fff <= to && !pages.has(seq >>> PAGE_BITS)) {
          if (start < 0) start = seq;
          seq += 0x7fff;
          continue;
        }
        if (has(seq)) {
          if (start >= 0) yield { from: start, to: seq - 1 };
          start = -1;
        } else if (start < 0) start = seq;
      }
      if (start >= 0) yield { from: start, to };
    },
  };
}
