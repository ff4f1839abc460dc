import { HEADERS, LIMITS } from '../model/contract';

/** What the driver wants to know of an answer's head. */
export interface ResponseHead {
  readonly status: number;
  readonly requestId: string | undefined;
  readonly clock: string | undefined;
  /** Milliseconds for which the server promises to keep the idle connection, from `keep-alive: timeout=`. */
  readonly keepAliveMs: number | undefined;
}

/**
 * Reads one answer after another from a connection's bytes, however they are split. Bodies are counted, not kept.
 *
 * Framing as RFC 9112 has it, and strict: what Node's own parser refuses is refused here, and so are bare line feeds,
 * folded lines, an answer with both a length and a transfer coding, or two lengths, since each is a way in which two
 * readers of one stream come to disagree about where an answer ends.
 */
export interface ResponseParser {
  /** Prepares for the answer to a request with this method. */
  expect(method: string): void;
  /** Takes bytes: `done` ends the answer, `more` asks for further bytes, any other text says what is wrong with them. */
  push(chunk: Buffer): 'done' | 'more' | Malformed;
  /** The connection ended: whether that ends the answer too. */
  end(): 'done' | 'truncated';
  /** Of the answer being read; undefined until it is complete. */
  readonly head: ResponseHead | undefined;
  /** Body bytes so far, without chunk framing. */
  readonly bodyBytes: number;
  /** After `done`: whether the connection may carry another request. */
  readonly reusable: boolean;
}

export interface Malformed {
  readonly problem: string;
}

type Body =
  | 'head'
  | 'length'
  | 'until-close'
  | 'chunk-size'
  | 'chunk-extension'
  | 'chunk-size-lf'
  | 'chunk-data'
  | 'chunk-data-cr'
  | 'chunk-data-lf'
  | 'trailers'
  | 'done';

const HEAD_END = Buffer.from('\r\n\r\n');
const NOTHING = Buffer.alloc(0);
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t -~\x80-\xff]*)?$/;
const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Visible characters, spaces, tabs and bytes above ASCII. */
const FIELD_VALUE = /^[\t -~\x80-\xff]*$/;
const CHUNK_EXTENSION =
  /^(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t !#-[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"))?)+$/;
const LENGTH = /^\d{1,15}$/;
/** Hexadecimal digits of a chunk's size: up to 2^48. */
const MAX_SIZE_DIGITS = 12;
const CR = 13;
const LF = 10;

export function responseParser(): ResponseParser {
  let state: Body = 'done';
  let method = 'GET';
  let head: ResponseHead | undefined;
  let bodyBytes = 0;
  let reusable = false;
  /** Bytes of an unfinished head or of trailers. */
  let pending: Buffer = NOTHING;
  /** Bytes left of a body with a length, or of a chunk. */
  let left = 0;
  let sizeDigits = 0;
  let extension = '';

  /** Reads the head's lines. Gives what is wrong with them. */
  const readHead = (text: string): Malformed | undefined => {
    const firstEnd = text.indexOf('\r\n');
    const statusLine = STATUS_LINE.exec(firstEnd < 0 ? text : text.slice(0, firstEnd));
    if (!statusLine) return { problem: 'the status line is malformed' };
    const status = Number(statusLine[2]);
    let length: number | undefined;
    let chunked = false;
    let coded = false;
    let close = statusLine[1] === '0';
    let requestId: string | undefined;
    let clock: string | undefined;
    let keepAliveMs: number | undefined;

    for (let at = firstEnd < 0 ? text.length : firstEnd + 2; at < text.length; ) {
      let lineEnd = text.indexOf('\r\n', at);
      if (lineEnd < 0) lineEnd = text.length;
      const colon = text.indexOf(':', at);
      if (colon < 0 || colon >= lineEnd) return { problem: 'a header line has no colon' };
      const rawName = text.slice(at, colon);
      const value = trimSpace(text.slice(colon + 1, lineEnd));
      if (!FIELD_NAME.test(rawName) || !FIELD_VALUE.test(value)) return { problem: 'a header line is malformed' };
      at = lineEnd + 2;
      switch (rawName.toLowerCase()) {
        case 'content-length':
          if (length !== undefined) return { problem: 'there are two content-length headers' };
          if (!LENGTH.test(value)) return { problem: 'the content-length is no number' };
          length = Number(value);
          break;
        case 'transfer-encoding': {
          const codings = value.toLowerCase().split(',').map(trimSpace);
          if (chunked || codings.indexOf('chunked') < codings.lastIndexOf('chunked')) {
            return { problem: 'chunked is not the last transfer coding' };
          }
          coded = true;
          chunked = codings.includes('chunked');
          if (chunked && codings.at(-1) !== 'chunked') return { problem: 'chunked is not the last transfer coding' };
          break;
        }
        case 'connection': {
          const options = value.toLowerCase().split(',').map(trimSpace);
          if (options.includes('close')) close = true;
          else if (options.includes('keep-alive') && statusLine[1] === '0') close = false;
          break;
        }
        case 'keep-alive': {
          const timeout = /(?:^|[,\s])timeout=(\d{1,6})/i.exec(value);
          if (timeout) keepAliveMs = Number(timeout[1]) * 1000;
          break;
        }
        case HEADERS.requestId:
          requestId = value;
          break;
        case HEADERS.clock:
          clock = value;
          break;
      }
    }

    if (coded && length !== undefined) return { problem: 'there are both a length and a transfer coding' };
    if (status === 101) return { problem: 'the server switches protocols unasked' };
    if (status < 200 && statusLine[1] === '0') return { problem: 'HTTP/1.0 has no interim answers' };
    if (status < 200) {
      // An interim answer: the one asked for is yet to come.
      state = 'head';
      return undefined;
    }
    head = { status, requestId, clock, keepAliveMs };
    reusable = !close;
    if (method === 'HEAD' || status === 204 || status === 304 || length === 0) state = 'done';
    else if (chunked) state = 'chunk-size';
    else if (length !== undefined) state = 'length';
    else {
      state = 'until-close';
      reusable = false;
    }
    left = state === 'length' ? (length ?? 0) : 0;
    sizeDigits = 0;
    return undefined;
  };

  /** Takes bytes of a block of lines up to its empty line: the offset after it, -1 for more, or what is wrong. */
  const readBlock = (chunk: Buffer, from: number): number | Malformed => {
    const before = pending.length;
    const bytes = before === 0 ? chunk.subarray(from) : Buffer.concat([pending, chunk.subarray(from)]);
    // Trailers may be none: then the empty line is all there is.
    const isEmpty = state === 'trailers' && bytes[0] === CR && bytes[1] === LF;
    const end = isEmpty ? 0 : bytes.indexOf(HEAD_END);
    if (end > LIMITS.headerBytes || (end < 0 && bytes.length > LIMITS.headerBytes)) {
      return { problem: `its headers are longer than ${LIMITS.headerBytes} bytes` };
    }
    if (end < 0) {
      pending = Buffer.from(bytes);
      return -1;
    }
    pending = NOTHING;
    const text = bytes.toString('latin1', 0, end);
    if (state === 'trailers') {
      const malformed = isEmpty ? undefined : checkTrailers(text);
      if (malformed) return malformed;
      state = 'done';
    } else {
      const malformed = readHead(text);
      if (malformed) return malformed;
    }
    return from + end + (isEmpty ? 2 : 4) - before;
  };

  const push = (chunk: Buffer): 'done' | 'more' | Malformed => {
    let at = 0;
    while (at < chunk.length && state !== 'done') {
      switch (state) {
        case 'head':
        case 'trailers': {
          const next = readBlock(chunk, at);
          if (typeof next !== 'number') return next;
          if (next < 0) return 'more';
          at = next;
          break;
        }
        case 'until-close':
          bodyBytes += chunk.length - at;
          return 'more';
        case 'length':
        case 'chunk-data': {
          const taken = Math.min(left, chunk.length - at);
          at += taken;
          bodyBytes += taken;
          left -= taken;
          if (left === 0) state = state === 'length' ? 'done' : 'chunk-data-cr';
          break;
        }
        case 'chunk-size': {
          const byte = chunk[at++] as number;
          const digit = hexDigit(byte);
          if (digit >= 0 && sizeDigits < MAX_SIZE_DIGITS) {
            left = left * 16 + digit;
            sizeDigits += 1;
          } else if (sizeDigits === 0 || digit >= 0) return { problem: 'the size of a chunk is malformed' };
          else if (byte === CR) state = 'chunk-size-lf';
          else if (byte === 59) {
            state = 'chunk-extension';
            extension = ';';
          } else return { problem: 'the size of a chunk is malformed' };
          break;
        }
        case 'chunk-extension': {
          const byte = chunk[at++] as number;
          if (byte !== CR) {
            extension += String.fromCharCode(byte);
            if (extension.length > LIMITS.headerBytes) return { problem: 'the extension of a chunk is too long' };
          } else if (CHUNK_EXTENSION.test(extension)) state = 'chunk-size-lf';
          else return { problem: 'the extension of a chunk is malformed' };
          break;
        }
        case 'chunk-size-lf':
          if (chunk[at++] !== LF) return { problem: 'the size of a chunk is malformed' };
          state = left === 0 ? 'trailers' : 'chunk-data';
          sizeDigits = 0;
          break;
        case 'chunk-data-cr':
          if (chunk[at++] !== CR) return { problem: 'a chunk is longer than its size' };
          state = 'chunk-data-lf';
          break;
        case 'chunk-data-lf':
          if (chunk[at++] !== LF) return { problem: 'a chunk is longer than its size' };
          state = 'chunk-size';
          break;
      }
    }
    if (state !== 'done') return 'more';
    // Bytes beyond the answer belong to no request.
    if (at < chunk.length) reusable = false;
    return 'done';
  };

  return {
    expect: (requestMethod) => {
      state = 'head';
      method = requestMethod;
      head = undefined;
      bodyBytes = 0;
      left = 0;
      pending = NOTHING;
    },
    push,
    end: () => {
      reusable = false;
      if (state !== 'until-close' && state !== 'done') return 'truncated';
      state = 'done';
      return 'done';
    },
    get head() {
      return head;
    },
    get bodyBytes() {
      return bodyBytes;
    },
    get reusable() {
      return reusable;
    },
  };
}

function checkTrailers(text: string): Malformed | undefined {
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon < 1 || !FIELD_NAME.test(line.slice(0, colon)) || !FIELD_VALUE.test(line.slice(colon + 1))) {
      return { problem: 'a trailer is malformed' };
    }
    if (/^(content-length|transfer-encoding)$/i.test(line.slice(0, colon)))
      return { problem: 'a trailer tells of framing' };
  }
  return undefined;
}

/** Without the spaces and tabs around it, the only white space of HTTP. */
function trimSpace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isSpace(text.charCodeAt(start))) start += 1;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isSpace(unit: number): boolean {
  return unit === 32 || unit === 9;
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
