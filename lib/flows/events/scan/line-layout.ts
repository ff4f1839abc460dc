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
  /** The request key. */
  KEY: 6,
  /** The line is over. */
  END: 7,
  ERROR: 8,
  FAULT: 9,
  DECISION: 13,
  /** Any string, number, or object or array: checked, and left out. */
  STRING: 10,
  NUMBER: 11,
  NESTED: 12,
} as const;
export type Take = (typeof TAKE)[keyof typeof TAKE];

/**
 * One step in reading a line: the bytes that must stand next, what to take behind them, and which steps may follow. The
 * steps of all layouts met form a tree; lines that begin alike share its branches.
 */
export interface Step {
  readonly text: string;
  readonly length: number;
  /** The literal's first and last eight bytes, as little-endian floats; NaN where it is shorter. */
  readonly head: number;
  readonly tail: number;
  /** Where its bytes begin in `LayoutTree.literals`. */
  readonly start: number;
  /** Of a shorter one: its bytes as two words, and which of their bits count. */
  readonly low: number;
  readonly high: number;
  readonly lowMask: number;
  readonly highMask: number;
  readonly take: Take;
  /** Index of the first word in the draft. */
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
  /** How often it was taken in another's place. */
  hits: number;
}

/** What all lines have in common that come to one end of the tree. */
export interface Layout {
  /** Of another run. */
  readonly isOther: boolean;
  /** `META` of a record without extra, less the status. */
  readonly meta: number;
  readonly hasExtra: boolean;
  /** Nothing but the request key. */
  readonly hasKeyOnly: boolean;
  readonly hasError: boolean;
  readonly hasFault: boolean;
  readonly hasDecision: boolean;
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

/** What becomes of the value of a key. */
export type Field = Pick<Step, 'take' | 'word' | 'words' | 'least' | 'most'> & {
  readonly is: 'string' | 'number' | 'nested';
};
