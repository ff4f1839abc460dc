import type { Topology } from '../model/topology';

/**
 * Waves in which services are stopped: each when all its callers are, so that a queued `send` still finds whom it calls.
 * Services that call each other in a circle, and all behind them, stop together.
 */
export function stopOrder(topology: Topology): readonly ReadonlySet<string>[] {
  const waves: ReadonlySet<string>[] = [];
  let left = Object.values(topology.services);
  while (left.length > 0) {
    const names = new Set(left.map(({ name }) => name));
    const free = left.filter(({ name, callers }) => !callers.some((caller) => caller !== name && names.has(caller)));
    const wave = free.length > 0 ? free : left;
    waves.push(new Set(wave.map(({ name }) => name)));
    left = left.filter((service) => !wave.includes(service));
  }
  return waves;
}
