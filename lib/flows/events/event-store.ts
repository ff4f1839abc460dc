import { FIXED_WORDS, FLAG, flagsOf, lengthOf, type RecordDraft, WORD } from './event-record';

/**
 * Where records wait until all logs are read: in parts by trace id, so that a flow lies whole in one part and the
 * tables that rebuild it stay small. Beyond a bound of memory, parts are written to a `Spill`.
 */
export interface EventStore {
  add(draft: RecordDraft): void;
  readonly records: number;
  /** Whether some records are outside of memory. */
  readonly spilled: boolean;
  /** How many parts there are, for `part`: one while all records together are few. */
  readonly parts: number;
  /** Number of the part that holds a trace, by the last word of its id. */
  partOf(lastTraceWord: number): number;
  /** The records of a part, one after the other. The memory is used again by the next call. */
  part(index: number): Int32Array;
}

/** Room for records beyond memory: one growing sequence of bytes a part. */
export interface Spill {
  write(part: number, bytes: Uint8Array): void;
  /** Bytes written to the part so far. */
  size(part: number): number;
  /** Fills `into` with all of the part's bytes. */
  read(part: number, into: Uint8Array): void;
}

export interface StoreOptions {
  /** @default none: everything stays in memory */
  readonly spill?: Spill | undefined;
  /** Records in memory beyond which the spill is used. @default 128 MiB */
  readonly memoryBytes?: number;
}

/** A power of two. Of ten million events each part has some 4.5 MB, which is what a processor's cache holds. */
const PARTS = 256;
const CHUNK_WORDS = 8 * 1024;
const SLAB_CHUNKS = 64;
/** Up to so many words all records are one part, so that flows come in the order of their start: some 300,000 events. */
const ONE_PART_WORDS = 8 * 1024 * 1024;

export function eventStore({ spill, memoryBytes = 128 * 1024 * 1024 }: StoreOptions = {}): EventStore {
  const full: Int32Array[][] = Array.from({ length: PARTS }, () => []);
  const current: Int32Array[] = Array.from({ length: PARTS }, () => new Int32Array(0));
  const used = new Int32Array(PARTS);
  const free: Int32Array[] = [];
  const chunksInMemory = Math.max(PARTS, Math.floor(memoryBytes / (4 * CHUNK_WORDS)));
  let chunks = 0;
  let records = 0;
  let spilled = false;
  let joined = new Int32Array(0);

  const spillFull = (target: Spill): void => {
    spilled = true;
    for (let part = 0; part < PARTS; part++) {
      for (const chunk of full[part] as Int32Array[]) {
        target.write(part, new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
        free.push(chunk);
        chunks -= 1;
      }
      full[part] = [];
    }
  };

  const nextChunk = (part: number): Int32Array => {
    const last = current[part] as Int32Array;
    if (last.length > 0) {
      terminate(last, used[part] as number);
      (full[part] as Int32Array[]).push(last);
    }
    if (spill && chunks >= chunksInMemory) spillFull(spill);
    if (free.length === 0) free.push(...newChunks());
    const chunk = free.pop() as Int32Array;
    chunks += 1;
    current[part] = chunk;
    used[part] = 0;
    return chunk;
  };

  const isSmall = (): boolean => !spilled && chunks * CHUNK_WORDS <= ONE_PART_WORDS;

  const all = (): Int32Array => {
    if (joined.length < chunks * CHUNK_WORDS) joined = new Int32Array(chunks * CHUNK_WORDS);
    let at = 0;
    for (let part = 0; part < PARTS; part++) {
      terminate(current[part] as Int32Array, used[part] as number);
      for (const chunk of [...(full[part] as Int32Array[]), current[part] as Int32Array]) {
        joined.set(chunk, at);
        at += chunk.length;
      }
    }
    return joined.subarray(0, at);
  };

  return {
    add(draft) {
      const { words } = draft;
      const length = lengthOf(words[WORD.META] as number);
      const part = (words[WORD.TRACE + 3] as number) & (PARTS - 1);
      let chunk = current[part] as Int32Array;
      if ((used[part] as number) + length > chunk.length) chunk = nextChunk(part);
      const at = used[part] as number;
      writeRecord(draft, chunk, at);
      used[part] = at + length;
      records += 1;
    },
    get records() {
      return records;
    },
    get spilled() {
      return spilled;
    },
    get parts() {
      return isSmall() ? 1 : PARTS;
    },
    partOf: (lastTraceWord) => (isSmall() ? 0 : lastTraceWord & (PARTS - 1)),
    part(index) {
      if (isSmall()) return all();
      const inMemory = full[index] as Int32Array[];
      const outside = spill ? spill.size(index) / 4 : 0;
      const total = outside + inMemory.length * CHUNK_WORDS + (used[index] as number);
      if (joined.length < total) joined = new Int32Array(Math.ceil(total * 1.25));
      if (outside > 0) spill?.read(index, new Uint8Array(joined.buffer, 0, 4 * outside));
      let at = outside;
      for (const chunk of inMemory) {
        joined.set(chunk, at);
        at += CHUNK_WORDS;
      }
      joined.set((current[index] as Int32Array).subarray(0, used[index]), at);
      return joined.subarray(0, total);
    },
  };
}

/** Writes a draft's record, of as many words as its `META` says, to `at`. */
export function writeRecord({ words, extra }: RecordDraft, into: Int32Array, at: number): void {
  const meta = words[WORD.META] as number;
  const fixed = FIXED_WORDS[flagsOf(meta) & FLAG.CALL] as number;
  for (let i = 0; i < fixed; i++) into[at + i] = words[i] as number;
  const length = lengthOf(meta);
  for (let i = fixed; i < length; i++) into[at + i] = extra[i - fixed] as number;
}

/**
 * Many chunks at once, in pages that the system hands out when they are first written to. In shared memory, though nobody
 * shares it: the engine does not count that as its own, and so does not collect garbage time and again because of it.
 */
function newChunks(): readonly Int32Array[] {
  const slab = new SharedArrayBuffer(4 * CHUNK_WORDS * SLAB_CHUNKS);
  return Array.from({ length: SLAB_CHUNKS }, (_, index) => new Int32Array(slab, 4 * CHUNK_WORDS * index, CHUNK_WORDS));
}

/** A record never crosses the end of its chunk: a zero, which `META` never is, says that no more follow. */
function terminate(chunk: Int32Array, used: number): void {
  if (used < chunk.length) chunk[used] = 0;
}

/** Calls `visit` with the index of each record's first word. */
export function eachRecord(words: Int32Array, visit: (record: number) => void): void {
  for (let record = recordFrom(words, 0); record < words.length; record = recordAfter(words, record)) visit(record);
}

/** The record that begins at `at`; where that is the unused end of a chunk, the next one's first. */
export function recordFrom(words: Int32Array, at: number): number {
  let record = at;
  while (record < words.length && words[record] === 0) record = (Math.floor(record / CHUNK_WORDS) + 1) * CHUNK_WORDS;
  return record;
}

/** The record behind another; at or beyond the end of `words` where that is the last one. */
export function recordAfter(words: Int32Array, record: number): number {
  return recordFrom(words, record + lengthOf(words[record] as number));
}
