/**
 * Numbers for texts that recur: service names, endpoints, steps. A text is found again from its bytes in a line without
 * making a string of it.
 */
export interface Interner {
  readonly texts: readonly string[];
  intern(text: string): number;
  /**
   * The number of the text that begins at `at` and ends before the next quotation mark, or -1 where that is not a run of
   * plain ASCII without escapes of at most `MAX_SCANNED` bytes. `view` must have that much room after `at`.
   */
  scan(bytes: Uint8Array, view: DataView, at: number): number;
  /** Bytes of the text with that number, as UTF-8. */
  lengthOf(id: number): number;
}

/** Longer texts take the slow way. */
export const MAX_SCANNED = 255;
const SLOTS = 4096;
const PROBES = 8;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export function interner(): Interner {
  const texts: string[] = [];
  const numbers = new Map<string, number>();
  const lengths: number[] = [];
  /** Bytes of each text with its closing quotation mark, as little-endian words, at `starts`. */
  let pool = new Int32Array(4096);
  let used = 0;
  const starts: number[] = [];
  /** Open addressing by a text's first bytes: the number + 1 of a text, 0 where free. */
  const slots = new Int32Array(SLOTS);

  const intern = (text: string): number => {
    const known = numbers.get(text);
    if (known !== undefined) return known;
    const id = texts.length;
    const bytes = Buffer.from(`${text}"`, 'utf8');
    const words = (bytes.length + 3) >> 2;
    if (used + words > pool.length) {
      const larger = new Int32Array(Math.max(2 * pool.length, used + words));
      larger.set(pool);
      pool = larger;
    }
    // The last word overlaps the one before, so that a comparison never reads past the closing mark.
    for (let i = 0; i < words; i++) {
      const from = Math.max(0, Math.min(4 * i, bytes.length - 4));
      pool[used + i] = bytes.length >= 4 ? bytes.readInt32LE(from) : 0;
    }
    texts.push(text);
    lengths.push(bytes.length - 1);
    starts.push(used);
    used += words;
    numbers.set(text, id);
    return id;
  };

  const standsAt = (view: DataView, at: number, id: number): boolean => {
    const length = (lengths[id] as number) + 1;
    if (length < 4) return false;
    let word = starts[id] as number;
    const last = at + length - 4;
    for (let p = at; p < last; p += 4) if (view.getInt32(p, true) !== pool[word++]) return false;
    return view.getInt32(last, true) === pool[word];
  };

  const scan = (bytes: Uint8Array, view: DataView, at: number): number => {
    const hash = Math.imul(view.getInt32(at, true) ^ Math.imul(view.getInt32(at + 4, true), 0x85ebca6b), 0x9e3779b1);
    const first = (hash ^ Math.imul(view.getInt32(at + 8, true), 0xc2b2ae35)) >>> 20;
    let slot = first;
    // What it has not seen happen the compiler leaves out, and begins anew when it does: one look takes all that more take.
    for (let left = PROBES; left > 0; ) {
      left -= 1;
      slot = (first + left) & (SLOTS - 1);
      const entry = slots[slot] as number;
      if (entry === 0) break;
      if (standsAt(view, at, entry - 1)) return entry - 1;
    }
    const end = plainEnd(bytes, at);
    if (end < 0) return -1;
    const id = intern((bytes as Buffer).toString('latin1', at, end));
    if (slots[slot] === 0) slots[slot] = id + 1;
    return id;
  };

  return { texts, intern, scan, lengthOf: (id) => lengths[id] as number };
}

/** Where the quotation mark stands that ends a plain text, or -1 where the text is not plain or too long. */
function plainEnd(bytes: Uint8Array, at: number): number {
  for (let p = at; p < at + MAX_SCANNED; p++) {
    const byte = bytes[p] as number;
    if (byte === QUOTE) return p;
    if (byte < 0x20 || byte >= 0x7f || byte === BACKSLASH) return -1;
  }
  return -1;
}
