import type { Decoded } from '../decode-line';
import { cutLine } from './cut-line';
import { plain } from './layout-fields';
import { type Field, type Layout, type Step, TAKE } from './line-layout';

export interface LayoutTree {
  readonly root: Step;
  /** Literals as little-endian 64-bit floats, without a last part of less than eight bytes. */
  readonly literals: Float64Array;
  /** Takes in the layout of a line, if that is one that can be predicted. False where there was nothing to learn. */
  learn(line: Buffer, decoded: Decoded): boolean;
}

/** Beyond that nothing more is learnt: logs that never repeat themselves must not fill the memory. */
const MAX_STEPS = 20_000;
const MAX_ALTERNATIVES = 256;

export function layoutTree(): LayoutTree {
  const root = newStep('', Buffer.alloc(0), plain(TAKE.NOTHING, 'string'), null, 0);
  let literals = new Float64Array(4096);
  let used = 0;
  let steps = 0;

  const append = (parent: Step, text: string, field: Field, layout: Layout | null): Step => {
    const bytes = Buffer.from(text, 'latin1');
    const step = newStep(text, bytes, field, layout, used);
    if (used + bytes.length / 8 > literals.length) {
      const larger = new Float64Array(2 * literals.length + bytes.length);
      larger.set(literals);
      literals = larger;
    }
    for (let at = 0; at + 8 <= bytes.length; at += 8) literals[used++] = bytes.readDoubleLE(at);
    steps += 1;
    // Longer ones before those that they begin with.
    let before: Step | null = null;
    for (let other = parent.next; other !== null; other = other.alternative) {
      if (other.text.startsWith(text)) {
        before = other;
        parent.ordered = true;
      } else if (text.startsWith(other.text)) parent.ordered = true;
    }
    if (before === null) {
      step.alternative = parent.next;
      parent.next = step;
    } else {
      step.alternative = before.alternative;
      before.alternative = step;
    }
    return step;
  };

  return {
    root,
    get literals() {
      return literals;
    },
    learn(line, decoded) {
      const found = cutLine(line, decoded);
      if (found === null) return false;
      let step = root;
      let isNew = false;
      for (const [index, { text, field }] of found.pieces.entries()) {
        const layout = index === found.pieces.length - 1 ? found.layout : null;
        let count = 0;
        let next = step.next;
        while (next !== null && !(next.text === text && next.take === field.take && next.word === field.word)) {
          next = next.alternative;
          count += 1;
        }
        if (next === null) {
          if (steps >= MAX_STEPS || count >= MAX_ALTERNATIVES) return false;
          next = append(step, text, field, layout);
          isNew = true;
        }
        step = next;
      }
      return isNew;
    },
  };
}

function newStep(text: string, bytes: Buffer, field: Field, layout: Layout | null, start: number): Step {
  const { length } = bytes;
  const isShort = length < 8;
  const short = Buffer.alloc(8);
  const mask = Buffer.alloc(8);
  if (isShort) {
    bytes.copy(short);
    mask.fill(0xff, 0, length);
  }
  return {
    text,
    length,
    head: isShort ? Number.NaN : bytes.readDoubleLE(0),
    tail: isShort ? Number.NaN : bytes.readDoubleLE(length - 8),
    start,
    low: short.readInt32LE(0),
    high: short.readInt32LE(4),
    lowMask: mask.readInt32LE(0),
    highMask: mask.readInt32LE(4),
    take: field.take,
    word: field.word,
    words: field.words,
    least: field.least,
    most: field.most,
    layout,
    next: null,
    alternative: null,
    ordered: false,
    hits: 0,
  };
}
