/** The candidate that a misspelt text most likely means, or undefined where none is near: at most a third is wrong. */
export function nearest(text: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const longer = Math.max(text.length, candidate.length);
    const bound = Math.max(1, Math.floor(longer / 3));
    if (longer > MAX_LENGTH || Math.abs(text.length - candidate.length) > bound) continue;
    const distance = editDistance(text.toLowerCase(), candidate.toLowerCase());
    if (distance <= bound && distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

const MAX_LENGTH = 200;

/** Fewest insertions, deletions, replacements and swaps of neighbours (optimal string alignment) from one to the other. */
export function editDistance(a: string, b: string): number {
  let beforeLast: readonly number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(replace, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(least);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
