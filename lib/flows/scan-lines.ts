import { CLIENT_SERVICE } from '../model/contract';
import { parseTimestamp, recordWords } from './decode-line';
import { CALL_WORDS, FLAG, KIND, NONE, packMeta, type RecordDraft, SHORT_WORDS, VIA, WORD } from './event-record';
import type { Interner } from './interner';
import { type LineReader, SLACK_BYTES } from './line-reader';

/** Where scanned records go, and everything else. */
export interface ScanTarget {
  /** A record is complete in the draft. */
  record(draft: RecordDraft): void;
  /** A line of another run: read no further than its run. */
  other(): void;
  /** A line that stands in any other layout, without its line feed. */
  line(bytes: Buffer, start: number, end: number): void;
  /** Number of a process. */
  origin(process: string, instance: string, service: string, topology: string): number;
}

/**
 * A line reader that knows the order in which a node writes its fields. It predicts where each key stands, verifies the
 * bytes, and takes values straight into a record; at the first byte that is not as predicted, the line goes to
 * `target.line` as a whole. So it accepts exactly the layout of `FIELD_ORDER` without white space or escapes, and
 * whatever it accepts is what `JSON.parse` would have given.
 *
 * One long function on purpose: what it keeps in local variables would cost half as much again in objects.
 *
 * @param run whose lines are wanted
 */
export function scanLines(run: string, names: Interner, draft: RecordDraft, target: ScanTarget): LineReader {
  const { words, floats } = draft;
  const runKey = expectation(`,"run":${JSON.stringify(run)}`);
  const minute = new Int32Array(4);
  let minuteMillis = Number.NaN;
  // Run, instance, service and topology of a process: the same bytes on each of its lines.
  let block = expectation('');
  let blockProcess = new Int32Array(2);
  let blockOrigin = -1;
  let blockNames: readonly number[] = [];
  let blockIsClient = false;

  // What is read now. The functions below are made once, not once a piece: the compiler's work is not done anew.
  let bytes: Buffer = Buffer.alloc(0);
  let view = new DataView(bytes.buffer);

  /** Number from the digits at `p`; `next` stands after them. Negative where there are none, or too many. */
  let next = 0;
  const digits = (at: number): number => {
    let p = at;
    let value = 0;
    let digit = (bytes[p] as number) - 0x30;
    if (digit === 0) {
      next = p + 1;
      return 0;
    }
    while (digit >= 0 && digit <= 9) {
      value = value * 10 + digit;
      digit = (bytes[++p] as number) - 0x30;
    }
    next = p;
    return p > at && p - at <= 15 ? value : -1;
  };

  /** A JSON number without an exponent: below 2^53 and with at most 15 digits, the quotient is the nearest float. */
  const decimal = (at: number): number => {
    const wholePart = digits(at);
    if (wholePart < 0 || bytes[next] !== 0x2e) return wholePart;
    const from = next + 1;
    let p = from;
    let value = wholePart;
    let digit = (bytes[p] as number) - 0x30;
    while (digit >= 0 && digit <= 9) {
      value = value * 10 + digit;
      digit = (bytes[++p] as number) - 0x30;
    }
    const decimals = p - from;
    if (decimals === 0 || from - 1 - at + decimals > 15) return -1;
    next = p;
    return value / (POWERS[decimals] as number);
  };

  /** Where the line ends that begins at `at`, its line feed included; or -1 for another layout. */
  const scanLine = (at: number): number => {
    if (!stands(view, at, TIMESTAMP)) return -1;
    let p = at + 14;
    // Timestamp.
    if (
      view.getInt32(p, true) !== minute[0] ||
      view.getInt32(p + 4, true) !== minute[1] ||
      view.getInt32(p + 8, true) !== minute[2] ||
      view.getInt32(p + 12, true) !== minute[3]
    ) {
      const millis = parseTimestamp(`${bytes.toString('latin1', p, p + 16)}:00.000Z`);
      if (millis === undefined) return -1;
      minuteMillis = millis;
      for (let i = 0; i < 4; i++) minute[i] = view.getInt32(p + 4 * i, true);
    }
    const s1 = (bytes[p + 17] as number) - 0x30;
    const s2 = (bytes[p + 18] as number) - 0x30;
    const m1 = (bytes[p + 20] as number) - 0x30;
    const m2 = (bytes[p + 21] as number) - 0x30;
    const m3 = (bytes[p + 22] as number) - 0x30;
    if (bytes[p + 16] !== 0x3a || bytes[p + 19] !== 0x2e || bytes[p + 23] !== 0x5a) return -1;
    if (s1 < 0 || s1 > 5 || s2 < 0 || s2 > 9 || m1 < 0 || m1 > 9 || m2 < 0 || m2 > 9 || m3 < 0 || m3 > 9) return -1;
    const millis = minuteMillis + (s1 * 10 + s2) * 1000 + m1 * 100 + m2 * 10 + m3;
    p += 24;
    // Ids of fixed width.
    if (!stands(view, p, HLC)) return -1;
    let valid = hex(view, p + 9, words, WORD.HLC) | hex(view, p + 17, words, WORD.HLC + 1);
    p += 25;
    const wall = millis - (((words[WORD.HLC] as number) >>> 0) * 0x10000 + ((words[WORD.HLC + 1] as number) >>> 16));
    if (wall > 0x7fffffff || wall < -0x7fffffff) return -1;
    words[WORD.WALL] = wall;
    if (!stands(view, p, TRACE_ID)) return -1;
    valid |= hex(view, p + 13, words, WORD.TRACE) | hex(view, p + 21, words, WORD.TRACE + 1);
    valid |= hex(view, p + 29, words, WORD.TRACE + 2) | hex(view, p + 37, words, WORD.TRACE + 3);
    p += 45;
    if (!stands(view, p, REQUEST_ID)) return -1;
    valid |= hex(view, p + 15, words, WORD.REQUEST) | hex(view, p + 23, words, WORD.REQUEST + 1);
    p += 31;
    let flags = 0;
    if (stands(view, p, PLACE)) {
      valid |= hex(view, p + 11, words, WORD.PLACE) | hex(view, p + 19, words, WORD.PLACE + 1);
      flags |= FLAG.PLACE;
      p += 27;
    } else {
      words[WORD.PLACE] = 0;
      words[WORD.PLACE + 1] = 0;
    }
    if (stands(view, p, PARENT)) {
      valid |= hex(view, p + 21, words, WORD.PARENT) | hex(view, p + 29, words, WORD.PARENT + 1);
      flags |= FLAG.PARENT;
      p += 37;
    } else {
      words[WORD.PARENT] = 0;
      words[WORD.PARENT + 1] = 0;
    }
    if (valid < 0 || !stands(view, p, PROCESS)) return -1;
    p += 13;
    const process = p;
    // Process ids have eight characters; the event's key must follow.
    p += 8;
    if (!stands(view, p, EVENT)) return -1;
    p += 11;
    let kind: number;
    let isCall = false;
    if (stands(view, p, RECEIVED_REQUEST)) {
      kind = KIND.REQUEST_RECEIVED;
      p += 24;
    } else if (stands(view, p, SENT_REQUEST)) {
      kind = KIND.REQUEST_SENT;
      isCall = true;
      p += 20;
    } else if (stands(view, p, RECEIVED_RESPONSE)) {
      kind = KIND.RESPONSE_RECEIVED;
      isCall = true;
      p += 25;
    } else if (stands(view, p, SENT_RESPONSE)) {
      kind = KIND.RESPONSE_SENT;
      p += 21;
    } else if (stands(view, p, PRODUCED_RESULT)) {
      kind = KIND.RESULT_PRODUCED;
      p += 23;
    } else return -1;
    const seq = digits(p);
    if (seq < 1 || seq > 0xffffffff) return -1;
    words[WORD.SEQ] = seq;
    p = next;
    let monotonic = Number.NaN;
    if (stands(view, p, MONOTONIC)) {
      monotonic = decimal(p + 15);
      if (monotonic < 0) return -1;
      p = next;
    }
    floats[WORD.MONOTONIC / 2] = monotonic;
    // Run, instance, service, topology.
    if (
      block.length === 0 ||
      !stands(view, p, block) ||
      view.getInt32(process, true) !== blockProcess[0] ||
      view.getInt32(process + 4, true) !== blockProcess[1]
    ) {
      if (!stands(view, p, runKey)) {
        if (!stands(view, p, ANY_RUN) || names.scan(bytes, view, p + 8) < 0 || bytes[p + 8] === 0x22) return -1;
        if (bytes[p + 8] === 0x2d && bytes[p + 9] === 0x22) return -1;
        const feed = bytes.indexOf(0x0a, p);
        target.other();
        return feed + 1;
      }
      const from = p;
      p += runKey.length;
      if (!stands(view, p, INSTANCE)) return -1;
      const instance = names.scan(bytes, view, p + 13);
      if (instance < 0) return -1;
      p += 14 + names.lengthOf(instance);
      if (!stands(view, p, SERVICE)) return -1;
      const service = names.scan(bytes, view, p + 12);
      if (service < 0) return -1;
      p += 13 + names.lengthOf(service);
      if (!stands(view, p, TOPOLOGY)) return -1;
      const topology = names.scan(bytes, view, p + 13);
      if (topology < 0) return -1;
      p += 14 + names.lengthOf(topology);
      const processId = names.scan(bytes, view, process);
      if (processId < 0 || names.lengthOf(processId) !== 8) return -1;
      if (!names.texts[instance] || !names.texts[service] || !names.texts[topology]) return -1;
      block = expectation(bytes.toString('latin1', from, p));
      blockProcess = Int32Array.of(view.getInt32(process, true), view.getInt32(process + 4, true));
      blockIsClient = names.texts[service] === CLIENT_SERVICE;
      blockOrigin = -1;
      blockNames = [processId, instance, service, topology];
    } else p += block.length;
    // Fields that may be absent, in their order.
    let endpoint = NONE;
    if (stands(view, p, ENDPOINT)) {
      endpoint = names.scan(bytes, view, p + 13);
      if (endpoint < 0) return -1;
      p += 14 + names.lengthOf(endpoint);
    }
    words[WORD.ENDPOINT] = endpoint;
    let keyStart = 0;
    let keyEnd = 0;
    if (stands(view, p, KEY)) {
      keyStart = p + 8;
      keyEnd = keyStart;
      while (KEY_BYTES[bytes[keyEnd] as number] === 1 && keyEnd - keyStart < 256) keyEnd += 1;
      if (bytes[keyEnd] !== 0x22 || keyEnd - keyStart > 255) return -1;
      p = keyEnd + 1;
    }
    let epoch = NONE;
    if (stands(view, p, EPOCH)) {
      epoch = digits(p + 9);
      if (epoch < 0 || epoch > 0x7fffffff) return -1;
      p = next;
    }
    words[WORD.EPOCH] = epoch;
    let via = 0;
    if (stands(view, p, VIA_KEY)) {
      if (stands(view, p + 8, MESH)) via = VIA.mesh;
      else if (stands(view, p + 8, EDGE)) via = VIA.edge;
      else if (stands(view, p + 8, QUEUE)) via = VIA.queue;
      else return -1;
      p += via === VIA.queue ? 14 : 13;
    }
    if (isCall) {
      words[WORD.CALL_PLACE] = 0;
      words[WORD.CALL_PLACE + 1] = 0;
      words[WORD.PEER_REQUEST] = 0;
      words[WORD.PEER_REQUEST + 1] = 0;
      let step = NONE;
      let repetition = NONE;
      let attempt = 0;
      let reconnect = 0;
      let callee = NONE;
      if (stands(view, p, CALL_PLACE)) {
        if ((hex(view, p + 14, words, WORD.CALL_PLACE) | hex(view, p + 22, words, WORD.CALL_PLACE + 1)) < 0) return -1;
        if (bytes[p + 30] !== 0x22) return -1;
        p += 31;
      }
      if (stands(view, p, STEP)) {
        step = names.scan(bytes, view, p + 9);
        if (step < 0) return -1;
        p += 10 + names.lengthOf(step);
      }
      if (stands(view, p, REPETITION)) {
        repetition = digits(p + 14);
        if (repetition < 0 || repetition > 0x7fffffff) return -1;
        p = next;
      }
      if (stands(view, p, ATTEMPT)) {
        attempt = digits(p + 11);
        if (attempt < 1 || attempt > 0x7fff) return -1;
        p = next;
      }
      if (stands(view, p, RECONNECT)) {
        reconnect = digits(p + 13);
        if (reconnect < 0 || reconnect > 0xffff) return -1;
        p = next;
      }
      if (stands(view, p, CALLEE)) {
        callee = names.scan(bytes, view, p + 11);
        if (callee < 0) return -1;
        p += 12 + names.lengthOf(callee);
      }
      words[WORD.CALLEE] = callee;
      words[WORD.STEP] = step;
      words[WORD.REPETITION] = repetition;
      words[WORD.ATTEMPT] = (attempt << 16) | reconnect;
    }
    // A receipt names its peer too, which nothing needs: the sender's record has it.
    let peer = NONE;
    if (stands(view, p, PEER)) {
      peer = names.scan(bytes, view, p + 9);
      if (peer < 0) return -1;
      p += 10 + names.lengthOf(peer);
    }
    if (isCall) {
      words[WORD.PEER] = peer;
      if (stands(view, p, PEER_REQUEST_ID)) {
        if ((hex(view, p + 18, words, WORD.PEER_REQUEST) | hex(view, p + 26, words, WORD.PEER_REQUEST + 1)) < 0) {
          return -1;
        }
        if (bytes[p + 34] !== 0x22) return -1;
        p += 35;
      }
    }
    let status = 0;
    if (stands(view, p, STATUS)) {
      status = digits(p + 10);
      if (status < 100 || status > 999) return -1;
      p = next;
    }
    let duration = Number.NaN;
    if (stands(view, p, DURATION)) {
      duration = decimal(p + 14);
      if (duration < 0) return -1;
      p = next;
    }
    floats[WORD.DURATION / 2] = duration;
    let bodyBytes = NONE;
    if (stands(view, p, BYTES)) {
      bodyBytes = digits(p + 9);
      if (bodyBytes < 0 || bodyBytes > 0xfffffffe) return -1;
      p = next;
    }
    words[WORD.BYTES] = bodyBytes;
    let spanEvents = 0;
    if (stands(view, p, SPAN_EVENTS)) {
      spanEvents = digits(p + 14);
      if (spanEvents < 1 || spanEvents > 0x7fffffff) return -1;
      p = next;
    }
    words[WORD.SPAN_EVENTS] = spanEvents;
    if (bytes[p] !== 0x7d || bytes[p + 1] !== 0x0a) return -1;
    draft.extra = null;
    if (keyEnd > 0 && (kind === KIND.REQUEST_RECEIVED || (kind === KIND.REQUEST_SENT && blockIsClient))) {
      draft.extra = Buffer.from(`{"key":"${bytes.toString('latin1', keyStart, keyEnd)}"}`, 'latin1');
      flags |= FLAG.EXTRA;
    }
    if (isCall) flags |= FLAG.CALL;
    const length = draft.extra === null ? (isCall ? CALL_WORDS : SHORT_WORDS) : recordWords(isCall, draft.extra.length);
    if (blockOrigin < 0) {
      // Only a line that is whole makes a process known.
      const [processId, instance, service, topology] = blockNames.map((name) => names.texts[name] as string);
      blockOrigin = target.origin(processId as string, instance as string, service as string, topology as string);
    }
    words[WORD.ORIGIN] = blockOrigin;
    words[WORD.META] = packMeta(length, kind, via, flags, status);
    target.record(draft);
    return p + 2;
  };

  return (piece, start, end) => {
    bytes = piece;
    view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const size = bytes.length;
    let at = start;
    while (at < end) {
      const after = at + SLACK_BYTES <= size ? scanLine(at) : -1;
      if (after > 0) {
        at = after;
        continue;
      }
      const feed = bytes.indexOf(0x0a, at);
      target.line(bytes, at, feed);
      at = feed + 1;
    }
  };
}

/** Bytes that must stand somewhere, as little-endian words; the last one overlaps so that nothing after them is read. */
interface Expectation {
  readonly length: number;
  readonly words: Int32Array;
}

function expectation(text: string): Expectation {
  const bytes = Buffer.from(text, 'latin1');
  const count = bytes.length < 4 ? 0 : (bytes.length + 3) >> 2;
  const words = Int32Array.from({ length: count }, (_, i) => bytes.readInt32LE(Math.min(4 * i, bytes.length - 4)));
  return { length: bytes.length, words };
}

/** Whether the bytes stand at `at`. */
function stands(view: DataView, at: number, { length, words }: Expectation): boolean {
  const last = words.length - 1;
  for (let i = 0; i < last; i++) if (view.getInt32(at + 4 * i, true) !== words[i]) return false;
  return view.getInt32(at + length - 4, true) === words[last];
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

/** Puts eight hexadecimal digits into a word; negative where they are none. */
function hex(view: DataView, at: number, words: Int32Array, word: number): number {
  const a = HEX_PAIRS[view.getUint16(at, true)] as number;
  const b = HEX_PAIRS[view.getUint16(at + 2, true)] as number;
  const c = HEX_PAIRS[view.getUint16(at + 4, true)] as number;
  const d = HEX_PAIRS[view.getUint16(at + 6, true)] as number;
  words[word] = (a << 24) | (b << 16) | (c << 8) | d;
  return a | b | c | d;
}

const POWERS = Array.from({ length: 16 }, (_, exponent) => 10 ** exponent);
/** Bytes that a scanned key consists of: the request key's grammar and a bit more, nothing that JSON escapes. */
const KEY_BYTES = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c ? 1 : 0,
);

const TIMESTAMP = expectation('{"timestamp":"');
const HLC = expectation('","hlc":"');
const TRACE_ID = expectation('","traceId":"');
const REQUEST_ID = expectation('","requestId":"');
const PLACE = expectation('","place":"');
const PARENT = expectation('","parentRequestId":"');
const PROCESS = expectation('","process":"');
const EVENT = expectation('","event":"');
const RECEIVED_REQUEST = expectation('REQUEST_RECEIVED","seq":');
const SENT_REQUEST = expectation('REQUEST_SENT","seq":');
const RECEIVED_RESPONSE = expectation('RESPONSE_RECEIVED","seq":');
const SENT_RESPONSE = expectation('RESPONSE_SENT","seq":');
const PRODUCED_RESULT = expectation('RESULT_PRODUCED","seq":');
const MONOTONIC = expectation(',"monotonicUs":');
const ANY_RUN = expectation(',"run":"');
const INSTANCE = expectation(',"instance":"');
const SERVICE = expectation(',"service":"');
const TOPOLOGY = expectation(',"topology":"');
const ENDPOINT = expectation(',"endpoint":"');
const KEY = expectation(',"key":"');
const EPOCH = expectation(',"epoch":');
const VIA_KEY = expectation(',"via":"');
const MESH = expectation('mesh"');
const EDGE = expectation('edge"');
const QUEUE = expectation('queue"');
const CALL_PLACE = expectation(',"callPlace":"');
const STEP = expectation(',"step":"');
const REPETITION = expectation(',"repetition":');
const ATTEMPT = expectation(',"attempt":');
const RECONNECT = expectation(',"reconnect":');
const CALLEE = expectation(',"callee":"');
const PEER = expectation(',"peer":"');
const PEER_REQUEST_ID = expectation(',"peerRequestId":"');
const STATUS = expectation(',"status":');
const DURATION = expectation(',"durationMs":');
const BYTES = expectation(',"bytes":');
const SPAN_EVENTS = expectation(',"spanEvents":');
