import { clockDomains } from '../clocks/clock-domains';
import { eachSpan, type RunClocks } from '../clocks/run-clocks';
import { NONE, WORD, wallMillis } from '../events/event-record';
import type { Interner } from '../events/interner';
import type { ProcessLog } from '../events/process-log';
import type { SpanTable } from '../rebuild/group-spans';
import type { CallNode, FlowNode, SpanNode } from '../rebuild/span-node';
import { callDurationMs, firstEvent } from '../rebuild/span-times';
import { type InProgress, inProgress } from './in-progress';
import { type CellPlan, type ProgressRing, progressCells, progressRing } from './progress-ring';

/**
 * How many requests were in progress over time, handled ones from receipt to end (the work of a `send` is a request of its
 * own), and calls from sending to end as their callers saw them. Times are corrected by the run's clocks, those of one host
 * all by the same, to `resolutionMs`.
 */
export interface Concurrency {
  /** The first start and the last end of any of them. */
  readonly startTime: string;
  readonly endTime: string;
  readonly lengthMs: number;
  readonly resolutionMs: number;
  readonly bucketMs: number;
  /** Requests and calls whose start or end is lost: they are in no number here. */
  readonly untimed: number;
  /** All by name. */
  readonly services: readonly (InProgress & { readonly service: string })[];
  readonly endpoints: readonly (InProgress & { readonly service: string; readonly endpoint: string })[];
  readonly instances: readonly (InProgress & { readonly service: string; readonly instance: string })[];
  readonly edges: readonly (InProgress & { readonly caller: string; readonly callee: string })[];
}

export interface ConcurrencyBuilder {
  /** Told before the flows of a batch, which are in the order of their starts. */
  begin(flows: readonly FlowNode[], table: SpanTable): void;
  add(flow: FlowNode, table: SpanTable): void;
  /** Null where no request has both a start and an end. */
  finish(clocks: RunClocks): Concurrency | null;
}

interface Measured {
  readonly origin: number;
  /** Of the endpoint or callee. */
  readonly name: string;
  readonly ring: ProgressRing;
}

/** 128 KiB a ring, each of one process and endpoint or callee. */
const MOST_CELLS = 8192;
/** 32 MiB; where a run has too many rings for that, each gets fewer cells. */
const MOST_CELLS_OF_ALL = 256 * MOST_CELLS;
const MOST_BUCKETS = 60;

/** In memory that does not grow with the number of flows. */
export function concurrency(names: Interner, processes: readonly ProcessLog[]): ConcurrencyBuilder {
  const { smoothMs } = clockDomains(processes);
  const handled = new Map<number, Measured>();
  const called = new Map<number, Measured>();
  let mostCells = MOST_CELLS;
  let planned: CellPlan | undefined;
  let untimed = 0;

  const ringOf = (among: Map<number, Measured>, origin: number, name: number): ProgressRing => {
    const key = origin * 0x100000 + name + 1;
    const known = among.get(key);
    if (known) return known.ring;
    const ring = progressRing(mostCells, planned);
    among.set(key, { origin, name: name === NONE ? '?' : (names.texts[name] as string), ring });
    if ((handled.size + called.size) * mostCells > MOST_CELLS_OF_ALL) {
      mostCells /= 2;
      for (const measured of [...handled.values(), ...called.values()]) measured.ring.limit(mostCells);
    }
    return ring;
  };

  const timeOf = (origin: number, record: number, { words, floats }: SpanTable): number =>
    smoothMs(origin, floats[(record + WORD.MONOTONIC) >> 1] as number, wallMillis(words, record));

  const addSpan = ({ origin, record, received, ended, durationMs }: SpanNode, table: SpanTable): void => {
    if (Number.isNaN(durationMs) || (received < 0 && ended < 0)) {
      untimed += 1;
      return;
    }
    const startMs = received >= 0 ? timeOf(origin, received, table) : timeOf(origin, ended, table) - durationMs;
    ringOf(handled, origin, table.words[record + WORD.ENDPOINT] as number).add(startMs, durationMs);
  };

  const addCall = (call: CallNode, table: SpanTable): void => {
    const { sent, caller } = call;
    if (sent < 0 || caller.inferred) return;
    const durationMs = callDurationMs(table, call);
    if (Number.isNaN(durationMs)) {
      untimed += 1;
      return;
    }
    const startMs = timeOf(caller.origin, sent, table);
    ringOf(called, caller.origin, table.words[sent + WORD.CALLEE] as number).add(startMs, durationMs);
  };

  return {
    begin(flows, table) {
      const [first, last] = [flows[0], flows[flows.length - 1]];
      if (planned || !first || !last) return;
      const startMs = ({ root }: FlowNode): number => wallMillis(table.words, firstEvent(table, root));
      planned = planCells(startMs(last) - startMs(first));
    },
    add({ client, root, orphans }, table) {
      const visit = (span: SpanNode): void => {
        if (!span.inferred && !span.isClient) addSpan(span, table);
        for (const call of span.calls) addCall(call, table);
      };
      eachSpan(client ?? root, visit);
      for (const orphan of orphans) eachSpan(orphan, visit);
    },
    finish(clocks) {
      const summary = summarise([...handled.values()], [...called.values()], processes, clocks);
      return summary && { ...summary, untimed };
    },
  };
}

/** Any part of a run spans nearly all of it. Cells that are wide enough from the start need not be joined. */
function planCells(spanMs: number): CellPlan {
  let cellMs = 1;
  while (spanMs * 1.05 >= cellMs * MOST_CELLS) cellMs *= 2;
  let cells = 1;
  while (cells * cellMs <= spanMs * 1.05) cells *= 2;
  return { cellMs, cells };
}

/** What is told of all of them, and where their cells lie on one axis. */
function summarise(
  handled: readonly Measured[],
  called: readonly Measured[],
  processes: readonly ProcessLog[],
  clocks: RunClocks,
): Omit<Concurrency, 'untimed'> | null {
  const all = [...handled, ...called];
  if (all.length === 0) return null;
  // Half a run is at most 4,096 cells, in which a clock would have to drift by 244 ppm to be a cell off.
  const correctionMs = new Map(
    all.map(({ origin, ring }) => [ring, clocks.correctionMs(origin, (ring.startMs + ring.endMs) / 2)]),
  );
  const byMs = (ring: ProgressRing): number => correctionMs.get(ring) as number;
  const startMs = all.reduce((least, { ring }) => Math.min(least, ring.startMs - byMs(ring)), Number.POSITIVE_INFINITY);
  const endMs = all.reduce((most, { ring }) => Math.max(most, ring.endMs - byMs(ring)), Number.NEGATIVE_INFINITY);
  let cellMs = all.reduce((widest, { ring }) => Math.max(widest, ring.cellMs), 1);
  while ((endMs - startMs) / cellMs >= MOST_CELLS) cellMs *= 2;
  for (const { ring } of all) ring.widen(cellMs);

  const movedTo = (ring: ProgressRing): number => ring.first - Math.round(byMs(ring) / cellMs);
  const first = all.reduce((least, { ring }) => Math.min(least, movedTo(ring)), Number.POSITIVE_INFINITY);
  const cells = all.reduce((most, { ring }) => Math.max(most, movedTo(ring) + ring.last - ring.first - first + 1), 0);
  const cellsPerBucket = Math.ceil(cells / MOST_BUCKETS);

  const sum = progressCells(cells);
  const seriesOf = <T extends object>(list: readonly Measured[], labelsOf: (one: Measured) => T): (InProgress & T)[] =>
    grouped(list, labelsOf).map(({ labels, members }) => {
      sum.counts.fill(0);
      for (const { ring } of members) ring.addTo(sum, movedTo(ring) - first);
      const totalMs = members.reduce((total, { ring }) => total + ring.totalMs, 0);
      return { ...labels, ...inProgress(sum, { cells, cellMs, cellsPerBucket }, endMs - startMs, totalMs) };
    });
  const processOf = ({ origin }: Measured): ProcessLog => processes[origin] as ProcessLog;
  return {
    startTime: new Date(startMs).toISOString(),
    endTime: new Date(endMs).toISOString(),
    lengthMs: endMs - startMs,
    resolutionMs: cellMs,
    bucketMs: cellsPerBucket * cellMs,
    services: seriesOf(handled, (one) => ({ service: processOf(one).service })),
    endpoints: seriesOf(handled, (one) => ({ service: processOf(one).service, endpoint: one.name })),
    instances: seriesOf(handled, (one) => ({ service: processOf(one).service, instance: processOf(one).instance })),
    edges: seriesOf(called, (one) => ({ caller: processOf(one).service, callee: one.name })),
  };
}

/** In the order of their labels. */
function grouped<T extends object>(
  list: readonly Measured[],
  labelsOf: (one: Measured) => T,
): readonly { readonly labels: T; readonly members: readonly Measured[] }[] {
  const groups = new Map<string, { readonly labels: T; readonly members: Measured[] }>();
  for (const one of list) {
    const labels = labelsOf(one);
    const key = JSON.stringify(labels);
    const group = groups.get(key);
    if (group) group.members.push(one);
    else groups.set(key, { labels, members: [one] });
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}
