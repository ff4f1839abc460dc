import { extraBytes, parseTimestamp, recordWords } from './decode-line';
import { FLAG, type RecordDraft, type RecordExtra, WORD } from './event-record';
import type { Interner } from './interner';
import { type LayoutTree, layoutTree, type Step, TAKE } from './line-layout';
import type { LineReader } from './line-reader';
import { numberEnd, stringEnd, valueEnd } from './skip-value';

/** Where scanned records go, and everything else. */
export interface ScanTarget {
  /** A record is complete in the draft. */
  record(draft: RecordDraft): void;
  /** A line of another run. */
  other(): void;
  /** A line that stands in a layout not met before, without its line feed. */
  line(bytes: Buffer, start: number, end: number): void;
  /** Number of a process. */
  origin(process: string, instance: string, service: string, topology: string): number;
}

/**
 * A line reader that learns the layouts of lines: which keys follow each other, and what stands between them. It follows
 * the tree of layouts, verifies the bytes of each literal, and takes values straight into a record; at the first byte
 * that is not as predicted, the line goes to `target.line` as a whole, and its layout into the tree. So whatever it
 * accepts is what `JSON.parse` would have given, and any order of keys, unknown field or white space is as fast.
 *
 * One long function on purpose: what it keeps in local variables would cost half as much again in objects.
 *
 * @param run whose lines are wanted
 */
export function scanLines(run: string, names: Interner, draft: RecordDraft, target: ScanTarget): LineReader {
  const { words, floats } = draft;
  const tree = layoutTree(run);
  const learning = learner(tree);
  let { literals } = tree;
  // The minute of the timestamp before: its sixteen characters as two floats.
  let minuteHead = Number.NaN;
  let minuteTail = Number.NaN;
  let minuteMillis = Number.NaN;

  /** Where the line ends that begins at `at`, its line feed included; or -1 for another layout. */
  const scanLine = (bytes: Buffer, view: DataView, at: number): number => {
    const last = bytes.length - ROOM;
    let p = at;
    let parent: Step = tree.root;
    let millis = 0;
    let status = 0;
    let attempt = 0;
    let reconnect = 0;
    let keyStart = 0;
    let keyEnd = 0;
    let error: unknown;
    let fault: unknown;
    let decision: unknown;
    for (;;) {
      let step = parent.next;
      let before: Step | null = null;
      while (step !== null && !(p + step.length <= last && stands(view, p, step, literals))) {
        before = step;
        step = step.alternative;
      }
      if (step === null) return -1;
      // Where lines part, the branch most lines take comes to the front.
      if (before !== null && !parent.ordered) advance(parent, before, step);
      parent = step;
      p += step.length;
      switch (step.take) {
        case TAKE.NOTHING:
          break;
        case TAKE.HEX: {
          let valid = 0;
          const end = step.word + step.words;
          for (let word = step.word; word < end; word++, p += 8) {
            const a = HEX_PAIRS[view.getUint16(p, true)] as number;
            const b = HEX_PAIRS[view.getUint16(p + 2, true)] as number;
            const c = HEX_PAIRS[view.getUint16(p + 4, true)] as number;
            const d = HEX_PAIRS[view.getUint16(p + 6, true)] as number;
            words[word] = (a << 24) | (b << 16) | (c << 8) | d;
            valid |= a | b | c | d;
          }
          if (valid < 0) return -1;
          break;
        }
        case TAKE.NAME: {
          const name = names.scan(bytes, view, p);
          if (name < 0) return -1;
          words[step.word] = name;
          p += names.lengthOf(name);
          break;
        }
        case TAKE.WHOLE:
        case TAKE.STATUS:
        case TAKE.ATTEMPT:
        case TAKE.RECONNECT:
        case TAKE.DECIMAL: {
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
          if (step.take === TAKE.DECIMAL) {
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
          if (value < step.least || value > step.most || p - from > 15) return -1;
          if (step.take === TAKE.WHOLE) words[step.word] = value;
          else if (step.take === TAKE.STATUS) status = value;
          else if (step.take === TAKE.ATTEMPT) attempt = value;
          else reconnect = value;
          break;
        }
        case TAKE.TIMESTAMP: {
          const head = view.getFloat64(p, true);
          const tail = view.getFloat64(p + 8, true);
          if (head !== minuteHead || tail !== minuteTail) {
            const minute = parseTimestamp(`${bytes.toString('latin1', p, p + 16)}:00.000Z`);
            if (minute === undefined) return -1;
            minuteMillis = minute;
            minuteHead = head;
            minuteTail = tail;
          }
          const s1 = (bytes[p + 17] as number) - 0x30;
          const s2 = (bytes[p + 18] as number) - 0x30;
          const m1 = (bytes[p + 20] as number) - 0x30;
          const m2 = (bytes[p + 21] as number) - 0x30;
          const m3 = (bytes[p + 22] as number) - 0x30;
          if (bytes[p + 16] !== 0x3a || bytes[p + 19] !== 0x2e || bytes[p + 23] !== 0x5a) return -1;
          if (s1 < 0 || s1 > 5 || s2 < 0 || s2 > 9 || m1 < 0 || m1 > 9 || m2 < 0 || m2 > 9 || m3 < 0 || m3 > 9) {
            return -1;
          }
          millis = minuteMillis + (s1 * 10 + s2) * 1000 + m1 * 100 + m2 * 10 + m3;
          p += 24;
          break;
        }
        case TAKE.KEY: {
          keyStart = p;
          while (KEY_BYTES[bytes[p] as number] === 1) p += 1;
          if (p - keyStart > 255 || p > last) return -1;
          keyEnd = p;
          break;
        }
        case TAKE.STRING:
          p = stringEnd(bytes, p, last);
          if (p < 0) return -1;
          break;
        case TAKE.NUMBER:
          p = numberEnd(bytes, p);
          if (p < 0) return -1;
          break;
        case TAKE.NESTED:
        case TAKE.ERROR:
        case TAKE.FAULT:
        case TAKE.DECISION: {
          const from = p;
          p = valueEnd(bytes, p, last);
          const value = p < 0 ? undefined : jsonOf(bytes, from, p);
          if (value === undefined) return -1;
          if (step.take === TAKE.ERROR) error = value;
          else if (step.take === TAKE.FAULT) fault = value;
          else if (step.take === TAKE.DECISION) decision = value;
          break;
        }
        case TAKE.END: {
          const { layout } = step;
          if (layout === null) return -1;
          const wall =
            millis - (((words[WORD.HLC] as number) >>> 0) * 0x10000 + ((words[WORD.HLC + 1] as number) >>> 16));
          if (wall > 0x7fffffff || wall < -0x7fffffff) return -1;
          if (layout.isOther) {
            target.other();
            return p;
          }
          words[WORD.WALL] = wall;
          words[WORD.ATTEMPT] = (attempt << 16) | reconnect;
          const { absent, defaults } = layout;
          for (let i = 0; i < absent.length; i++) {
            const word = absent[i] as number;
            words[word] = defaults[word] as number;
          }
          if (layout.origin < 0) {
            layout.origin = target.origin(layout.process, layout.instance, layout.service, layout.topology);
          }
          words[WORD.ORIGIN] = layout.origin;
          draft.extra = null;
          let meta = layout.meta;
          if (layout.hasExtra) {
            const key = keyStart > 0 && layout.keepsKey ? bytes.toString('latin1', keyStart, keyEnd) : undefined;
            draft.extra = extraBytes(
              key,
              error as RecordExtra['error'],
              fault as RecordExtra['fault'],
              decision as RecordExtra['decision'],
            );
            if (draft.extra !== null) {
              const length = recordWords((layout.flags & FLAG.CALL) !== 0, draft.extra.length);
              meta = (meta & ~0xfff) | length | (FLAG.EXTRA << 18);
            }
          }
          words[WORD.META] = meta | (status << 22);
          target.record(draft);
          return p;
        }
        default:
          step.take satisfies never;
      }
    }
  };

  return (bytes, start, end) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = start;
    while (at < end) {
      const after = scanLine(bytes, view, at);
      if (after > 0) {
        at = after;
        learning.read += 1;
        continue;
      }
      const feed = bytes.indexOf(0x0a, at);
      target.line(bytes, at, feed);
      learning.learn(bytes.subarray(at, feed));
      literals = tree.literals;
      at = feed + 1;
    }
  };
}

/** Bytes that must lie behind a literal: for the longest value that is read without looking where it ends. */
const ROOM = 320;

/** Whether a step's literal stands at `at`. Eight bytes at once, as a float: no JSON text is NaN or zero. */
function stands(view: DataView, at: number, step: Step, literals: Float64Array): boolean {
  const { floats, start } = step;
  if (floats === 0) {
    return (
      (view.getInt32(at, true) & step.lowMask) === step.low &&
      (view.getInt32(at + 4, true) & step.highMask) === step.high
    );
  }
  const last = floats - 1;
  for (let i = 0; i < last; i++) if (view.getFloat64(at + 8 * i, true) !== literals[start + i]) return false;
  return view.getFloat64(at + step.length - 8, true) === literals[start + last];
}

/** Moves a step one place forward among its alternatives. */
function advance(parent: Step, before: Step, step: Step): void {
  if (parent.next === before) parent.next = step;
  else {
    let earlier = parent.next as Step;
    while (earlier.alternative !== before) earlier = earlier.alternative as Step;
    earlier.alternative = step;
  }
  before.alternative = step.alternative;
  step.alternative = before;
}

/** Learns from lines that could not be predicted, unless that is in vain: each one is parsed once more. */
function learner(tree: LayoutTree): { read: number; learn(line: Buffer): void } {
  let inVain = 0;
  return {
    read: 0,
    learn(line) {
      if (16 * inVain > this.read + MOST_IN_VAIN) return;
      if (!tree.learn(line)) inVain += 1;
    },
  };
}

const MOST_IN_VAIN = 32_768;

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
