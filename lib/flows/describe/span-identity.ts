import { parseCallee } from '../../model/callee';
import { extraOf, FLAG, flagsOf, hexOf, NONE, WORD } from '../events/event-record';
import type { Interner } from '../events/interner';
import type { ProcessLog } from '../events/process-log';
import type { Span } from '../flow';
import { hasId, type SpanTable } from '../rebuild/group-spans';
import type { SpanNode } from '../rebuild/span-node';

/** What turns the numbers of a span's records back into texts. */
export interface Naming {
  readonly table: Pick<SpanTable, 'words'>;
  readonly names: Interner;
  readonly processes: readonly ProcessLog[];
}

type Identity = Pick<Span, 'service' | 'instance' | 'endpoint' | 'requestId' | 'parentRequestId' | 'place' | 'epoch'>;

/** Who handled which request. */
export function identityOf(span: SpanNode, naming: Naming): Identity {
  return span.inferred ? inferredIdentity(span, naming) : identity(span, naming);
}

function identity(span: SpanNode, { table: { words }, names, processes }: Naming): Identity {
  const { record } = span;
  const { service, instance } = processes[span.origin] as ProcessLog;
  const hasParent = (flagsOf(words[record] as number) & FLAG.PARENT) !== 0;
  const epoch = words[record + WORD.EPOCH] as number;
  return {
    service,
    instance,
    endpoint: textAt(words, names, record + WORD.ENDPOINT),
    requestId: hexOf(words, record + WORD.REQUEST, 2),
    parentRequestId: hasParent ? hexOf(words, record + WORD.PARENT, 2) : null,
    place: idAt(words, record + WORD.PLACE),
    epoch: epoch === NONE ? null : epoch,
  };
}

/** What the caller's events tell of a span that left none. */
function inferredIdentity({ record }: SpanNode, { table: { words }, names }: Naming): Identity {
  const { service, endpoint } = parseCallee(textAt(words, names, record + WORD.CALLEE) ?? '?');
  return {
    service,
    instance: textAt(words, names, record + WORD.PEER) ?? '?',
    endpoint: endpoint ?? null,
    requestId: hexOf(words, record + WORD.PEER_REQUEST, 2),
    parentRequestId: hexOf(words, record + WORD.REQUEST, 2),
    place: idAt(words, record + WORD.CALL_PLACE),
    epoch: null,
  };
}

/** The error that a request ended with. */
export function errorOf({ error, result, ended }: SpanNode, words: Int32Array): Span['error'] {
  for (const record of [error, result, ended]) {
    const found = record >= 0 ? extraOf(words, record).error : undefined;
    if (found) return found;
  }
  return null;
}

export function textAt(words: Int32Array, names: Interner, at: number): string | null {
  const number = words[at] as number;
  return number === NONE ? null : (names.texts[number] ?? null);
}

export function idAt(words: Int32Array, at: number): string | null {
  return hasId(words, at) ? hexOf(words, at, 2) : null;
}
