import { HEADERS, RESPOND_ASYNC } from '../../lib/model/contract';
import { requestBytes } from '../../lib/model/decisions';
import { formatTraceparent } from '../../lib/model/trace-context';
import type { Call } from './attempt';

/**
 * The headers of what an attempt sends.
 *
 * @param clock stamp of its REQUEST_SENT
 * @param leftMs what its request has left
 */
export function attemptHeaders(
  { instruction: { kind, message }, span, caller }: Call,
  clock: string,
  place: string,
  leftMs: number,
  body: Buffer | null,
): Record<string, string> {
  const headers: Record<string, string> = {
    [HEADERS.traceparent]: formatTraceparent(span.traceId, span.requestId, span.flags),
    [HEADERS.clock]: clock,
    [HEADERS.place]: place,
    [HEADERS.deadline]: `${leftMs}`,
    [HEADERS.epoch]: `${span.program.slice.epoch}`,
    [HEADERS.caller]: caller.instance,
  };
  if (span.baggage !== '') headers[HEADERS.baggage] = span.baggage;
  if (span.tracestate !== '') headers[HEADERS.tracestate] = span.tracestate;
  if (kind === 'send') headers[HEADERS.prefer] = RESPOND_ASYNC;
  if (body !== null) headers['content-type'] = 'text/plain';
  if (message) Object.assign(headers, message.headers);
  return headers;
}

let filler = Buffer.alloc(0);

/** What an attempt sends: a message, or as many bytes as are drawn, cut from a body that all requests share. */
export function attemptBody({ instruction: { step, message }, span, repetition }: Call): Buffer | null {
  if (message) return message.body;
  const bytes = requestBytes(step, span.draws, repetition);
  if (bytes === null) return null;
  if (filler.length < bytes) filler = Buffer.alloc(Math.max(bytes, 2 * filler.length), 'x');
  return filler.subarray(0, bytes);
}
