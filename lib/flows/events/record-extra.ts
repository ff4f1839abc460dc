import type { ErrorKind } from '../../model/event';
import type { RecordDraft, RecordExtra } from './event-record';

/** Bytes of key, error, fault and decision together that a record has room for; longer ones are cut. */
const MAX_EXTRA_BYTES = 8_192;

/** Words of a record, even so that floats stay aligned. */
export function recordWords(fixed: number, extraBytes: number): number {
  if (extraBytes === 0) return fixed;
  const words = fixed + 1 + ((extraBytes + 3) >> 2);
  return words + (words & 1);
}

/** Puts what follows a record's words into a draft; its bytes, or 0. Fields that are not of their type are left out. */
export function draftExtra(
  draft: RecordDraft,
  key: string | undefined,
  error: Partial<RecordExtra['error']> | null,
  fault: RecordExtra['fault'] | null,
  decision: RecordExtra['decision'] | null,
): number {
  const extra: { -readonly [K in keyof RecordExtra]: RecordExtra[K] } = {};
  if (typeof key === 'string') extra.key = key.slice(0, 255);
  if (error !== null && typeof error === 'object' && typeof error.kind === 'string') {
    extra.error = { kind: error.kind.slice(0, 255) as ErrorKind, message: String(error.message ?? '').slice(0, 1000) };
  }
  if (fault !== null && typeof fault === 'object') extra.fault = fault;
  if (decision !== null && typeof decision === 'object') extra.decision = decision;
  if (Object.keys(extra).length === 0) return 0;
  const bytes = Buffer.from(JSON.stringify(extra), 'utf8');
  if (bytes.length <= MAX_EXTRA_BYTES) return putText(draft, bytes);
  const cut = { cut: `${bytes.length} bytes` };
  return putText(
    draft,
    Buffer.from(
      JSON.stringify({ ...extra, ...(extra.fault && { fault: cut }), ...(extra.decision && { decision: cut }) }),
      'utf8',
    ),
  );
}

/** The same for a key alone, from its bytes in a line, none of which JSON escapes: half of a run's requests have one. */
export function draftKey({ extra, text }: RecordDraft, bytes: Uint8Array, start: number, end: number): number {
  let at = 0;
  for (; at < BEFORE_KEY.length; at++) text[at] = BEFORE_KEY[at] as number;
  for (let p = start; p < end; p++) text[at++] = bytes[p] as number;
  text[at++] = QUOTE;
  text[at++] = BRACE;
  extra[0] = at;
  return at;
}

const BEFORE_KEY = new Uint8Array(Buffer.from('{"key":"', 'latin1'));
const QUOTE = 0x22;
const BRACE = 0x7d;

function putText({ extra, text }: RecordDraft, bytes: Uint8Array): number {
  text.set(bytes);
  extra[0] = bytes.length;
  return bytes.length;
}
