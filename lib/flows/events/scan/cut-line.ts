import { CLIENT_SERVICE } from '../../../model/contract';
import { type Decoded, keepsKey } from '../decode-line';
import {
  CALL_WORDS,
  concernsCall,
  DRAFT_WORD,
  DRAFT_WORDS,
  FLAG,
  KIND,
  NONE,
  packMeta,
  SHORT_WORDS,
  VIA,
  WORD,
} from '../event-record';
import { membersOf } from './json-members';
import { CONSTANT, FIELDS, PARTING, plain, SKIPPED } from './layout-fields';
import { type Field, type Layout, TAKE } from './line-layout';

/** A literal, and what stands behind it. */
export interface Piece {
  readonly text: string;
  readonly field: Field;
}

const END = plain(TAKE.END, 'string');
const NOTHING = plain(TAKE.NOTHING, 'string');

/**
 * A line as literals and the fields behind them. Null for a line that the tree has no room for: what `decodeLine` takes
 * for neither an event of a request nor a line of another run, and keys that are escaped or stand there twice.
 */
export function cutLine(
  line: Buffer,
  decoded: Decoded,
): { readonly pieces: readonly Piece[]; readonly layout: Layout } | null {
  if (decoded.is !== 'request' && decoded.is !== 'other') return null;
  const values = new Map<string, string>();
  const pieces: Piece[] = [];
  const present = new Set<Field>();
  const text = line.toString('latin1');
  let from = 0;
  const cut = (at: number, field: Field, next: number): boolean => {
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

const MAX_LITERAL_BYTES = 2_048;
const PLAIN = /^[\t\r\x20-\x7e]*$/;

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
  const hasOthers = has('error') || has('fault') || has('decision');
  const hasKey = has('key') && keepsKey(kind, service);
  const { defaults, absent } = defaultsWithout(present, isCall);
  return {
    isOther,
    meta: packMeta(isCall ? CALL_WORDS : SHORT_WORDS, kind, via, flags, 0),
    hasExtra: hasOthers || hasKey,
    hasKeyOnly: hasKey && !hasOthers,
    hasError: has('error'),
    hasFault: has('fault'),
    hasDecision: has('decision'),
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
  const defaults = new Int32Array(DRAFT_WORDS).fill(NONE);
  const floats = new Float64Array(defaults.buffer);
  for (const word of [WORD.PLACE, WORD.PARENT, WORD.CALL_PLACE, WORD.PEER_REQUEST]) defaults.fill(0, word, word + 2);
  for (const word of [WORD.SPAN_EVENTS, ...Object.values(DRAFT_WORD)]) defaults[word] = 0;
  for (const word of [WORD.DURATION, WORD.MONOTONIC]) floats[word / 2] = Number.NaN;
  const absent = new Set(defaults.keys());
  // The scanner writes these for every line; the last word of a call is only there to make their number even.
  for (const word of [WORD.META, WORD.WALL, WORD.ORIGIN, WORD.ATTEMPT, CALL_WORDS - 1]) absent.delete(word);
  for (const { word, words } of present) for (let i = word; i < word + words; i++) absent.delete(i);
  const isOfCall = (word: number): boolean => word >= SHORT_WORDS && word < CALL_WORDS;
  return { defaults, absent: Uint8Array.from([...absent].filter((word) => isCall || !isOfCall(word))) };
}
