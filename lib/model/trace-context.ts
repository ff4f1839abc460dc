import { randomFillSync } from 'node:crypto';
import { LIMITS } from './contract';

/** W3C Trace Context (Recommendation, 2021-11-23) and W3C Baggage. */
export interface TraceParent {
  readonly traceId: string;
  readonly parentId: string;
  /** Two hexadecimal digits. */
  readonly flags: string;
}

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * Undefined for a header that the Recommendation calls invalid (all-zero ids, version ff, upper case, or anything after
 * the flags in version 00): the receiver then starts a new trace.
 */
export function parseTraceparent(header: string | undefined): TraceParent | undefined {
  const match = header === undefined ? null : TRACEPARENT.exec(header);
  if (!match) return undefined;
  const [, version, traceId = '', parentId = '', flags = '', rest] = match;
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined;
  return { traceId, parentId, flags };
}

export function formatTraceparent(traceId: string, parentId: string, flags: string): string {
  return `00-${traceId}-${parentId}-${flags}`;
}

/**
 * The members of a baggage header by key, values decoded, properties dropped. Malformed members are dropped; so is the
 * whole header beyond the limits.
 */
export function parseBaggage(header: string | undefined): ReadonlyMap<string, string> {
  const members = new Map<string, string>();
  if (header === undefined || header === '' || header.length > LIMITS.baggageBytes) return members;
  const parts = header.split(',');
  if (parts.length > LIMITS.baggageMembers) return members;
  for (const part of parts) {
    const [pair = ''] = part.split(';');
    const equals = pair.indexOf('=');
    const key = pair.slice(0, equals).trim();
    const value = decode(pair.slice(equals + 1).trim());
    if (equals > 0 && BAGGAGE_KEY.test(key) && value !== undefined) members.set(key, value);
  }
  return members;
}

/** Half a surrogate pair, which UTF-8 can't hold, becomes U+FFFD. */
export function formatBaggage(members: ReadonlyMap<string, string>): string {
  return Array.from(members, ([key, value]) => `${key}=${encodeURIComponent(value.replaceAll(LONE, '\ufffd'))}`).join(
    ',',
  );
}

const LONE = /\p{Surrogate}/gu;

/** RFC 7230's token. */
const BAGGAGE_KEY = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** W3C Baggage's baggage-octet. */
const BAGGAGE_VALUE = /^[!#-+\--:<-[\]-~]*$/;

function decode(value: string): string | undefined {
  if (!BAGGAGE_VALUE.test(value)) return undefined;
  if (!value.includes('%')) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    return undefined;
  }
}

/** 32 hexadecimal digits, not all zero. */
export function newTraceId(): string {
  return randomHex(16);
}

/** 16 hexadecimal digits, not all zero: a request's id, which is its W3C span id. */
export function newRequestId(): string {
  return randomHex(8);
}

/** Random bytes are drawn from the system in blocks: a call for each id costs more than the rest of it. */
const pool = Buffer.alloc(8192);
let used = pool.length;

function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const hex = pool.toString('hex', used, used + bytes);
  used += bytes;
  return /^0+$/.test(hex) ? randomHex(bytes) : hex;
}
