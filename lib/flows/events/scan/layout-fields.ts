import { DRAFT_WORD, WORD } from '../event-record';
import { type Field, TAKE, type Take } from './line-layout';

/** A field that needs no room of its own in a record. */
export const plain = (take: Take, is: Field['is']): Field => ({ take, is, word: 0, words: 0, least: 0, most: 0 });
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
export const FIELDS: ReadonlyMap<string, Field> = new Map([
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
  ['attempt', whole(DRAFT_WORD.ATTEMPT, 1, 0x7fff)],
  ['reconnect', whole(DRAFT_WORD.RECONNECT, 0, 0xffff)],
  ['callee', name(WORD.CALLEE)],
  ['peer', name(WORD.PEER)],
  ['peerRequestId', hex(WORD.PEER_REQUEST, 2)],
  ['status', whole(DRAFT_WORD.STATUS, 100, 999)],
  ['durationMs', decimal(WORD.DURATION)],
  ['bytes', whole(WORD.BYTES, 0, 0xfffffffe)],
  ['spanEvents', whole(WORD.SPAN_EVENTS, 1, 0x7fffffff)],
  ['error', plain(TAKE.ERROR, 'nested')],
  ['fault', plain(TAKE.FAULT, 'nested')],
  ['decision', plain(TAKE.DECISION, 'nested')],
]);

/** Values that few lines differ in are part of the literals. */
export const CONSTANT = new Set(['process', 'run', 'instance', 'service', 'topology', 'event', 'via']);
/** Where lines part, a literal ends: what stands before is compared once for all branches. */
export const PARTING = new Set(['process', 'event']);

/** What becomes of values of other keys, and of those that are not of their key's type. */
export const SKIPPED: Readonly<Record<Field['is'], Field>> = {
  string: plain(TAKE.STRING, 'string'),
  number: plain(TAKE.NUMBER, 'number'),
  nested: plain(TAKE.NESTED, 'nested'),
};
