import { NONE, WORD } from '../events/event-record';
import type { Run } from '../read-run';
import { criticalOwnMs, waitedMs } from '../rebuild/critical-path';
import type { SpanTable } from '../rebuild/group-spans';
import type { CallNode, FlowNode, SpanNode } from '../rebuild/span-node';
import { flowDurationMs, type Statistics } from './statistics';

/** What the slowest flows have in common, against all others. */
export interface TailExplanation {
  /** Flows at least as long as this are the tail. */
  readonly thresholdMs: number;
  readonly tail: number;
  readonly rest: number;
  /** Mean duration of the tail less that of the rest. */
  readonly extraMs: number;
  /** Where on the critical path the extra time was spent, the most first. */
  readonly places: readonly TailPlace[];
  /** What tail flows met on their critical paths more often than the others, the strongest first. */
  readonly marks: readonly TailMark[];
}

export interface TailPlace {
  /** `self`: in a service, waiting for nobody; `between`: in the network and queues of a call that was answered; `unanswered`: in a call that was not, less what its callee is known to have spent. */
  readonly kind: 'self' | 'between' | 'unanswered';
  /** `service METHOD /path`, or `caller -> service METHOD /path`. */
  readonly name: string;
  /** Mean milliseconds a flow. */
  readonly tailMs: number;
  readonly restMs: number;
  /** Share of the extra time. */
  readonly share: number;
}

export interface TailMark {
  readonly kind: 'edge' | 'instance' | 'error' | 'retry';
  readonly name: string;
  /** Flows of either kind that met it. */
  readonly tail: number;
  readonly rest: number;
  /** How many times more often tail flows met it: share of the tail over share of all flows. */
  readonly lift: number;
}

/** Of fewer flows the slowest hundredth explains nothing. */
const LEAST_FLOWS = 500;
/** Fewer flows explain nothing. */
const LEAST_TAIL = 5;
/** Of a lift only what chance would give less than once in some thousand: three standard deviations. */
const DEVIATIONS = 3;

/** Explains the slowest hundredth of a run's flows; null where they are too few. */
export function explainSlowest(run: Run, { flows, duration }: Statistics): TailExplanation | null {
  return flows < LEAST_FLOWS ? null : explainTail(run, duration.percentile(0.99));
}

/**
 * Explains a run's tail by its critical paths: what a place takes of the extra time, and which instances, edges, errors
 * and retries are over-represented there. It tells what goes together, which is no proof of what causes what.
 *
 * @param thresholdMs from where on a flow is of the tail: a percentile, as the run's histogram tells it
 * @returns null where the tail has too few flows
 */
export function explainTail(run: Run, thresholdMs: number): TailExplanation | null {
  const { names, processes } = run.events;
  const places = new Map<string, { kind: TailPlace['kind']; name: string; tailMs: number; restMs: number }>();
  const marks = new Map<string, { kind: TailMark['kind']; name: string; tail: number; rest: number }>();
  const totals = { tail: 0, rest: 0, tailMs: 0, restMs: 0 };
  // Percentiles of a histogram are within 0.2 %: flows of one length must not fall on both sides of the middle of its cell.
  const leastMs = thresholdMs * (1 - 0.004);
  let isTail = false;

  const spend = (kind: TailPlace['kind'], name: string, ms: number): void => {
    if (!(ms > 0)) return;
    const key = `${kind} ${name}`;
    let place = places.get(key);
    if (!place) {
      place = { kind, name, tailMs: 0, restMs: 0 };
      places.set(key, place);
    }
    if (isTail) place.tailMs += ms;
    else place.restMs += ms;
  };

  const textOf = (number: number | undefined): string =>
    number === undefined || number === NONE ? '?' : (names.texts[number] ?? '?');

  const markFlow = (flow: FlowNode, table: SpanTable): ReadonlyMap<string, readonly [TailMark['kind'], string]> => {
    const { words } = table;
    const met = new Map<string, readonly [TailMark['kind'], string]>();
    const meet = (kind: TailMark['kind'], name: string) => met.set(`${kind} ${name}`, [kind, name]);
    const visitCall = (call: CallNode, service: string): void => {
      const record = call.sent >= 0 ? call.sent : call.ended;
      if (record < 0) return;
      const edge = `${service} -> ${textOf(words[record + WORD.CALLEE])}`;
      meet('edge', edge);
      if ((words[record + WORD.ATTEMPT] as number) >> 16 > 1) meet('retry', edge);
      const error = call.errorKind;
      if (error !== undefined) meet('error', `${error} at ${edge}`);
      const ms = waitedMs(call, table);
      const { child } = call;
      const inside = child && !child.inferred ? Math.min(child.durationMs, child.waitedMs) : Number.NaN;
      const isAnswered = error === undefined && !Number.isNaN(inside);
      spend(isAnswered ? 'between' : 'unanswered', edge, ms - (inside || 0));
    };
    const stack: SpanNode[] = [flow.root];
    for (let span = stack.pop(); span !== undefined; span = stack.pop()) {
      if (span.inferred || span.isClient) continue;
      const { service, instance } = processes[span.origin] as Run['events']['processes'][number];
      meet('instance', instance);
      for (const call of span.calls) {
        // Attempts before the last one of a call are waited for as well: they are on the path by their ends.
        if (!call.critical) continue;
        visitCall(call, service);
        if (call.child) stack.push(call.child);
      }
      spend('self', `${service} ${textOf(words[span.record + WORD.ENDPOINT])}`, criticalOwnMs(span, table));
    }
    return met;
  };

  for (const { table, flows } of run.batches()) {
    for (const flow of flows) {
      const durationMs = flowDurationMs(flow, table);
      if (Number.isNaN(durationMs)) continue;
      isTail = durationMs >= leastMs;
      if (isTail) totals.tail += 1;
      else totals.rest += 1;
      if (isTail) totals.tailMs += durationMs;
      else totals.restMs += durationMs;
      for (const [key, [kind, name]] of markFlow(flow, table)) {
        let mark = marks.get(key);
        if (!mark) {
          mark = { kind, name, tail: 0, rest: 0 };
          marks.set(key, mark);
        }
        if (isTail) mark.tail += 1;
        else mark.rest += 1;
      }
    }
  }
  const { tail, rest } = totals;
  if (tail < LEAST_TAIL || rest < LEAST_TAIL) return null;
  const extraMs = totals.tailMs / tail - totals.restMs / rest;
  return {
    thresholdMs: leastMs,
    tail,
    rest,
    extraMs,
    places: [...places.values()]
      .map(({ kind, name, tailMs, restMs }) => {
        const means = { tailMs: tailMs / tail, restMs: restMs / rest };
        return { kind, name, ...means, share: (means.tailMs - means.restMs) / extraMs };
      })
      .filter(({ share }) => share >= 0.01)
      .sort((a, b) => b.share - a.share),
    marks: [...marks.values()]
      .flatMap((mark) => {
        const expected = (tail * (mark.tail + mark.rest)) / (tail + rest);
        const lift = mark.tail / expected;
        const surprising =
          mark.tail - expected > DEVIATIONS * Math.sqrt(expected * (1 - expected / tail)) && mark.tail >= 3;
        return surprising ? [{ ...mark, lift }] : [];
      })
      .sort((a, b) => b.lift - a.lift || b.tail - a.tail),
  };
}
