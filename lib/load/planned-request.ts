import { fillPath } from '../model/decisions';
import { quantile } from '../model/distribution';
import { combine, type DrawContext, draw, formatHash, type Hash, hashText } from '../model/draw';
import { indexHash } from './arrivals';
import type { Target } from './targets';

/** What a request asks for: a function of (seed, index) alone. */
export interface PlannedRequest {
  readonly target: Target;
  /** The request's key, which fixes every draw behind it: `k<index>-<hash of the seed>`. */
  readonly key: string;
  readonly path: string;
  /** Null for no body. */
  readonly bodyBytes: number | null;
}

const ENDPOINT = hashText('endpoint');
const REQUEST_BYTES = hashText('requestBytes');
const NOWHERE: Hash = { high: 0, low: 0 };

/** Chooses requests among the targets by their weights. */
export function requestPlanner(targets: readonly Target[], seed: string): (index: number) => PlannedRequest {
  const seedHash = hashText(seed);
  const keySuffix = `-${formatHash(combine(seedHash)).slice(0, 12)}`;
  const total = targets.reduce((sum, { weight }) => sum + weight, 0);
  const last = targets.findLast(({ weight }) => weight > 0);
  if (!last) throw new Error('no target has a weight above 0');

  const choose = (u: number): Target => {
    let left = u * total;
    for (const target of targets) {
      left -= target.weight;
      if (left < 0) return target;
    }
    return last;
  };

  return (index) => {
    const context: DrawContext = { seed: seedHash, key: indexHash(index), place: NOWHERE };
    const target = targets.length === 1 ? last : choose(draw(context, ENDPOINT));
    const { path, parameters, requestBytes } = target;
    return {
      target,
      key: `k${index}${keySuffix}`,
      path: parameters ? fillPath(path, (name) => draw(context, hashText(`path ${name}`))) : path,
      bodyBytes: requestBytes === null ? null : Math.round(quantile(requestBytes, draw(context, REQUEST_BYTES))),
    };
  };
}

let filler = '';

/** A JSON text of exactly so many bytes: an object where it fits, else a string, a digit, or nothing. */
export function jsonBody(bytes: number): string {
  if (filler.length < bytes) filler = 'x'.repeat(Math.max(bytes, 2 * filler.length));
  if (bytes >= 14) return `{"payload":"${filler.slice(0, bytes - 14)}"}`;
  if (bytes >= 2) return `"${filler.slice(0, bytes - 2)}"`;
  return bytes === 1 ? '0' : '';
}
