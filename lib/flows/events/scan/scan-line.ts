import { parseTimestamp } from '../decode-line';
import type { RecordDraft } from '../event-record';
import type { Interner } from '../interner';
import type { LayoutTree } from './layout-tree';
import { type Layout, type Step, TAKE } from './line-layout';
import { numberEnd, stringEnd, valueEnd } from './skip-value';

// The compiler knows a constant of this module by its value, that of another's object only once it has met it.
const { NOTHING, HEX, WHOLE, DECIMAL, NAME, TIMESTAMP, KEY, END, ERROR, FAULT, DECISION, STRING, NUMBER } = TAKE;

/** What a scanner works with, and what of a line it finds beside the words in the draft. */
export interface LineScanner {
  readonly tree: LayoutTree;
  readonly names: Interner;
  readonly draft: RecordDraft;
  /** The minute of a timestamp before: its sixteen characters as two floats, and its milliseconds since 1970. */
  readonly minute: Float64Array;
  layout: Layout | null;
  /** Timestamp in milliseconds since 1970. */
  millis: number;
  /** Where the request key stands; -1: there is none. */
  keyStart: number;
  keyEnd: number;
  /** Set where the layout has such a field; of a line before where it has not. */
  error: unknown;
  fault: unknown;
  decision: unknown;
}

export function lineScanner(tree: LayoutTree, names: Interner, draft: RecordDraft): LineScanner {
  const minute = new Float64Array(3).fill(Number.NaN);
  const found = { layout: null, millis: Number.NaN, keyStart: -1, keyEnd: -1 };
  return { tree, names, draft, minute, ...found, error: undefined, fault: undefined, decision: undefined };
}

/**
 * Where the line ends that begins at `at`, its line feed included; or -1 for a line in a layout that is not in the tree.
 *
 * One long function on purpose: what it keeps in local variables would cost half as much again in objects. What few
 * lines need is elsewhere, so that there is less of it to compile.
 */
export function scanLine(scanner: LineScanner, bytes: Buffer, view: DataView, at: number): number {
  const { tree, names, draft } = scanner;
  const { words, floats } = draft;
  const { literals } = tree;
  const last = bytes.length - ROOM;
  // With "| 0" the compiler knows that it is an integer, and need not look each time.
  let p = at | 0;
  let parent: Step = tree.root;
  scanner.keyStart = -1;
  for (;;) {
    let step = parent.next;
    if (step === null) return -1;
    if (p + step.length > last || !stands(view, p, step, literals)) {
      step = alternativeAt(view, p, last, parent, literals);
      if (step === null) return -1;
    }
    parent = step;
    p = (p + step.length) | 0;
    switch (step.take) {
      case NOTHING:
        break;
      case HEX: {
        let valid = 0;
        const end = step.word + step.words;
        for (let word = step.word; word < end; word++, p += 8) {
          const left = view.getInt32(p, true);
          const right = view.getInt32(p + 4, true);
          const a = HEX_PAIRS[left & 0xffff] as number;
          const b = HEX_PAIRS[left >>> 16] as number;
          const c = HEX_PAIRS[right & 0xffff] as number;
          const d = HEX_PAIRS[right >>> 16] as number;
          words[word] = (a << 24) | (b << 16) | (c << 8) | d;
          valid |= a | b | c | d;
        }
        if (valid < 0) return -1;
        break;
      }
      case NAME: {
        const name = names.scan(bytes, view, p);
        if (name < 0) return -1;
        words[step.word] = name;
        p = (p + names.lengthOf(name)) | 0;
        break;
      }
      case WHOLE:
      case DECIMAL: {
        const from = p;
        let value = (bytes[p] as number) - 0x30;
        if (value < 0 || value > 9) return -1;
        let digit = (bytes[++p] as number) - 0x30;
        if (value > 0) {
          while (digit >= 0 && digit <= 9) {
            value = value * 10 + digit;
            digit = (bytes[++p] as number) - 0x30;
          }
        }
        if (step.take === WHOLE) {
          if (value < step.least || value > step.most || p - from > 15) return -1;
          words[step.word] = value;
          break;
        }
        let decimals = 0;
        if (digit === DOT) {
          const point = p;
          digit = (bytes[++p] as number) - 0x30;
          while (digit >= 0 && digit <= 9) {
            value = value * 10 + digit;
            digit = (bytes[++p] as number) - 0x30;
          }
          decimals = p - point - 1;
          if (decimals === 0) return -1;
        }
        // Below 2^53 and with at most 15 digits, the quotient is the nearest float.
        if (p - from > 15) return -1;
        floats[step.word >> 1] = decimals === 0 ? value : value / (POWERS[decimals] as number);
        break;
      }
      case KEY: {
        scanner.keyStart = p;
        while (KEY_PAIRS[view.getUint16(p, true)] === 1) p += 2;
        if (KEY_BYTES[bytes[p] as number] === 1) p += 1;
        if (p - scanner.keyStart > 255 || p > last) return -1;
        scanner.keyEnd = p;
        break;
      }
      case END:
        scanner.layout = step.layout;
        return p;
      default:
        p = takeOther(scanner, step, bytes, view, p, last) | 0;
        if (p < 0) return -1;
    }
  }
}

/** Bytes that must lie behind a literal: for the longest value that is read without looking where it ends. */
export const ROOM = 320;

/** Whether a step's literal stands at `at`. Eight bytes at once, as a float: no JSON text is NaN or zero. */
function stands(view: DataView, at: number, step: Step, literals: Float64Array): boolean {
  const { length } = step;
  if (length < 8) {
    return (
      (view.getInt32(at, true) & step.lowMask) === step.low &&
      (view.getInt32(at + 4, true) & step.highMask) === step.high
    );
  }
  const end = at + length - 8;
  if (view.getFloat64(at, true) !== step.head || view.getFloat64(end, true) !== step.tail) return false;
  let next = step.start + 1;
  for (let p = at + 8; p < end; p += 8) if (view.getFloat64(p, true) !== literals[next++]) return false;
  return true;
}

/** The step that stands at `at`, of those that may follow `parent` beside the first one. */
function alternativeAt(view: DataView, at: number, last: number, parent: Step, literals: Float64Array): Step | null {
  let before = parent.next as Step;
  let step = before.alternative;
  while (step !== null && (at + step.length > last || !stands(view, at, step, literals))) {
    before = step;
    step = step.alternative;
  }
  if (step === null) return null;
  step.hits += 1;
  // Where lines part, the branches that most lines take come to the front; not each time, which costs more than it saves.
  if (step.hits % 16 === 0 && !parent.ordered) {
    if (parent.next === before) parent.next = step;
    else {
      let earlier = parent.next as Step;
      while (earlier.alternative !== before) earlier = earlier.alternative as Step;
      earlier.alternative = step;
    }
    before.alternative = step.alternative;
    step.alternative = before;
  }
  return step;
}

/** Milliseconds since 1970 of the timestamp that stands at `at`, or -1. */
function timestampAt({ minute }: LineScanner, bytes: Buffer, view: DataView, at: number): number {
  const head = view.getFloat64(at, true);
  const tail = view.getFloat64(at + 8, true);
  if (head !== minute[0] || tail !== minute[1]) {
    const parsed = parseTimestamp(`${bytes.toString('latin1', at, at + 16)}:00.000Z`);
    if (parsed === undefined) return -1;
    minute.set([head, tail, parsed]);
  }
  const s1 = (bytes[at + 17] as number) - 0x30;
  const s2 = (bytes[at + 18] as number) - 0x30;
  const m1 = (bytes[at + 20] as number) - 0x30;
  const m2 = (bytes[at + 21] as number) - 0x30;
  const m3 = (bytes[at + 22] as number) - 0x30;
  if (bytes[at + 16] !== 0x3a || bytes[at + 19] !== 0x2e || bytes[at + 23] !== 0x5a) return -1;
  if (s1 < 0 || s1 > 5 || s2 < 0 || s2 > 9 || m1 < 0 || m1 > 9 || m2 < 0 || m2 > 9 || m3 < 0 || m3 > 9) return -1;
  return (minute[2] as number) + (s1 * 10 + s2) * 1000 + m1 * 100 + m2 * 10 + m3;
}

/**
 * Takes the timestamp, and what few lines have. Where its value ends, or -1. In one function, so that the long one knows
 * it from the first line on, and need not be compiled again when such a line comes.
 */
function takeOther(
  scanner: LineScanner,
  { take }: Step,
  bytes: Buffer,
  view: DataView,
  at: number,
  last: number,
): number {
  if (take === TIMESTAMP) {
    scanner.millis = timestampAt(scanner, bytes, view, at);
    return scanner.millis < 0 ? -1 : at + 24;
  }
  if (take === STRING) return stringEnd(bytes, at, last);
  if (take === NUMBER) return numberEnd(bytes, at);
  const end = valueEnd(bytes, at, last);
  const value = end < 0 ? undefined : jsonOf(bytes, at, end);
  if (value === undefined) return -1;
  if (take === ERROR) scanner.error = value;
  else if (take === FAULT) scanner.fault = value;
  else if (take === DECISION) scanner.decision = value;
  return end;
}

function jsonOf(bytes: Buffer, start: number, end: number): unknown {
  try {
    return JSON.parse(bytes.toString('utf8', start, end));
  } catch {
    return undefined;
  }
}

/** Two hexadecimal digits, as the 16-bit word they are in a line, to a byte; negative for anything else. */
const HEX_PAIRS = (() => {
  const table = new Int16Array(65536).fill(-1);
  const DIGITS = '0123456789abcdef';
  for (let value = 0; value < 256; value++) {
    const high = DIGITS.charCodeAt(value >> 4);
    table[high | (DIGITS.charCodeAt(value & 15) << 8)] = value;
  }
  return table;
})();

/** A full stop, as a digit. */
const DOT = 0x2e - 0x30;
const POWERS = Array.from({ length: 16 }, (_, exponent) => 10 ** exponent);
/** Bytes that a scanned key consists of: the request key's grammar and a bit more, nothing that JSON escapes. */
const KEY_BYTES = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c ? 1 : 0,
);
const KEY_PAIRS = Uint8Array.from(
  { length: 65536 },
  (_, pair) => (KEY_BYTES[pair & 0xff] as number) & (KEY_BYTES[pair >>> 8] as number),
);
