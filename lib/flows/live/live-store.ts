import { lengthOf, WORD } from '../events/event-record';
import { type EventStore, writeRecord } from '../events/event-store';

/** Records that are waiting for the rest of their flows, by trace. */
export interface LiveStore extends EventStore {
  readonly waiting: number;
  /** Traces of which something came since the last call. */
  touched(): readonly WaitingTrace[];
  /** Traces of which nothing came for so long, and what there is no room for: the longest waiting, and single large ones. */
  due(nowMs: number, waitMs: number): readonly WaitingTrace[];
  /** Which traces the parts have. */
  choose(traces: readonly WaitingTrace[]): void;
  find(words: Int32Array, record: number): WaitingTrace | undefined;
  /** What comes of the trace hereafter is late. */
  forget(trace: WaitingTrace): void;
}

export interface WaitingTrace {
  /** When something of it came, by the clock, give or take the time between two calls of `touched`. */
  lastMs: number;
  words: Int32Array;
  used: number;
  records: number;
  /** A flow of the trace was done with before. */
  readonly late: boolean;
}

/** What is kept at most. */
export interface LiveBounds {
  /** Traces that wait for their rest. @default 100,000 */
  readonly traces?: number;
  /** 32-bit words of their records. @default 16 Mi, 64 MiB */
  readonly words?: number;
}

interface Waiting extends WaitingTrace {
  readonly key: number;
  /** The call of `touched` that comes next when something last came. */
  turn: number;
  /** Neighbours in the order of touching: a map would have to be emptied and filled with each event. */
  older: Waiting | undefined;
  newer: Waiting | undefined;
  /** Another trace whose id ends with the same word. */
  next: Waiting | undefined;
}

const FIRST_WORDS = 256;
/** A single trace may take so much of the room. */
const LARGE_SHARE = 1 / 8;
/** Unused memory of forgotten traces is kept for new ones: so many words. */
const SPARE_WORDS = 4 * 1024 * 1024;
/** What is rebuilt at once. */
const PART_WORDS = 512 * 1024;
/** Forgotten traces that are known again, at most twice as many. */
const REMEMBERED = 100_000;

/**
 * @param clock says when a record comes in, in milliseconds
 * @param rememberMs so long, and up to twice that, a forgotten trace is known again
 */
export function liveStore(clock: () => number, rememberMs: number, bounds: LiveBounds = {}): LiveStore {
  const { traces: mostTraces = 100_000, words: mostWords = 16 * 1024 * 1024 } = bounds;
  /** By the last word of the trace id, which is as good as random. */
  const traces = new Map<number, Waiting>();
  const memory = spareMemory();
  const memoryOfForgotten = generations(clock, rememberMs);
  let oldest: Waiting | undefined;
  let newest: Waiting | undefined;
  let touched: Waiting[] = [];
  let turn = 0;
  let waiting = 0;
  let heldWords = 0;
  let records = 0;
  let chosen: readonly (readonly WaitingTrace[])[] = [];
  let joined = new Int32Array(0);

  const lookUp = (words: Int32Array, record: number): Waiting | undefined => {
    let trace = traces.get(words[record + WORD.TRACE + 3] as number);
    while (trace && !sameTraceAs(trace, words, record)) trace = trace.next;
    return trace;
  };

  const opened = (words: Int32Array): Waiting => {
    const key = words[WORD.TRACE + 3] as number;
    const trace: Waiting = {
      key,
      lastMs: 0,
      words: memory.take(FIRST_WORDS),
      used: 0,
      records: 0,
      late: memoryOfForgotten.has(fingerprint(words, 0)),
      turn: -1,
      older: undefined,
      newer: undefined,
      next: traces.get(key),
    };
    traces.set(key, trace);
    waiting += 1;
    heldWords += trace.words.length;
    return trace;
  };

  const unlink = (trace: Waiting): void => {
    const { older, newer } = trace;
    if (older) older.newer = newer;
    else if (oldest === trace) oldest = newer;
    if (newer) newer.older = older;
    else if (newest === trace) newest = older;
    trace.older = undefined;
    trace.newer = undefined;
  };

  const touch = (trace: Waiting): void => {
    trace.turn = turn;
    trace.lastMs = clock();
    touched.push(trace);
    unlink(trace);
    trace.older = newest;
    if (newest) newest.newer = trace;
    else oldest = trace;
    newest = trace;
  };

  const enlarge = (trace: Waiting, least: number): void => {
    let size = trace.words.length;
    while (size < least) size *= 2;
    const larger = memory.take(size);
    larger.set(trace.words.subarray(0, trace.used));
    memory.giveBack(trace.words);
    heldWords += size - trace.words.length;
    trace.words = larger;
  };

  const withdraw = (trace: Waiting): void => {
    const first = traces.get(trace.key);
    if (first === trace) {
      if (trace.next) traces.set(trace.key, trace.next);
      else traces.delete(trace.key);
      return;
    }
    for (let other = first; other; other = other.next) if (other.next === trace) other.next = trace.next;
  };

  return {
    add(draft) {
      const { words } = draft;
      const trace = lookUp(words, 0) ?? opened(words);
      const length = lengthOf(words[WORD.META] as number);
      if (trace.used + length > trace.words.length) enlarge(trace, trace.used + length);
      writeRecord(draft, trace.words, trace.used);
      trace.used += length;
      trace.records += 1;
      records += 1;
      if (trace.turn !== turn) touch(trace);
    },
    get records() {
      return records;
    },
    spilled: false,
    get parts() {
      return chosen.length;
    },
    partOf: () => 0,
    part(index) {
      const own = chosen[index] ?? [];
      const total = own.reduce((sum, { used }) => sum + used, 0);
      if (joined.length < total) joined = new Int32Array(Math.ceil(1.25 * total));
      let at = 0;
      for (const { words, used } of own) {
        joined.set(used === words.length ? words : words.subarray(0, used), at);
        at += used;
      }
      return joined.subarray(0, total);
    },
    get waiting() {
      return waiting;
    },
    touched() {
      const found = touched;
      touched = [];
      turn += 1;
      return found;
    },
    due(nowMs, waitMs) {
      const found: WaitingTrace[] = [];
      let [leftTraces, leftWords] = [waiting, heldWords];
      for (let trace = oldest; trace; trace = trace.newer) {
        const isPastBounds = leftTraces > mostTraces || leftWords > mostWords;
        if (nowMs - trace.lastMs < waitMs && !isPastBounds) break;
        found.push(trace);
        leftTraces -= 1;
        leftWords -= trace.words.length;
      }
      for (const trace of touched) if (trace.words.length > LARGE_SHARE * mostWords) found.push(trace);
      return found;
    },
    choose(wanted) {
      chosen = inParts(wanted);
    },
    find: lookUp,
    forget(trace) {
      const own = trace as Waiting;
      withdraw(own);
      unlink(own);
      memoryOfForgotten.add(fingerprint(own.words, 0));
      memory.giveBack(own.words);
      waiting -= 1;
      heldWords -= own.words.length;
    },
  };
}

function sameTraceAs({ words }: WaitingTrace, other: Int32Array, record: number): boolean {
  for (let word = WORD.TRACE; word < WORD.TRACE + 4; word++) if (words[word] !== other[record + word]) return false;
  return true;
}

/** The last 53 bits of a trace id. */
function fingerprint(words: Int32Array, record: number): number {
  const [high, low] = [words[record + WORD.TRACE + 2] as number, words[record + WORD.TRACE + 3] as number];
  return (high & 0x1fffff) * 0x1_0000_0000 + (low >>> 0);
}

function inParts(traces: readonly WaitingTrace[]): readonly (readonly WaitingTrace[])[] {
  const parts: WaitingTrace[][] = [];
  let room = 0;
  for (const trace of traces) {
    if (trace.used > room) {
      parts.push([]);
      room = PART_WORDS;
    }
    parts.at(-1)?.push(trace);
    room -= trace.used;
  }
  return parts;
}

/** Arrays of powers of two, used again: each new one would have to be filled with zeros, and collected. */
function spareMemory() {
  const spare = new Map<number, Int32Array[]>();
  let words = 0;
  return {
    take(size: number): Int32Array {
      const found = spare.get(size)?.pop();
      if (!found) return new Int32Array(size);
      words -= size;
      return found;
    },
    giveBack(array: Int32Array): void {
      if (words + array.length > SPARE_WORDS) return;
      words += array.length;
      const same = spare.get(array.length);
      if (same) same.push(array);
      else spare.set(array.length, [array]);
    },
  };
}

/** Numbers that are known for a time, in memory that is bounded. */
function generations(clock: () => number, rememberMs: number) {
  let current = new Set<number>();
  let previous = new Set<number>();
  let sinceMs = clock();
  return {
    has: (number: number): boolean => current.has(number) || previous.has(number),
    add(number: number): void {
      const nowMs = clock();
      if (nowMs - sinceMs > rememberMs || current.size >= REMEMBERED) {
        previous = current;
        current = new Set();
        sinceMs = nowMs;
      }
      current.add(number);
    },
  };
}
