import { flowDurationMs, flowStatus, hasFailed } from '../analysis/statistics';
import { clockGatherer, eachSpan, type RunClocks } from '../clocks/run-clocks';
import { describeFlow } from '../describe/describe-flow';
import { eventIntake, type StreamIntake } from '../events/read-events';
import type { Flow } from '../flow';
import { processLosses } from '../loss/process-losses';
import { knowledgeOf, type RunSource } from '../read-run';
import type { SpanTable } from '../rebuild/group-spans';
import { type FlowBatch, rebuildFlows } from '../rebuild/rebuild-flows';
import { wasReceived, wasRefused } from '../rebuild/span-facts';
import type { FlowNode } from '../rebuild/span-node';
import { startMillis } from '../rebuild/span-times';
import { briefFlow, type FlowBrief, takesPart } from './brief-flow';
import { type LiveBounds, liveStore, type WaitingTrace } from './live-store';

/** A flow that is done with: all of it is here, or it was given up. */
export interface LiveFlow {
  readonly failed: boolean;
  /** Of the answer; null where nobody saw any. */
  readonly status: number | null;
  /** By the log, in milliseconds since 1970. */
  readonly startMs: number;
  /** NaN where it is lost. */
  readonly durationMs: number;
  /** Nothing of it came for so long that the rest is taken for lost. */
  readonly givenUp: boolean;
  /** The client's view of it is there. */
  readonly hasClient: boolean;
  /** Of what follows each is to be called before the next batch of flows is asked for. */
  brief(): FlowBrief;
  takesPart(service: string): boolean;
  /** As users see it. */
  describe(): Flow;
}

/** A run's flows while its logs are written. */
export interface LiveFlows {
  open(stream: string): StreamIntake;
  /**
   * Flows that were completed since the last call, and those that are given up, in batches; what it gives is forgotten.
   *
   * @param mayGiveUp false while what has been written already is not read yet
   */
  sweep(manifest: RunSource['manifest'], mayGiveUp: boolean): Generator<readonly LiveFlow[]>;
  /** Events of the run so far. */
  readonly records: number;
  /** Flows of which something is here, and not all. */
  readonly waiting: number;
  /** Events that came after their flow was done with. */
  readonly late: number;
}

export interface LiveOptions {
  readonly run: string;
  /** After so long without anything new, an incomplete flow is given up. */
  readonly waitMs: number;
  /** For `adhoc`: flows that started before are of no interest; null: all are. */
  readonly sinceMs: number | null;
  /** Milliseconds that pass. */
  readonly clock: () => number;
  /** More is not kept of incomplete flows: the longest waiting are given up. */
  readonly bounds?: LiveBounds;
}

/** Of what a process tells of itself so many events are kept of each kind: clocks of some ten minutes. */
const MOST_OWN = 64;
/** A caller that gave up does not say what its callee still logs: so long a flow is kept open for that. */
const SETTLE_MS = 2_000;
/** Clocks are looked at anew so often: that costs more than a sweep. */
const CLOCKS_EVERY_MS = 5_000;

/** Rebuilds flows by the same steps as for a whole run, those that may be complete by now. */
export function liveFlows({ run, waitMs, sinceMs, clock, bounds }: LiveOptions): LiveFlows {
  const store = liveStore(clock, waitMs, bounds);
  const { events, open } = eventIntake(run, store, { mostOwn: MOST_OWN });
  /** Complete by what is here, but not all may be. */
  const settling = new Set<WaitingTrace>();
  let late = 0;
  let known: { readonly clocks: RunClocks; readonly processes: number; readonly atMs: number } | undefined;

  const clocksBy = ({ flows, table }: FlowBatch): RunClocks => {
    const { processes } = events;
    if (!known || known.processes !== processes.length || clock() - known.atMs > CLOCKS_EVERY_MS) {
      const gatherer = clockGatherer(processes);
      gatherer.add(flows, table);
      known = { clocks: gatherer.finish(), processes: processes.length, atMs: clock() };
    }
    return known.clocks;
  };

  const liveFlow = (flow: FlowNode, batch: FlowBatch, givenUp: boolean): LiveFlow => {
    const { table } = batch;
    const naming = { ...events, table };
    return {
      failed: hasFailed(flow),
      status: flowStatus(flow) || null,
      startMs: startMillis(table, flow.root),
      durationMs: flowDurationMs(flow, table),
      givenUp,
      hasClient: flow.client !== null,
      brief: () => briefFlow(flow, naming),
      takesPart: (service) => takesPart(flow, service, naming),
      describe: () => describeFlow(flow, { table, ...events, clocks: clocksBy(batch), expectation: null }),
    };
  };

  /** Flows of each trace that is done with. */
  const done = (batch: FlowBatch, overdue: ReadonlySet<WaitingTrace>): readonly LiveFlow[] => {
    const { flows, table } = batch;
    const byTrace = new Map<WaitingTrace, FlowNode[]>();
    for (const flow of flows) {
      const trace = store.find(table.words, flow.root.record) as WaitingTrace;
      const own = byTrace.get(trace);
      if (own) own.push(flow);
      else byTrace.set(trace, [flow]);
    }
    const nowMs = clock();
    const found: LiveFlow[] = [];
    for (const [trace, own] of byTrace) {
      const complete = own.every((flow) => flow.complete);
      if (!overdue.has(trace)) {
        if (!complete) continue;
        if (nowMs - trace.lastMs < SETTLE_MS && own.some((flow) => hasOpenEnd(flow, table))) {
          settling.add(trace);
          continue;
        }
      }
      // Of a flow that was told already the remainder is no flow; another edge request of its trace is one.
      const told = trace.late && !complete ? [] : own;
      if (trace.late && !complete) late += trace.records;
      for (const flow of told) found.push(liveFlow(flow, batch, overdue.has(trace) && !flow.complete));
      store.forget(trace);
    }
    return sinceMs === null ? found : found.filter(({ startMs }) => startMs >= sinceMs);
  };

  /** Those of which nothing came for so long. */
  const settled = (nowMs: number): readonly WaitingTrace[] =>
    [...settling].filter(({ lastMs }) => nowMs - lastMs >= SETTLE_MS);

  return {
    open,
    *sweep(manifest, mayGiveUp) {
      const nowMs = clock();
      const overdue = new Set(store.due(nowMs, mayGiveUp ? waitMs : Number.POSITIVE_INFINITY));
      const candidates = new Set([...store.touched(), ...settled(nowMs), ...overdue]);
      if (candidates.size === 0) return;
      for (const trace of candidates) settling.delete(trace);
      store.choose([...candidates]);
      const knowledge = knowledgeOf({ run, manifest }, events, processLosses(events, { manifest }));
      for (const batch of rebuildFlows(store, knowledge)) yield done(batch, overdue);
    },
    get records() {
      return store.records;
    },
    get waiting() {
      return store.waiting;
    },
    get late() {
      return late;
    },
  };
}

/** Whether somebody may still be at work on a call that its caller gave up. */
function hasOpenEnd({ client, root, orphans }: FlowNode, table: SpanTable): boolean {
  let open = false;
  for (const top of [client ?? root, ...orphans]) {
    eachSpan(top, ({ calls }) => {
      for (const call of calls) {
        if (call.child || call.sent < 0 || wasRefused(call) || wasReceived(table, call)) continue;
        open = true;
      }
    });
  }
  return open;
}
