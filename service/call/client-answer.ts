import { HEADERS } from '../../lib/model/contract';
import { CallError, type CallErrorKind, type IncomingAnswer } from './outgoing';

/** What both HTTP clients share: limits of their connections, the headers they hand on, and the names of failures. */
export const CONNECTIONS = {
  /**
   * An idle connection is closed after this, well before the server does it (`serverIdleMs`): a request written to a
   * connection that the server is just closing is lost, and nobody can tell whether it was worked on.
   */
  idleMs: 30_000,
  /** What a node's mesh port keeps idle connections open for: above the client's, and above a balancer's usual 60 s. */
  serverIdleMs: 75_000,
  /**
   * A connection that is not made by then counts as CONNECT, also where the attempt has time left. A full backlog drops
   * the first packet, which is sent again after 1 s and 3 s: both must have their chance.
   */
  connectMs: 5_000,
  /** To one instance; further requests wait for a free one within their time. */
  perInstance: 1_024,
} as const;

/** By length of the name, which tells most headers apart without reading them. */
const HANDED_ON = ['content-type', HEADERS.requestId, HEADERS.clock] as const;
const LENGTHS = new Set<number>(HANDED_ON.map((name) => name.length));

export type AnswerHeaders = Record<string, string | undefined>;

/** The headers that callers read, from a list of names and values in turn; the first of equal ones counts. */
export function pickHeaders(raw: readonly string[]): AnswerHeaders {
  const picked: AnswerHeaders = {};
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string;
    if (!LENGTHS.has(name.length)) continue;
    const lower = name.toLowerCase();
    for (const wanted of HANDED_ON) if (lower === wanted) picked[wanted] ??= raw[i + 1];
  }
  return picked;
}

export const CALLED_OFF = 'the attempt beside it was answered first';

/** How far an attempt has come when it fails. */
export interface Progress {
  /** The request was handed to a connection. */
  readonly written: boolean;
  /** The answer's head has come. */
  readonly answered: boolean;
  readonly bodyBytes: number;
}

/**
 * Requests up to this size leave in one write on a connection whose send buffer is empty, so that a write the kernel
 * refused has sent nothing.
 */
const ONE_WRITE_BYTES = 8_192;

/** Codes of node:http and undici. */
const BREAKS_HTTP = /^HPE_|^UND_ERR_(HEADERS_OVERFLOW|RES_)/;

/**
 * Names a failure for the caller. A connection that the peer closed while it was idle is the hard case: once the bytes
 * are in the kernel nobody can prove that the callee has not worked on them, so the attempt ends as RESET and only the
 * call's own retries may repeat it. Where the kernel refused the write itself, nothing was sent: that is CONNECT, and
 * another connection may be tried in the same attempt.
 */
export function classify(error: unknown, { written, answered, bodyBytes }: Progress): CallError {
  const { name, code = '', syscall, message } = error as NodeJS.ErrnoException;
  const text = (kind: CallErrorKind, what: string) => new CallError(kind, message ? `${what}: ${message}` : what);
  if (!written || syscall === 'connect') return text('CONNECT', 'no connection');
  if (name === 'HTTPParserError' || BREAKS_HTTP.test(code)) return text('BODY', 'the answer breaks HTTP');
  if (answered) return text('BODY', 'the answer is cut short');
  if (syscall === 'write' && bodyBytes <= ONE_WRITE_BYTES) return text('CONNECT', 'the connection was closed before');
  return text('RESET', 'the connection broke');
}

export function timedOut(timeoutMs: number): CallError {
  return new CallError('TIMEOUT', `no whole answer within ${timeoutMs} ms`);
}

export function cancelled(): CallError {
  return new CallError('CANCELLED', CALLED_OFF);
}

export function tooLong(maxAnswerBytes: number): CallError {
  return new CallError('BODY', `the answer is longer than ${maxAnswerBytes} bytes`);
}

export function closed(): CallError {
  return new CallError('CONNECT', 'the client is closed');
}

/** Collects an answer's body within its bound; one chunk, the usual case, is not copied. */
export function joinAnswer(status: number, headers: AnswerHeaders, chunks: readonly Buffer[]): IncomingAnswer {
  const [only] = chunks;
  return { status, headers, body: chunks.length === 1 && only ? only : Buffer.concat(chunks) };
}
