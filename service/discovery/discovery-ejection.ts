import type { Instance } from '../call/outgoing';

/**
 * Passive outlier ejection, in the terms of Envoy's outlier detection (envoyproxy.io, "Outlier detection"): an instance
 * with `consecutiveFailures` failures in a row is passed over for `baseEjectionMs` times the number of its ejections
 * in a row, at most `maxEjectionMs`. Then it is tried again: a success clears its record, the next failure ejects it at once.
 *
 * Only connections that fail count (Envoy's "local origin" failures). A 5xx or a slow answer does not: here they mostly
 * come from further down the tree or from an injected fault, and all instances would show them alike. For the same
 * reason no share of a service is exempt (Envoy's `max_ejection_percent`); where all instances are ejected, all are
 * used in turn as if none were (Envoy's panic mode).
 *
 * The times are shorter than Envoy's (30 s, 300 s): a crashed instance is back within seconds here.
 */
export const EJECTION = { consecutiveFailures: 2, baseEjectionMs: 1_000, maxEjectionMs: 30_000 } as const;

export interface Ejections {
  failed(instance: Instance): void;
  succeeded(instance: Instance): void;
  isEjected(instance: Instance): boolean;
}

interface Standing {
  failures: number;
  ejections: number;
  until: number;
}

/** Records past this many are swept of those that no longer matter. */
const SWEEP_SIZE = 256;

export function createEjections(now: () => number): Ejections {
  /** Holds instances that have failed, and is empty most of the time. */
  const standings = new Map<string, Standing>();

  return {
    failed(instance) {
      const time = now();
      const key = keyOf(instance);
      let standing = standings.get(key);
      if (!standing) {
        if (standings.size >= SWEEP_SIZE) sweep(standings, time);
        standing = { failures: 0, ejections: 0, until: Number.NEGATIVE_INFINITY };
        standings.set(key, standing);
      }
      standing.failures += 1;
      // Requests that were under way when it was ejected are no new evidence.
      if (time < standing.until || standing.failures < EJECTION.consecutiveFailures) return;
      standing.ejections += 1;
      standing.until = time + Math.min(EJECTION.maxEjectionMs, EJECTION.baseEjectionMs * standing.ejections);
    },
    succeeded(instance) {
      if (standings.size === 0) return;
      const key = keyOf(instance);
      const standing = standings.get(key);
      if (standing && now() >= standing.until) standings.delete(key);
    },
    isEjected(instance) {
      if (standings.size === 0) return false;
      const standing = standings.get(keyOf(instance));
      return standing !== undefined && now() < standing.until;
    },
  };
}

/** An instance that comes back on another port is another one. */
function keyOf({ name, address, port }: Instance): string {
  return `${name} ${address}:${port}`;
}

function sweep(standings: Map<string, Standing>, time: number): void {
  for (const [key, { until, failures }] of standings) {
    if (until + EJECTION.maxEjectionMs < time || failures < EJECTION.consecutiveFailures) standings.delete(key);
  }
}
