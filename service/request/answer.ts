import { HEADERS } from '../../lib/model/contract';
import type { ErrorKind } from '../../lib/model/event';
import { quote } from '../../lib/model/event-line';
import type { Failure } from '../steps/outcome';

/** What a server writes: both kinds of server write the same. */
export interface Answer {
  readonly status: number;
  /** Made for this answer: a server may add its own. */
  readonly headers: Record<string, string>;
  readonly body: string;
  readonly bytes: number;
  /** Whether the connection ends with it. */
  readonly close: boolean;
  /** What faults make of it on its way; undefined where nothing. */
  readonly faulty: FaultyAnswer | undefined;
}

/** What faults make of an answer on its way. */
export interface FaultyAnswer {
  bytesPerSecond?: number;
  truncate?: true;
  corrupt?: true;
}

/** Why an answer is no success, as it says itself. */
export type AnswerError = Failure | { readonly kind: ErrorKind; readonly message: string };

export interface Identity {
  readonly service: string;
  readonly instance: string;
}

/** The beginning of every answer of a node; its end differs from request to request. */
export function answerHead({ service, instance }: Identity): string {
  return `{"service":${quote(service)},"instance":${quote(instance)},"requestId":"`;
}

let filler = '';

/** So many bytes of one character. */
function payload(bytes: number): string {
  if (filler.length < bytes) filler = 'x'.repeat(Math.max(bytes, 2 * filler.length));
  return filler.slice(0, bytes);
}

/** @param responses undefined for a service that calls none */
export function answerBody(
  head: string,
  requestId: string,
  responses: string | undefined,
  payloadBytes: number,
  error: AnswerError | undefined,
): string {
  let body = `${head}${requestId}"`;
  if (responses !== undefined) body += `,"responses":[${responses}]`;
  if (payloadBytes > 0) body += `,"payload":"${payload(payloadBytes)}"`;
  if (error) {
    const step = 'step' in error ? `,"step":${quote(error.step)}` : '';
    body += `,"error":{"kind":"${error.kind}"${step},"message":${quote(error.message)}}`;
  }
  return `${body}}`;
}

export function answerHeaders(requestId: string, clock: string): Record<string, string> {
  return { 'content-type': 'application/json', [HEADERS.requestId]: requestId, [HEADERS.clock]: clock };
}
