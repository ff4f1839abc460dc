/** What several layers of settings say together: of each setting, the first layer that states it counts. */
export function layered<T extends object>(...layers: readonly (T | undefined)[]): Partial<T> {
  const stated = layers.map((layer) => Object.entries(layer ?? {}).filter(([, value]) => value !== undefined));
  return Object.fromEntries(stated.reverse().flat()) as Partial<T>;
}
