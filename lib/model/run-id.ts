import { randomBytes } from 'node:crypto';

/** The run of requests that name none. */
export const ADHOC_RUN = 'adhoc';
/** The run of events that belong to a process and to no request. */
export const NO_RUN = '-';

/** What a run id says by itself: where its log is, and since when. */
export interface RunId {
  readonly topology: string;
  readonly start: Date;
  readonly suffix: string;
}

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
const RUN_ID = /^([a-z](?:[a-z0-9-]{0,30}[a-z0-9])?)-(\d{8}t\d{6}z)-([a-z2-7]{4,16})$/;

/** A new run id such as `shop-20261121t054429z-k3qa`. */
export function newRunId(topology: string, start: Date): string {
  const stamp = `${start.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').toLowerCase()}z`;
  return `${topology}-${stamp}-${randomBase32(4)}`;
}

/** The parts of a run id, or undefined where the text is none (a date that does not exist included). */
export function parseRunId(text: string): RunId | undefined {
  const match = RUN_ID.exec(text);
  if (!match) return undefined;
  const [, topology = '', stamp = '', suffix = ''] = match;
  const iso = stamp.replace(/^(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)z$/, '$1-$2-$3T$4:$5:$6.000Z');
  const start = new Date(iso);
  if (Number.isNaN(start.getTime()) || start.toISOString() !== iso) return undefined;
  return { topology, start, suffix };
}

/** Lower-case base32 characters (RFC 4648's alphabet), 5 random bits each. */
export function randomBase32(length: number): string {
  return Array.from(randomBytes(length), (byte) => BASE32[byte & 31]).join('');
}
