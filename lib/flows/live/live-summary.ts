import { histogram } from '../analysis/histogram';
import type { LiveFlow } from './live-flows';

/** A run so far, over flows that are done with. */
export interface LiveSummary {
  readonly flows: number;
  /** Answered with 500 and above, or not answered. */
  readonly failed: number;
  readonly givenUp: number;
  /** Flows of which not all is here yet. */
  readonly waiting: number;
  /** Events that came after their flow was done with. */
  readonly lateEvents: number;
  /** Flows begun a second, from the first flow's begin to the last one's, by the log; null of less than two flows. */
  readonly flowsPerSecond: number | null;
  /** 0 to 1; null without a flow. */
  readonly errorRatio: number | null;
  /** Within 0.2 %; null without a flow. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

export interface LiveSummaryBuilder {
  add(flow: LiveFlow): void;
  /** Flows that the client told of. */
  readonly clientFlows: number;
  summary(still: { readonly waiting: number; readonly late: number }): LiveSummary;
}

/** In memory that does not grow with the number of flows. */
export function liveSummary(): LiveSummaryBuilder {
  const duration = histogram();
  const counts = { flows: 0, failed: 0, givenUp: 0, clients: 0 };
  let firstMs = Number.POSITIVE_INFINITY;
  let lastMs = Number.NEGATIVE_INFINITY;
  return {
    add({ failed, givenUp, hasClient, startMs, durationMs }) {
      counts.flows += 1;
      if (failed) counts.failed += 1;
      if (givenUp) counts.givenUp += 1;
      if (hasClient) counts.clients += 1;
      firstMs = Math.min(firstMs, startMs);
      lastMs = Math.max(lastMs, startMs);
      duration.add(durationMs);
    },
    get clientFlows() {
      return counts.clients;
    },
    summary({ waiting, late }) {
      const { flows, failed, givenUp } = counts;
      const at = (q: number): number | null => (duration.count === 0 ? null : duration.percentile(q));
      return {
        flows,
        failed,
        givenUp,
        waiting,
        lateEvents: late,
        flowsPerSecond: lastMs > firstMs ? (1000 * (flows - 1)) / (lastMs - firstMs) : null,
        errorRatio: flows === 0 ? null : failed / flows,
        p50Ms: at(0.5),
        p99Ms: at(0.99),
      };
    },
  };
}
