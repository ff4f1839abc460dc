import type { DecisionKind, ErrorKind, Event, EventKind } from '../../model/event';

/**
 * A request's event as a record of 32-bit words: what a flow is rebuilt from, without a string or an object an event.
 * Records lie one after the other in an Int32Array; `META` tells the length. Texts that recur are numbers of an
 * `Interner`; the few that don't (request key, error, fault, decision) follow the words as JSON in UTF-8.
 */
export const WORD = {
  /** Length in words (12 bits), kind (4), via (2), flags (4), status (10). */
  META: 0,
  SEQ: 1,
  REQUEST: 2,
  TRACE: 4,
  /** Hybrid clock as written: 48 bits of milliseconds, 16 of counter. */
  HLC: 8,
  /** Timestamp less the hybrid clock's milliseconds. */
  WALL: 10,
  ORIGIN: 11,
  PARENT: 12,
  PLACE: 14,
  ENDPOINT: 16,
  EPOCH: 17,
  /** Unsigned; all ones: none. */
  BYTES: 18,
  SPAN_EVENTS: 19,
  /** A 64-bit float; NaN: none. */
  DURATION: 20,
  /** Microseconds of the process's monotonic clock as a 64-bit float; NaN: none. */
  MONOTONIC: 22,
  /** From here on only where `FLAG.CALL` is set. */
  CALL_PLACE: 24,
  PEER_REQUEST: 26,
  CALLEE: 28,
  STEP: 29,
  PEER: 30,
  REPETITION: 31,
  /** Attempt in the upper half, reconnect in the lower. */
  ATTEMPT: 32,
} as const;

/** Even, so that floats stay aligned. */
export const SHORT_WORDS = 24;
export const CALL_WORDS = 34;
/** Flags; `CALL` is an index of `FIXED_WORDS`. */
export const FLAG = { CALL: 1, PARENT: 2, PLACE: 4, EXTRA: 8 } as const;
/** Words of a record without those of a call, and with them. */
export const FIXED_WORDS: readonly number[] = [SHORT_WORDS, CALL_WORDS];
/** Stands in a word where the event has no such field. */
export const NONE = -1;

export const KIND = {
  REQUEST_RECEIVED: 1,
  REQUEST_SENT: 2,
  RESPONSE_RECEIVED: 3,
  RESPONSE_SENT: 4,
  RESULT_PRODUCED: 5,
  ERROR: 6,
  FAULT_INJECTED: 7,
  BREAKER_OPENED: 8,
  BREAKER_HALF_OPENED: 9,
  BREAKER_CLOSED: 10,
  REQUEST_SHED: 11,
  RETRY_BUDGET_EXHAUSTED: 12,
  FALLBACK_USED: 13,
  HEDGE_SENT: 14,
} as const satisfies Partial<Record<EventKind, number>>;

export function isDecision(kind: number): boolean {
  return kind > KIND.FAULT_INJECTED;
}

/** What policies decided, by number. */
export const DECISIONS: ReadonlyMap<number, DecisionKind> = new Map(
  Object.entries(KIND).flatMap(([name, kind]) => (isDecision(kind) ? [[kind, name as DecisionKind] as const] : [])),
);

/** Whether an event's record has the fields of a call. */
export function concernsCall(kind: number, isClient: boolean, hasStep: boolean): boolean {
  if (kind === KIND.REQUEST_SENT || kind === KIND.RESPONSE_RECEIVED) return true;
  return (kind === KIND.ERROR && (isClient || hasStep)) || (kind >= KIND.FAULT_INJECTED && hasStep);
}

export const VIA = { edge: 1, mesh: 2, queue: 3 } as const satisfies Record<NonNullable<Event['via']>, number>;
export const VIA_NAMES = [undefined, 'edge', 'mesh', 'queue'] as const;

export function packMeta(words: number, kind: number, via: number, flags: number, status: number): number {
  return words | (kind << 12) | (via << 16) | (flags << 18) | (status << 22);
}
export const lengthOf = (meta: number): number => meta & 0xfff;
export const kindOf = (meta: number): number => (meta >> 12) & 0xf;
export const viaOf = (meta: number): number => (meta >> 16) & 3;
export const flagsOf = (meta: number): number => (meta >> 18) & 0xf;
/** 0: none. */
export const statusOf = (meta: number): number => meta >>> 22;

/** Milliseconds since 1970 of the hybrid clock at a record. */
export function hlcMillis(words: Int32Array, record: number): number {
  const high = (words[record + WORD.HLC] as number) >>> 0;
  const low = (words[record + WORD.HLC + 1] as number) >>> 16;
  return high * 0x10000 + low;
}

/** Milliseconds since 1970 by the host's wall clock at a record. */
export function wallMillis(words: Int32Array, record: number): number {
  return hlcMillis(words, record) + (words[record + WORD.WALL] as number);
}

/** Hexadecimal digits of consecutive words. */
export function hexOf(words: Int32Array, at: number, count: number): string {
  let text = '';
  for (let i = at; i < at + count; i++) text += ((words[i] as number) >>> 0).toString(16).padStart(8, '0');
  return text;
}

/** What follows a record's words. */
export interface RecordExtra {
  readonly key?: string;
  readonly error?: Event['error'];
  readonly fault?: Event['fault'];
  readonly decision?: Event['decision'];
}

const NO_EXTRA: RecordExtra = {};

export function extraOf(words: Int32Array, record: number): RecordExtra {
  const meta = words[record + WORD.META] as number;
  if ((flagsOf(meta) & FLAG.EXTRA) === 0) return NO_EXTRA;
  const at = record + ((flagsOf(meta) & FLAG.CALL) !== 0 ? CALL_WORDS : SHORT_WORDS);
  const bytes = Buffer.from(words.buffer, words.byteOffset + 4 * (at + 1), words[at]);
  return JSON.parse(bytes.toString('utf8'));
}

/** Of an ERROR; undefined for any other event, and for none (-1). */
export function errorKindOf(words: Int32Array, record: number): ErrorKind | undefined {
  if (record < 0 || kindOf(words[record] as number) !== KIND.ERROR) return undefined;
  return extraOf(words, record).error?.kind;
}

/** Words behind the record in a draft: what goes into another word once all of a line is read. */
export const DRAFT_WORD = { STATUS: CALL_WORDS, ATTEMPT: CALL_WORDS + 1, RECONNECT: CALL_WORDS + 2 } as const;
/** Even, so that the floats cover it. */
export const DRAFT_WORDS = CALL_WORDS + 4;

/** What may follow a record's words at most: its length must have room in `META`. */
const MOST_EXTRA_WORDS = 4_000;

/** A record in the making; readers fill it and a store copies it. */
export interface RecordDraft {
  readonly words: Int32Array;
  /** The same memory; a word's index halved is its float's. */
  readonly floats: Float64Array;
  /** What follows the words where `META` says that anything does: how many bytes of text, and the text. */
  readonly extra: Int32Array;
  /** The text's part of the same memory. */
  readonly text: Uint8Array;
}

export function recordDraft(): RecordDraft {
  const words = new Int32Array(DRAFT_WORDS);
  const extra = new Int32Array(MOST_EXTRA_WORDS);
  return { words, floats: new Float64Array(words.buffer), extra, text: new Uint8Array(extra.buffer, 4) };
}
