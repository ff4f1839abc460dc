/**
 * Draws that replay. Nothing here knows time or randomness: a draw is a hash of (seed, request key, place, purpose), so
 * the same request meets the same fate on every host, in every run.
 */

/** A 64-bit hash as two unsigned 32-bit words. */
export interface Hash {
  readonly high: number;
  readonly low: number;
}

/** Whose draws these are: the topology's seed, the request's key, and the place of the request in its call tree. */
export interface DrawContext {
  readonly seed: Hash;
  readonly key: Hash;
  readonly place: Hash;
}

/** Hash of a text, over its UTF-16 code units. */
export function hashText(text: string): Hash {
  let high = 0x9e3779b9 ^ text.length;
  let low = 0x85ebca6b ^ text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    high = Math.imul(rotate(high, 13) ^ unit, 0xcc9e2d51);
    low = Math.imul(rotate(low, 17) ^ unit, 0x1b873593);
  }
  return finish(high, low);
}

/** Hash of hashes; order matters. */
export function combine(...parts: readonly Hash[]): Hash {
  let high = 0x243f6a88;
  let low = 0x13198a2e;
  for (const part of parts) {
    high = Math.imul(rotate(high, 13) ^ part.high, 0xcc9e2d51) + low;
    low = Math.imul(rotate(low, 17) ^ part.low, 0x1b873593) + rotate(high, 7);
  }
  return finish(high, low);
}

/** A number drawn evenly from [0, 1), with 53 bits, for one purpose. */
export function draw({ seed, key, place }: DrawContext, purpose: Hash): number {
  const { high, low } = combine(seed, key, place, purpose);
  return ((high & 0x1fffff) * 0x100000000 + low) / 0x20000000000000;
}

/** The place of a flow's first request: fixed by the seed and the endpoint that receives it. */
export function rootPlace(seed: Hash, service: string, endpoint: string): Hash {
  return combine(seed, hashText(`root ${service} ${endpoint}`));
}

/**
 * The place of a request that the one at `place` sends: chained from the step's identity, the repetition (from 0) and
 * the attempt (from 1), so that each attempt draws anew and an inserted step changes no other request's place.
 */
export function childPlace(place: Hash, stepId: Hash, repetition: number, attempt: number): Hash {
  return combine(place, stepId, { high: repetition, low: attempt });
}

/** Sixteen lower-case hexadecimal digits. */
export function formatHash({ high, low }: Hash): string {
  return hex32(high) + hex32(low);
}

/** The hash that `formatHash` wrote, or undefined for any other text. */
export function parseHash(text: string): Hash | undefined {
  if (!/^[0-9a-f]{16}$/.test(text)) return undefined;
  return { high: Number.parseInt(text.slice(0, 8), 16), low: Number.parseInt(text.slice(8), 16) };
}

function hex32(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** MurmurHash3's 32-bit finaliser (A. Appleby, public domain) over both words, each mixed with the other. */
function finish(high: number, low: number): Hash {
  const first = avalanche(high ^ rotate(low, 15));
  const second = avalanche(low ^ rotate(first, 11));
  return { high: avalanche(first + second) >>> 0, low: second >>> 0 };
}

function avalanche(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
