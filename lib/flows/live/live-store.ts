import { lengthOf, WORD } from '../event-record';
import { type EventStore, writeRecord } from '../event-store';

/** Records that are waiting for the rest of their flows, by trace. */
export interface LiveStore extends EventStore {
  readonly waiting: number;
  /** Traces of which something came since the last call. */
  touched(): Iterable<WaitingTrace>;
  /** Traces of which nothing came for so long, and the longest waiting of those beyond `most`. */
  due(nowMs: number, waitMs: number, most: number): readonly WaitingTrace[];
  /** Which traces `part(0)` has. */
  choose(traces: readonly WaitingTrace[]): void;
  find(words: Int32Array, record: number): WaitingTrace | undefined;
  /** What comes of the trace hereafter is late. */
  forget(trace: WaitingTrace): void;
}

export interface WaitingTrace {
  readonly key: string;
  /** By the clock that `add` was told. */
  lastMs: number;
  words: Int32Array;
  used: number;
  records: number;
  /** A flow of the trace was done with before. */
  readonly late: boolean;
}

const FIRST_WORDS = 512;

/**
 * @param clock says when a record comes in, in milliseconds
 * @param rememberMs so long, and up to twice that, a forgotten trace is known again
 */
export function liveStore(clock: () => number, rememberMs: number): LiveStore {
  // Maps keep the order of insertion, and a trace that is touched is put last: the longest waiting stand first.
  const traces = new Map<string, WaitingTrace>();
  const touched = new Set<WaitingTrace>();
  let forgotten = { current: new Set<string>(), previous: new Set<string>(), sinceMs: clock() };
  let chosen: readonly WaitingTrace[] = [];
  let joined = new Int32Array(0);
  let records = 0;

  const opened = (key: string, nowMs: number): WaitingTrace => {
    const late = forgotten.current.has(key) || forgotten.previous.has(key);
    return { key, lastMs: nowMs, words: new Int32Array(FIRST_WORDS), used: 0, records: 0, late };
  };

  return {
    add(draft) {
      const { words } = draft;
      const key = keyOf(words, 0);
      const nowMs = clock();
      const trace = traces.get(key) ?? opened(key, nowMs);
      const length = lengthOf(words[WORD.META] as number);
      if (trace.used + length > trace.words.length) {
        const larger = new Int32Array(2 * (trace.words.length + length));
        larger.set(trace.words);
        trace.words = larger;
      }
      writeRecord(draft, trace.words, trace.used);
      trace.used += length;
      trace.records += 1;
      trace.lastMs = nowMs;
      records += 1;
      touched.add(trace);
      traces.delete(key);
      traces.set(key, trace);
    },
    get records() {
      return records;
    },
    spilled: false,
    parts: 1,
    partOf: () => 0,
    part() {
      const total = chosen.reduce((sum, { used }) => sum + used, 0);
      if (joined.length < total) joined = new Int32Array(Math.ceil(1.25 * total));
      let at = 0;
      for (const { words, used } of chosen) {
        joined.set(words.subarray(0, used), at);
        at += used;
      }
      return joined.subarray(0, total);
    },
    get waiting() {
      return traces.size;
    },
    touched() {
      const found = [...touched];
      touched.clear();
      return found;
    },
    due(nowMs, waitMs, most) {
      const found: WaitingTrace[] = [];
      for (const trace of traces.values()) {
        if (nowMs - trace.lastMs < waitMs && traces.size - found.length <= most) break;
        found.push(trace);
      }
      return found;
    },
    choose(wanted) {
      chosen = wanted;
    },
    find: (words, record) => traces.get(keyOf(words, record)),
    forget(trace) {
      traces.delete(trace.key);
      touched.delete(trace);
      const nowMs = clock();
      if (nowMs - forgotten.sinceMs > rememberMs) {
        forgotten = { current: new Set(), previous: forgotten.current, sinceMs: nowMs };
      }
      forgotten.current.add(trace.key);
    },
  };
}

function keyOf(words: Int32Array, record: number): string {
  const at = record + WORD.TRACE;
  return `${words[at]} ${words[at + 1]} ${words[at + 2]} ${words[at + 3]}`;
}
