import { WORD } from '../events/event-record';

/**
 * Compares two records by the hybrid clock, which no cause exceeds that of its effect; then, so that the order of lines
 * never counts, by request and number.
 */
export function byHybridClock(words: Int32Array): (a: number, b: number) => number {
  return (a, b) => {
    for (const word of ORDER) {
      const difference = ((words[a + word] as number) >>> 0) - ((words[b + word] as number) >>> 0);
      if (difference !== 0) return difference;
    }
    return 0;
  };
}

const ORDER = [WORD.HLC, WORD.HLC + 1, WORD.REQUEST, WORD.REQUEST + 1, WORD.SEQ] as const;
