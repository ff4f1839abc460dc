import type { Limit } from '../../../model/resilience';
import { suspicions } from './suspicions';
import type { PolicyReport, TrackedAttempt } from './tracked-attempt';

/** What a bulkhead of one process had in progress, as far as the attempts' events tell. */
export interface BulkheadReplay {
  /** The attempt shows itself; `inside` where it certainly has a place. */
  begun(attempt: TrackedAttempt, inside: boolean): void;
  resumed(attempt: TrackedAttempt): void;
  ended(attempt: TrackedAttempt): void;
  settled(attempt: TrackedAttempt): void;
  /** It was turned away. */
  rejected(attempt: TrackedAttempt): void;
  hedged(report: PolicyReport): void;
  decide(before: number): void;
  lost(): void;
  readonly known: boolean;
}

/**
 * An attempt that waits logs nothing: it may have stood in the queue from its request's event before to its first one. So
 * that as many as the limit were inside is certain, and that nobody was turned away without need is, once all requests
 * of that time have ended. See `service/resilience/limiter.ts`.
 */
export function bulkheadReplay({ limit, queue }: Limit, callee: string): BulkheadReplay {
  const inside = new Set<TrackedAttempt>();
  /** Begun, and perhaps not yet out again. */
  const open = new Set<TrackedAttempt>();
  const rejections = suspicions();
  let known = true;

  return {
    get known() {
      return known;
    },
    begun(attempt, isInside) {
      rejections.begun(attempt.after);
      open.add(attempt);
      if (!isInside) return;
      inside.add(attempt);
      if (inside.size <= limit) return;
      const text = `${inside.size} attempts to ${callee} were under way, and its bulkhead lets ${limit} through`;
      attempt.report('over-limit', `at most ${limit}`, `${inside.size} attempts`, text);
    },
    resumed: (attempt) => void inside.add(attempt),
    ended: (attempt) => void inside.delete(attempt),
    settled: (attempt) => void open.delete(attempt),
    rejected(attempt) {
      if (!known) return;
      const text = `the bulkhead of ${callee} turned an attempt away, and had ${open.size} under way and waiting at the most`;
      rejections.add(attempt.first, limit + queue - open.size, () =>
        attempt.report('undue-decision', `${limit} under way and ${queue} waiting`, `${open.size}`, text),
      );
    },
    hedged(report) {
      if (inside.size < limit) return;
      const text = `a hedge was sent to ${callee}, whose bulkhead was full with ${inside.size} attempts`;
      report('undue-decision', 'no hedge', 'HEDGE_SENT', text);
    },
    decide: rejections.decide,
    lost() {
      known = false;
      inside.clear();
      open.clear();
      rejections.clear();
    },
  };
}
