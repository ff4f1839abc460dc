import type { TrackedAttempt } from './tracked-attempt';

/** How many attempts failed in a row, at the least and at the most: outcomes close together may have counted in any order. */
export interface FailuresInARow {
  /** The attempt failed or succeeded, which counts now or until it has settled. */
  ended(attempt: TrackedAttempt): void;
  /** It went on: what was taken for its end was none. */
  resumed(attempt: TrackedAttempt): void;
  /** By now it has counted. @param counts false where it may have been out of date */
  settled(attempt: TrackedAttempt, counts: boolean): void;
  readonly least: number;
  readonly most: number;
  clear(): void;
}

export function failuresInARow(): FailuresInARow {
  /** All that may be in the row. */
  let row: TrackedAttempt[] = [];
  let least = 0;
  const successes = new Set<TrackedAttempt>();
  /** When the last success had counted. */
  let succeededAt = Number.NEGATIVE_INFINITY;

  return {
    ended(attempt) {
      if (attempt.outcome?.verdict === 'failure') row.push(attempt);
      else if (attempt.outcome?.verdict === 'success') {
        successes.add(attempt);
        least = 0;
      }
    },
    resumed(attempt) {
      row = row.filter((each) => each !== attempt);
    },
    settled(attempt, counts) {
      const { outcome, settled } = attempt;
      if (!outcome || !settled) return;
      if (successes.delete(attempt)) {
        succeededAt = settled.at;
        if (counts) row = row.filter((failed) => !failed.settled || failed.settled.at > outcome.at);
      } else if (outcome.verdict === 'failure' && counts && successes.size === 0 && outcome.at >= succeededAt)
        least += 1;
    },
    get least() {
      return least;
    },
    get most() {
      return row.length;
    },
    clear() {
      row = [];
      least = 0;
      successes.clear();
      succeededAt = Number.NEGATIVE_INFINITY;
    },
  };
}
