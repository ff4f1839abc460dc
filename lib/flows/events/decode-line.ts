import { CLIENT_SERVICE } from '../../model/contract';
import type { Event, EventKind } from '../../model/event';
import { NO_RUN } from '../../model/run-id';
import {
  CALL_WORDS,
  concernsCall,
  FLAG,
  KIND,
  NONE,
  packMeta,
  type RecordDraft,
  SHORT_WORDS,
  VIA,
  WORD,
} from './event-record';
import type { Interner } from './interner';
import { draftExtra, recordWords } from './record-extra';

/** What a line is. `other`: of another run, or a manifest record; `unknown`: of the run, of a kind that we don't know. */
export type Decoded =
  | { readonly is: 'foreign' | 'other' }
  | { readonly is: 'process'; readonly event: Event }
  | { readonly is: 'unknown' | 'request'; readonly event: Event };

export const FOREIGN: Decoded = { is: 'foreign' };
const OTHER: Decoded = { is: 'other' };

/** Parses a line and judges it, by its fields alone. */
export function decodeLine(text: string, run: string): Decoded {
  let value: Partial<Event> & { readonly record?: unknown };
  try {
    value = JSON.parse(text);
  } catch {
    return FOREIGN;
  }
  if (value === null || typeof value !== 'object') return FOREIGN;
  if (value.record === 'start' || value.record === 'end') return OTHER;
  if (!hasIdentity(value)) return FOREIGN;
  const event = value as Event;
  if (event.run === NO_RUN) return { is: 'process', event };
  if (event.run !== run) return OTHER;
  if (!Object.hasOwn(KIND, event.event)) return { is: 'unknown', event };
  return isHex(event.traceId, 32) && isHex(event.requestId, 16) ? { is: 'request', event } : FOREIGN;
}

/**
 * Writes a request's event into a draft. Optional fields that are not of their type are left out.
 *
 * @param origin number of the process
 */
export function draftEvent(event: Event, origin: number, names: Interner, draft: RecordDraft): void {
  const { words, floats } = draft;
  const kind = KIND[event.event as keyof typeof KIND];
  const isCall = concernsCall(kind, event.service === CLIENT_SERVICE, typeof event.step === 'string');
  let flags = isCall ? FLAG.CALL : 0;
  words[WORD.SEQ] = event.seq;
  putHex(words, WORD.REQUEST, event.requestId, 2);
  putHex(words, WORD.TRACE, event.traceId, 4);
  putHex(words, WORD.HLC, event.hlc, 2);
  words[WORD.WALL] = (parseTimestamp(event.timestamp) as number) - Number.parseInt(event.hlc.slice(0, 12), 16);
  words[WORD.ORIGIN] = origin;
  if (putHex(words, WORD.PARENT, event.parentRequestId, 2)) flags |= FLAG.PARENT;
  if (putHex(words, WORD.PLACE, event.place, 2)) flags |= FLAG.PLACE;
  words[WORD.ENDPOINT] = numberOf(names, event.endpoint);
  words[WORD.EPOCH] = whole(event.epoch, 0, 0x7fffffff);
  words[WORD.BYTES] = whole(event.bytes, 0, 0xfffffffe);
  words[WORD.SPAN_EVENTS] = Math.max(0, whole(event.spanEvents, 1, 0x7fffffff));
  floats[WORD.DURATION / 2] = positive(event.durationMs);
  floats[WORD.MONOTONIC / 2] = positive(event.monotonicUs);
  if (isCall) {
    putHex(words, WORD.CALL_PLACE, event.callPlace, 2);
    putHex(words, WORD.PEER_REQUEST, event.peerRequestId, 2);
    words[WORD.CALLEE] = numberOf(names, event.callee);
    words[WORD.STEP] = numberOf(names, event.step);
    words[WORD.PEER] = numberOf(names, event.peer);
    words[WORD.REPETITION] = whole(event.repetition, 0, 0x7fffffff);
    words[WORD.ATTEMPT] =
      (Math.max(0, whole(event.attempt, 1, 0x7fff)) << 16) | Math.max(0, whole(event.reconnect, 0, 0xffff));
  }
  const key = keepsKey(kind, event.service) ? event.key : undefined;
  const extraBytes = draftExtra(draft, key, event.error, event.fault, event.decision);
  if (extraBytes > 0) flags |= FLAG.EXTRA;
  const via = Object.hasOwn(VIA, event.via ?? '') ? VIA[event.via as keyof typeof VIA] : 0;
  const status = Math.max(0, whole(event.status, 100, 999));
  words[WORD.META] = packMeta(recordWords(isCall ? CALL_WORDS : SHORT_WORDS, extraBytes), kind, via, flags, status);
}

/** The key stands on every event of a request; a record keeps it where the request begins. */
export function keepsKey(kind: number, service: string): boolean {
  return kind === KIND.REQUEST_RECEIVED || (kind === KIND.REQUEST_SENT && service === CLIENT_SERVICE);
}

function hasIdentity(value: Partial<Event>): boolean {
  if (!isHex(value.hlc, 16) || typeof value.timestamp !== 'string') return false;
  const millis = parseTimestamp(value.timestamp);
  if (millis === undefined) return false;
  // A record holds the difference of the two in 32 bits: 24 days.
  if (Math.abs(millis - Number.parseInt(value.hlc.slice(0, 12), 16)) > 0x7fffffff) return false;
  return (
    whole(value.seq, 1, 0xffffffff) !== NONE &&
    typeof value.event === 'string' &&
    isName(value.process) &&
    isName(value.instance) &&
    isName(value.service) &&
    isName(value.topology) &&
    isName(value.run)
  );
}

const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d\.\d{3}Z$/;

/** Milliseconds since 1970, or undefined for any text but `2026-11-21T05:44:29.123Z`. */
export function parseTimestamp(text: string): number | undefined {
  if (!TIMESTAMP.test(text)) return undefined;
  const millis = Date.parse(text);
  return Number.isNaN(millis) || millis < 0 ? undefined : millis;
}

function isHex(text: unknown, digits: number): text is string {
  return typeof text === 'string' && text.length === digits && /^[0-9a-f]+$/.test(text);
}

function isName(text: unknown): boolean {
  return typeof text === 'string' && text.length > 0 && text.length <= 255;
}

/** Leaves zeros where there is no such text. */
function putHex(words: Int32Array, at: number, text: unknown, count: number): boolean {
  const valid = isHex(text, 8 * count);
  for (let i = 0; i < count; i++) words[at + i] = valid ? Number.parseInt(text.slice(8 * i, 8 * i + 8), 16) : 0;
  return valid;
}

function numberOf(names: Interner, text: unknown): number {
  return typeof text === 'string' && text.length <= 1000 ? names.intern(text) : NONE;
}

function whole(value: unknown, least: number, most: number): number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most ? (value as number) : NONE;
}

function positive(value: unknown): number {
  return typeof value === 'number' && value >= 0 && value < Number.POSITIVE_INFINITY ? value : Number.NaN;
}

export type RequestEventKind = keyof typeof KIND & EventKind;
