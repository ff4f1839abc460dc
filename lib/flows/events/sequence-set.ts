/**
 * A set of sequence numbers in bitmap pages: one bit a number where they are dense. All full pages are one, so that what a
 * process logged without a gap takes some forty bytes for a thousand numbers. Plain data with functions beside it: closures
 * of its own for each process would have the compiler begin anew with each of them.
 */
export interface SequenceSet {
  readonly pages: Map<number, Int32Array>;
  /** The page that was used last. */
  pageNumber: number;
  page: Int32Array;
  size: number;
  /** The largest number in the set, 0 when empty. */
  last: number;
}

export interface Gap {
  readonly from: number;
  readonly to: number;
}

/** Small, so that the second page comes before the code that opens it is compiled: what never happened is left out there. */
const PAGE_BITS = 10;
const PAGE_MASK = (1 << PAGE_BITS) - 1;
const PAGE_WORDS = 1 << (PAGE_BITS - 5);
/** Nothing can be added to it. */
const FULL = new Int32Array(PAGE_WORDS).fill(-1);

export function sequenceSet(): SequenceSet {
  return { pages: new Map(), pageNumber: -1, page: new Int32Array(0), size: 0, last: 0 };
}

/** False where the number is in already. */
export function addSequence(set: SequenceSet, seq: number): boolean {
  const number = seq >>> PAGE_BITS;
  if (number !== set.pageNumber) openPage(set, number);
  const { page } = set;
  const word = (seq & PAGE_MASK) >> 5;
  const bit = 1 << (seq & 31);
  if (((page[word] as number) & bit) !== 0) return false;
  page[word] = (page[word] as number) | bit;
  set.size += 1;
  if (seq > set.last) set.last = seq;
  return true;
}

function openPage(set: SequenceSet, number: number): void {
  if (isFull(set.page)) set.pages.set(set.pageNumber, FULL);
  let page = set.pages.get(number);
  if (!page) {
    page = new Int32Array(PAGE_WORDS);
    set.pages.set(number, page);
  }
  set.page = page;
  set.pageNumber = number;
}

function isFull(page: Int32Array): boolean {
  if (page.length === 0 || page === FULL) return false;
  for (let word = 0; word < PAGE_WORDS; word++) if (page[word] !== -1) return false;
  return true;
}

export function hasSequence({ pages }: SequenceSet, seq: number): boolean {
  const page = pages.get(seq >>> PAGE_BITS);
  return page !== undefined && (((page[(seq & PAGE_MASK) >> 5] as number) >>> (seq & 31)) & 1) === 1;
}

/** Runs of numbers from `from` to `to` (inclusive) that are not in the set. */
export function* sequenceGaps(set: SequenceSet, from: number, to: number): Generator<Gap> {
  let start = -1;
  for (let seq = from; seq <= to; seq++) {
    // A page without any member is skipped whole: a wild number must not cost four thousand million steps.
    if ((seq & PAGE_MASK) === 0 && seq + PAGE_MASK <= to && !set.pages.has(seq >>> PAGE_BITS)) {
      if (start < 0) start = seq;
      seq += PAGE_MASK;
      continue;
    }
    if (hasSequence(set, seq)) {
      if (start >= 0) yield { from: start, to: seq - 1 };
      start = -1;
    } else if (start < 0) start = seq;
  }
  if (start >= 0) yield { from: start, to };
}
