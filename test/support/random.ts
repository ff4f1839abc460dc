/** A small seeded generator (xorshift128, G. Marsaglia 2003) for what in a simulation is chance and no draw. */
export interface Random {
  /** Evenly from [0, 1). */
  next(): number;
  /** Hexadecimal digits, eight a word. */
  hex(words: number): string;
}

export function seededRandom(seed: number): Random {
  let [x, y, z, w] = [seed ^ 0x9e3779b9, 0x243f6a88, 0xb7e15162, (seed * 0x85ebca6b) ^ 0xdeadbeef];
  const word = (): number => {
    const t = x ^ (x << 11);
    [x, y, z] = [y, z, w];
    w = w ^ (w >>> 19) ^ t ^ (t >>> 8);
    return w >>> 0;
  };
  for (let i = 0; i < 16; i++) word();
  return {
    next: () => word() / 0x100000000,
    hex: (words) => {
      let text = '';
      for (let i = 0; i < words; i++) text += word().toString(16).padStart(8, '0');
      return text;
    },
  };
}
