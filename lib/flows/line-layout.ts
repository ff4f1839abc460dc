import { CLIENT_SERVICE } from '../model/contract';
import { decodeLine, keepsKey } from './decode-line';
import { CALL_WORDS, concernsCall, FLAG, KIND, NONE, packMeta, SHORT_WORDS, VIA, WORD } from './event-record';

/** What stands between two literals of a line, and where it goes. */
export const TAKE = {
  /** Nothing: the next literal follows at once. */
  NOTHING: 0,
  /** Eight hexadecimal digits a word: as many words as the field has. */
  HEX: 1,
  /** A whole number into a word, if it is from `least` to `most`. */
  WHOLE: 2,
  /** A number without exponent into a float. */
  DECIMAL: 3,
  /** A text that recurs. */
  NAME: 4,
  TIMESTAMP: 5,
  STATUS: 6,
  ATTEMPT: 7,
  RECONNECT: 8,
  /** The request key. */
  KEY: 9,
  ERROR: 10,
  FAULT: 11,
  /** Any string, number, or object or array: checked, and left out. */
  STRING: 12,
  NUMBER: 13,
  NESTED: 14,
  /** The line is over. */
  END: 15,
  DECISION: 16,
} as const;
export type Take = (typeof TAKE)[keyof typeof TAKE];

/**
 * One step in reading a line: the bytes that must stand next, what to take behind them, and which steps may follow. The
 * steps of all layouts met form a tree; lines that begin alike share its branches.
 */
export interface Step {
  readonly text: string;
  readonly length: number;
  /** The literal's bytes in `LayoutTree.literals`: as many floats; none where it is shorter than eight bytes. */
  readonly start: number;
  readonly floats: number;
  /** Where it is shorter: its bytes as two words, and which of their bits count. */
  readonly low: number;
  readonly high: number;
  readonly lowMask: number;
  readonly highMask: number;
  readonly take: Take;
  /** Index of the first word, or of the float. */
  readonly word: number;
  readonly words: number;
  readonly least: number;
  readonly most: number;
  /** Of `TAKE.END`. */
  readonly layout: Layout | null;
  /** The first of the steps that may follow. */
  next: Step | null;
  /** Another step in this one's place. */
  alternative: Step | null;
  /** Whether alternatives that follow must stay in their order: one's literal begins another's. */
  ordered: boolean;
}

/** What all lines have in common that come to one end of the tree. */
export interface Layout {
  /** Of another run. */
  readonly isOther: boolean;
  readonly kind: number;
  readonly via: number;
  readonly flags: number;
  /** `META` of a record without extra, less the status. */
  readonly meta: number;
  readonly hasExtra: boolean;
  readonly keepsKey: boolean;
  /** A record with what the layout does not name, and the indexes of those words. */
  readonly defaults: Int32Array;
  readonly absent: Uint8Array;
  readonly process: string;
  readonly instance: string;
  readonly service: string;
  readonly topology: string;
  /** Number of the process, known from the first line on. */
  origin: number;
}

export interface LayoutTree {
  readonly root: Step;
  /** Literals as little-endian 64-bit floats; the last one overlaps so that nothing behind a literal is read. */
  readonly literals: Float64Array;
  /** Takes in the layout of a line, if that is one that can be predicted. False where there was nothing to learn. */
  learn(line: Buffer): boolean;
}

type Field = Pick<Step, 'take' | 'word' | 'words' | 'least' | 'most'> & { readonly is: 'string' | 'number' | 'nested' };

const plain = (take: Take, is: Field['is']): Field => ({ take, is, word: 0, words: 0, least: 0, most: 0 });
const hex = (word: number, words: number): Field => ({ ...plain(TAKE.HEX, 'string'), word, words });
const whole = (word: number, least: number, most: number): Field => ({
  ...plain(TAKE.WHOLE, 'number'),
  word,
  words: 1,
  least,
  most,
});
const decimal = (word: number): Field => ({ ...plain(TAKE.DECIMAL, 'number'), word, words: 2 });
const name = (word: number): Field => ({ ...plain(TAKE.NAME, 'string'), word, words: 1 });

/** What becomes of fields whose value changes from line to line; by key alone, so that branches can be shared. */
const FIELDS: ReadonlyMap<string, Field> = new Map([
  ['timestamp', plain(TAKE.TIMESTAMP, 'string')],
  ['hlc', hex(WORD.HLC, 2)],
  ['traceId', hex(WORD.TRACE, 4)],
  ['requestId', hex(WORD.REQUEST, 2)],
  ['place', hex(WORD.PLACE, 2)],
  ['parentRequestId', hex(WORD.PARENT, 2)],
  ['seq', whole(WORD.SEQ, 1, 0xffffffff)],
  ['monotonicUs', decimal(WORD.MONOTONIC)],
  ['endpoint', name(WORD.ENDPOINT)],
  ['key', plain(TAKE.KEY, 'string')],
  ['epoch', whole(WORD.EPOCH, 0, 0x7fffffff)],
  ['callPlace', hex(WORD.CALL_PLACE, 2)],
  ['step', name(WORD.STEP)],
  ['repetition', whole(WORD.REPETITION, 0, 0x7fffffff)],
  ['attempt', { ...whole(WORD.ATTEMPT, 1, 0x7fff), take: TAKE.ATTEMPT }],
  ['reconnect', { ...whole(WORD.ATTEMPT, 0, 0xffff), take: TAKE.RECONNECT }],
  ['callee', name(WORD.CALLEE)],
  ['peer', name(WORD.PEER)],
  ['peerRequestId', hex(WORD.PEER_REQUEST, 2)],
  ['status', { ...plain(TAKE.STATUS, 'number'), least: 100, most: 999 }],
  ['durationMs', decimal(WORD.DURATION)],
  ['bytes', whole(WORD.BYTES, 0, 0xfffffffe)],
  ['spanEvents', whole(WORD.SPAN_EVENTS, 1, 0x7fffffff)],
  ['error', plain(TAKE.ERROR, 'nested')],
  ['fault', plain(TAKE.FAULT, 'nested')],
  ['decision', plain(TAKE.DECISION, 'nested')],
]);

/** Values that few lines differ in are part of the literals. */
const CONSTANT = new Set(['process', 'run', 'instance', 'service', 'topology', 'event', 'via']);
/** Where lines part, a literal ends: what stands before is compared once for all branches. */
const PARTING = new Set(['process', 'event']);

/** Beyond that nothing more is learnt: logs that never repeat themselves must not fill the memory. */
const MAX_STEPS = 20_000;
const MAX_ALTERNATIVES = 256;
const MAX_LITERAL_BYTES = 2_048;

/** @param run whose lines are wanted */
export function layoutTree(run: string): LayoutTree {
  const root = newStep('', plain(TAKE.NOTHING, 'string'), null, 0);
  let literals = new Float64Array(4096);
  let used = 0;
  let steps = 0;

  const append = (parent: Step, text: string, field: Omit<Field, 'is'>, layout: Layout | null): Step => {
    const step = newStep(text, field, layout, used);
    const bytes = Buffer.from(text, 'latin1');
    if (used + step.floats > literals.length) {
      const larger = new Float64Array(2 * literals.length + step.floats);
      larger.set(literals);
      literals = larger;
    }
    for (let i = 0; i < step.floats; i++) literals[used++] = bytes.readDoubleLE(Math.min(8 * i, bytes.length - 8));
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
    learn(line) {
      const found = piecesOf(line, run);
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

function newStep(text: string, field: Omit<Field, 'is'>, layout: Layout | null, start: number): Step {
  const { length } = text;
  const short = Buffer.alloc(8);
  const mask = Buffer.alloc(8);
  if (length < 8) {
    short.write(text, 'latin1');
    mask.fill(0xff, 0, length);
  }
  return {
    text,
    length,
    start,
    floats: length < 8 ? 0 : (length + 7) >> 3,
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
  };
}

interface Piece {
  readonly text: string;
  readonly field: Omit<Field, 'is'>;
}

const END = plain(TAKE.END, 'string');
const NOTHING = plain(TAKE.NOTHING, 'string');

/**
 * A line as literals and the fields behind them. Null for a line that the tree has no room for: what `decodeLine` takes
 * for neither an event of a request nor a line of another run, and keys that are escaped or stand there twice.
 */
function piecesOf(line: Buffer, run: string): { readonly pieces: readonly Piece[]; readonly layout: Layout } | null {
  const decoded = decodeLine(line.toString('utf8'), run);
  if (decoded.is !== 'request' && decoded.is !== 'other') return null;
  const values = new Map<string, string>();
  const pieces: Piece[] = [];
  const present = new Set<Field>();
  const text = line.toString('latin1');
  let from = 0;
  const cut = (at: number, field: Omit<Field, 'is'>, next: number): boolean => {
    const literal = text.slice(from, at);
    pieces.push({ text: literal, field });
    from = next;
    return PLAIN.test(literal) && literal.length <= MAX_LITERAL_BYTES;
  };
  for (const member of membersOf(text)) {
    const { key, is, start, end } = member;
    if (key.includes('\\') || key === 'record' || values.has(key)) return null;
    values.set(key, text.slice(start, end));
    if (is === 'word') continue;
    if (CONSTANT.has(key) && is === 'string') {
      if (PARTING.has(key) && !cut(start, NOTHING, start)) return null;
      continue;
    }
    const known = FIELDS.get(key);
    const field = known?.is === is ? known : SKIPPED[is];
    if (field === known) present.add(field);
    const isText = is === 'string';
    if (!cut(isText ? start + 1 : start, field, isText ? end - 1 : end)) return null;
  }
  if (!cut(text.length, END, text.length)) return null;
  pieces[pieces.length - 1] = { text: `${(pieces[pieces.length - 1] as Piece).text}\n`, field: END };
  return { pieces, layout: layoutOf(decoded.is === 'other', present, values) };
}

const PLAIN = /^[\t\r\x20-\x7e]*$/;

const SKIPPED: Readonly<Record<Field['is'], Field>> = {
  string: plain(TAKE.STRING, 'string'),
  number: plain(TAKE.NUMBER, 'number'),
  nested: plain(TAKE.NESTED, 'nested'),
};

function layoutOf(isOther: boolean, present: ReadonlySet<Field>, values: ReadonlyMap<string, string>): Layout {
  const text = (key: string): string => JSON.parse(values.get(key) as string);
  const [process, instance, service, topology, event] = ['process', 'instance', 'service', 'topology', 'event'].map(
    text,
  ) as [string, string, string, string, string];
  const has = (key: string): boolean => present.has(FIELDS.get(key) as Field);
  const kind = KIND[event as keyof typeof KIND] ?? 0;
  const isCall = concernsCall(kind, service === CLIENT_SERVICE, has('step'));
  const flags = (isCall ? FLAG.CALL : 0) | (has('place') ? FLAG.PLACE : 0) | (has('parentRequestId') ? FLAG.PARENT : 0);
  const viaText = values.get('via') ?? '';
  const viaName = viaText.startsWith('"') ? viaText.slice(1, -1) : '';
  const via = Object.hasOwn(VIA, viaName) ? VIA[viaName as keyof typeof VIA] : 0;
  const { defaults, absent } = defaultsWithout(present, isCall);
  return {
    isOther,
    kind,
    via,
    flags,
    meta: packMeta(isCall ? CALL_WORDS : SHORT_WORDS, kind, via, flags, 0),
    hasExtra: has('error') || has('fault') || has('decision') || (has('key') && keepsKey(kind, service)),
    keepsKey: keepsKey(kind, service),
    defaults,
    absent,
    process,
    instance,
    service,
    topology,
    origin: -1,
  };
}

function defaultsWithout(present: ReadonlySet<Field>, isCall: boolean): Pick<Layout, 'defaults' | 'absent'> {
  const defaults = new Int32Array(CALL_WORDS).fill(NONE);
  const floats = new Float64Array(defaults.buffer);
  for (const word of [WORD.PLACE, WORD.PARENT, WORD.CALL_PLACE, WORD.PEER_REQUEST]) defaults.fill(0, word, word + 2);
  defaults[WORD.SPAN_EVENTS] = 0;
  for (const word of [WORD.DURATION, WORD.MONOTONIC]) floats[word / 2] = Number.NaN;
  const absent = new Set(defaults.keys());
  // The scanner writes these for every line; the last word is only there to make their number even.
  for (const word of [WORD.META, WORD.WALL, WORD.ORIGIN, WORD.ATTEMPT, CALL_WORDS - 1]) absent.delete(word);
  for (const { word, words } of present) for (let i = word; i < word + words; i++) absent.delete(i);
  return { defaults, absent: Uint8Array.from([...absent].filter((word) => isCall || word < SHORT_WORDS)) };
}

interface Member {
  readonly key: string;
  /** `word`: true, false or null. */
  readonly is: Field['is'] | 'word';
  /** Of the value; a string's with its quotation marks. */
  readonly start: number;
  readonly end: number;
}

/** The members of an object, of whose text is known that it is JSON. */
function* membersOf(text: string): Generator<Member> {
  let at = skipSpace(text, text.indexOf('{') + 1);
  while (text[at] === '"') {
    const keyEnd = stringEnd(text, at);
    const key = text.slice(at + 1, keyEnd - 1);
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const first = text[start] as string;
    let is: Member['is'] = 'string';
    if (first === '"') at = stringEnd(text, start);
    else if (first === '{' || first === '[') {
      is = 'nested';
      at = nestedEnd(text, start);
    } else {
      is = /[a-z]/.test(first) ? 'word' : 'number';
      SCALAR.lastIndex = start;
      SCALAR.test(text);
      at = SCALAR.lastIndex;
    }
    yield { key, is, start, end: at };
    at = skipSpace(text, at);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
}

const SCALAR = /[^\s,}]+/y;

function skipSpace(text: string, at: number): number {
  let p = at;
  while (p < text.length && text.charCodeAt(p) <= 0x20) p += 1;
  return p;
}

function stringEnd(text: string, at: number): number {
  let p = at + 1;
  while (text[p] !== '"') p += text[p] === '\\' ? 2 : 1;
  return p + 1;
}

function nestedEnd(text: string, at: number): number {
  let depth = 0;
  let p = at;
  do {
    const character = text[p];
    if (character === '"') {
      p = stringEnd(text, p);
      continue;
    }
    if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') depth -= 1;
    p += 1;
  } while (depth > 0);
  return p;
}
