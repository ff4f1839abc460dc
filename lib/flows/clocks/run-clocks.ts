import { KIND, kindOf, WORD, wallMillis } from '../events/event-record';
import type { ProcessLog } from '../events/process-log';
import type { SpanTable } from '../rebuild/group-spans';
import type { FlowNode, SpanNode } from '../rebuild/span-node';
import { type ClockDomains, clockDomains } from './clock-domains';
import { estimateOffsets, type VouchedClock } from './estimate-offsets';
import { messageAccumulator } from './message-accumulator';
import { type ClockEstimates, type OffsetEstimate, offsetAt } from './offset-estimate';

/** Where an event stands on the run's one axis. */
export interface AxisTime {
  /** Where it is shown: by its host's clock as it stands while that contradicts nothing, else corrected. */
  readonly atMs: number;
  /** The best guess of when it truly was, and how far from that it may have been: infinite where nothing tells. */
  readonly likelyMs: number;
  readonly boundMs: number;
}

/** The clocks of a run: who shares one, how far each is off, and every event's place on one axis. */
export interface RunClocks {
  readonly domains: ClockDomains;
  readonly estimates: ClockEstimates;
  /** Send/receive pairs between different hosts. */
  readonly messages: number;
  axisTime(process: number, monotonicUs: number, wallMs: number): AxisTime;
  /** By how much less than a process's `domains.smoothMs` a time is shown. */
  correctionMs(process: number, smoothMs: number): number;
  /**
   * What the host's wall clock showed at an event, steps included: finer than its milliseconds, and right also where
   * the process was held up between its reading of the wall clock and of the monotonic one.
   */
  hostTime(process: number, monotonicUs: number, wallMs: number): number;
}

/** Gathers what the flows of a run say of its clocks. */
export interface ClockGatherer {
  /** One host logged: no flow has anything to tell. */
  readonly isSettled: boolean;
  add(flows: readonly FlowNode[], table: SpanTable): void;
  finish(): RunClocks;
}

type Records = Pick<SpanTable, 'words' | 'floats'>;

export function clockGatherer(processes: readonly ProcessLog[]): ClockGatherer {
  const domains = clockDomains(processes);
  const messages = messageAccumulator();
  const timeOf = ({ words, floats }: Records, record: number): number =>
    domains.smoothMs(
      words[record + WORD.ORIGIN] as number,
      floats[(record + WORD.MONOTONIC) >> 1] as number,
      wallMillis(words, record),
    );
  const addPair = (table: Records, sent: number, received: number): void => {
    const [sender, receiver] = [
      table.words[sent + WORD.ORIGIN] as number,
      table.words[received + WORD.ORIGIN] as number,
    ];
    const [from, to] = [domains.domainOf(sender), domains.domainOf(receiver)];
    if (from === to) return;
    const reading = domains.readingMs(sender) + domains.readingMs(receiver);
    messages.add(from, to, timeOf(table, sent), timeOf(table, received) + reading);
  };
  const isSettled = domains.domains.length < 2;
  return {
    isSettled,
    add(flows, table) {
      if (isSettled) return;
      for (const { client, root, orphans } of flows) {
        for (const top of [client ?? root, ...orphans]) eachSpan(top, (span) => pairsOf(span, table, addPair));
      }
    },
    finish: () => runClocks(domains, messages.messages(), messages.count),
  };
}

/** The messages between a span and its caller: the request, and the answer where it arrived. */
export function pairsOf(
  { call, received, ended }: SpanNode,
  table: Records,
  pair: (table: Records, sent: number, received: number) => void,
): void {
  if (!call) return;
  if (call.sent >= 0 && received >= 0) pair(table, call.sent, received);
  if (ended < 0 || call.ended < 0) return;
  const { words } = table;
  const answered = kindOf(words[ended] as number) === KIND.RESPONSE_SENT;
  if (answered && kindOf(words[call.ended] as number) === KIND.RESPONSE_RECEIVED) pair(table, ended, call.ended);
}

/** Calls `visit` for a span and all below it, callers first. */
export function eachSpan(top: SpanNode, visit: (span: SpanNode) => void): void {
  const stack = [top];
  for (let span = stack.pop(); span !== undefined; span = stack.pop()) {
    visit(span);
    for (let i = span.queued.length - 1; i >= 0; i--) stack.push(span.queued[i] as SpanNode);
    for (let i = span.calls.length - 1; i >= 0; i--) {
      const child = span.calls[i]?.child;
      if (child) stack.push(child);
    }
  }
}

function runClocks(domains: ClockDomains, messages: Parameters<typeof estimateOffsets>[1], count: number): RunClocks {
  const all = domains.domains;
  // The axis where no time service vouches for a clock: the host of most processes, whose clock stays as it is.
  const order = all
    .map(({ id }) => id)
    .sort((a, b) => (all[b]?.processes.length ?? 0) - (all[a]?.processes.length ?? 0));
  const rank = new Int32Array(all.length);
  for (const [index, id] of order.entries()) rank[id] = index;
  const ranked = messages.map((message) => ({
    ...message,
    from: rank[message.from] as number,
    to: rank[message.to] as number,
  }));
  const vouched: VouchedClock[] = all.flatMap(({ id, reports }) =>
    reports.flatMap(({ atMs, steppedMs, clock: { source, boundMs } }) =>
      source === 'chrony' && boundMs !== null
        ? [{ host: rank[id] as number, atMs, boundMs, offsetMs: -steppedMs }]
        : [],
    ),
  );
  const own = estimateOffsets(all.length, ranked, vouched);
  const reordered = <T>(values: readonly T[]): T[] => all.map(({ id }) => values[rank[id] as number] as T);
  const host = (index: number): number => order[index] as number;
  const estimates: ClockEstimates = {
    ...own,
    axis: own.axis === 'utc' ? 'utc' : { host: host(0) },
    windows: own.windows.map(({ centreMs, hosts }) => ({ centreMs, hosts: reordered(hosts) })),
    discarded: own.discarded.map((one) => ({ ...one, host: host(one.host) })),
    contradictory: own.contradictory.map(({ centreMs, hosts }) => ({ centreMs, hosts: hosts.map(host) })),
  };
  // The estimate is of axis time; the host's own differs by the offset, which is read at the host's time first.
  const estimateAt = (process: number, smooth: number): OffsetEstimate => {
    const domain = domains.domainOf(process);
    const roughly = offsetAt(estimates, domain, smooth);
    return offsetAt(estimates, domain, smooth - (Number.isFinite(roughly.boundMs) ? roughly.offsetMs : 0));
  };
  return {
    domains,
    estimates,
    messages: count,
    axisTime(process, monotonicUs, wallMs) {
      const smooth = domains.smoothMs(process, monotonicUs, wallMs);
      const reading = domains.readingMs(process);
      if (all.length < 2) return { atMs: smooth, likelyMs: smooth, boundMs: reading };
      const { offsetMs, boundMs, correctionMs } = estimateAt(process, smooth);
      return { atMs: smooth - correctionMs, likelyMs: smooth - offsetMs, boundMs: boundMs + reading };
    },
    correctionMs: (process, smooth) => (all.length < 2 ? 0 : estimateAt(process, smooth).correctionMs),
    hostTime: (...reading) => domains.smoothMs(...reading) + domains.steppedMs(...reading),
  };
}
