import type { Moment } from './tracked-attempt';

/**
 * Decisions that the log so far gives too little reason for. An attempt may have been begun long before its first event, so
 * that what comes later may yet be the reason.
 */
export interface Suspicions {
  /** @param need so many attempts begun before explain it */
  add(at: Moment, need: number, report: () => void): void;
  /** An attempt shows itself that was begun after a moment. */
  begun(after: Moment): void;
  /** Nothing that was begun before the moment will show itself any more. */
  decide(before: number): void;
  clear(): void;
}

interface Suspicion {
  readonly at: number;
  need: number;
  readonly report: () => void;
}

/** More at once are dropped: that many stand only where one cause brings them all about. */
const MOST = 10_000;

export function suspicions(): Suspicions {
  let open: Suspicion[] = [];
  return {
    add({ at }, need, report) {
      if (need > 0 && open.length < MOST) open.push({ at, need, report });
    },
    begun({ at: after }) {
      if (open.length === 0) return;
      for (const each of open) if (after < each.at) each.need -= 1;
      open = open.filter(({ need }) => need > 0);
    },
    decide(before) {
      if (open.length === 0) return;
      for (const { at, report } of open) if (at < before) report();
      open = open.filter(({ at }) => at >= before);
    },
    clear: () => {
      open = [];
    },
  };
}
