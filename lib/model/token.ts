import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** What a token is good for: one for a slice opens nothing else. */
export type TokenPurpose = 'GET /state' | 'GET /slice' | 'PUT /slice' | 'PUT /replicas' | 'itinerary' | 'overlay';

/** What a token is bound to beside the key and its expiry. */
export interface TokenScope {
  readonly purpose: TokenPurpose;
  /** Name of the topology. */
  readonly topology: string;
  /** The whole body that it goes with; empty where there is none. */
  readonly body: string | Uint8Array;
}

/** Nothing lives longer. */
export const TOKEN_MAX_MS = 86_400_000;
/** The sender's clock may be behind the receiver's, so that a token of the longest life seems to live longer. */
const CLOCK_SLACK_MS = 60_000;
/** 256 random bits, as 64 hexadecimal digits. */
export const KEY_TEXT = /^[0-9a-f]{64}$/;

/** Whole seconds since 1970, and 43 characters of base64url: a SHA-256. */
const TOKEN = /^(\d{1,11})\.([A-Za-z0-9_-]{43})$/;

/**
 * `<expiry>.<mac>`: the expiry in whole seconds since 1970, and
 * HMAC-SHA256(key, `purpose \n topology \n expiry \n SHA-256 of the body`) in base64url (RFC 2104).
 *
 * @param expiresAt milliseconds since 1970, rounded up to a whole second
 */
export function signToken(key: string, scope: TokenScope, expiresAt: number): string {
  const expiry = String(Math.ceil(expiresAt / 1000));
  return `${expiry}.${mac(key, scope, expiry).toString('base64url')}`;
}

/** Why a token is refused. */
export type TokenFault = 'no token' | 'malformed token' | 'expired token' | 'token of too long a life' | 'wrong token';

/**
 * Undefined for a token that is good now. The time that this takes does not depend on how much of the token is right;
 * what makes it wrong (another key, purpose, topology or body) is not told apart.
 */
export function tokenFault(
  token: string | undefined,
  key: string,
  scope: TokenScope,
  now: number,
): TokenFault | undefined {
  if (token === undefined || token === '') return 'no token';
  const [, expiry = '', given = ''] = TOKEN.exec(token) ?? [];
  if (expiry === '') return 'malformed token';
  if (!timingSafeEqual(Buffer.from(given, 'base64url'), mac(key, scope, expiry))) return 'wrong token';
  const leftMs = Number(expiry) * 1000 - now;
  if (leftMs <= 0) return 'expired token';
  return leftMs > TOKEN_MAX_MS + CLOCK_SLACK_MS ? 'token of too long a life' : undefined;
}

/** When the token ends, in milliseconds since 1970; undefined for a malformed one. */
export function tokenExpiry(token: string): number | undefined {
  const [, expiry] = TOKEN.exec(token) ?? [];
  return expiry === undefined ? undefined : Number(expiry) * 1000;
}

function mac(key: string, { purpose, topology, body }: TokenScope, expiry: string): Buffer {
  const digest = createHash('sha256').update(body).digest('hex');
  return createHmac('sha256', Buffer.from(key, 'hex')).update(`${purpose}\n${topology}\n${expiry}\n${digest}`).digest();
}
