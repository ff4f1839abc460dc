import {
  DECISIONS,
  extraOf,
  FLAG,
  flagsOf,
  KIND,
  kindOf,
  NONE,
  statusOf,
  WORD,
  wallMillis,
} from '../events/event-record';
import type { Interner } from '../events/interner';
import type { ProcessLog } from '../events/process-log';
import { criticalOwnMs } from '../rebuild/critical-path';
import type { SpanTable } from '../rebuild/group-spans';
import type { CallNode, FlowNode, SpanNode } from '../rebuild/span-node';
import { callDurationMs, selfMs } from '../rebuild/span-times';
import { type Histogram, histogram } from './histogram';

/** What one endpoint of a service did in the run. */
export interface EndpointStatistics {
  readonly service: string;
  /** `?` where no endpoint matched. */
  readonly endpoint: string;
  /** Requests handled, those among them that failed (status 500 and above, or no answer). */
  calls: number;
  errors: number;
  /** Milliseconds from receipt to end. */
  readonly duration: Histogram;
  /** Milliseconds in which it waited for no callee. */
  readonly self: Histogram;
  /** Milliseconds of its own on critical paths, over all flows. */
  criticalMs: number;
  /** What policies decided about its requests, by event. */
  readonly decisions: Map<string, number>;
}

/** What one service saw of the calls to an endpoint of another. */
export interface EdgeStatistics {
  readonly caller: string;
  /** `service METHOD /path` */
  readonly callee: string;
  /** Attempts, those among them that failed (no usable answer, or status 500 and above), and those that were retries. */
  attempts: number;
  errors: number;
  retries: number;
  readonly errorKinds: Map<string, number>;
  /** What policies decided about them, by event. */
  readonly decisions: Map<string, number>;
  /** Milliseconds of an attempt as the caller measured it. */
  readonly duration: Histogram;
}

export interface Statistics {
  flows: number;
  incomplete: number;
  /** Flows whose root failed, or that no instance received. */
  failed: number;
  spans: number;
  readonly duration: Histogram;
  readonly statuses: Map<number, number>;
  readonly endpoints: ReadonlyMap<string, EndpointStatistics>;
  readonly edges: ReadonlyMap<string, EdgeStatistics>;
  /** Instances that services called, and of which there is no log. */
  readonly absent: ReadonlyMap<string, AbsentPeer>;
  /** How many requests that others had an answer to left no event, by instance. */
  readonly unlogged: ReadonlyMap<string, number>;
  /** Of how many requests that a process received the end is not there, by its number. */
  readonly unended: ReadonlyMap<number, number>;
}

/** What callers tell of an instance without a log. */
export interface AbsentPeer {
  /** Attempts that name it. */
  calls: number;
  /** Milliseconds since 1970 of the first and the last of them, by their callers' hosts. */
  fromMs: number;
  toMs: number;
}

export interface StatisticsBuilder extends Statistics {
  add(flow: FlowNode, table: SpanTable): void;
}

/** Statistics over flows, in memory that does not grow with their number. */
export function statistics(names: Interner, processes: readonly ProcessLog[]): StatisticsBuilder {
  const endpoints = new Map<string, EndpointStatistics>();
  const edges = new Map<string, EdgeStatistics>();
  const statuses = new Map<number, number>();
  const here = new Set(processes.map(({ instance }) => instance));
  const absent = new Map<string, AbsentPeer>();
  const unlogged = new Map<string, number>();
  const unended = new Map<number, number>();
  const absentByNumber = new Map<number, AbsentPeer | null>();
  // The same series by numbers, which spares a text for each span.
  const endpointsByNumber = new Map<number, EndpointStatistics>();
  const edgesByNumber = new Map<number, EdgeStatistics>();
  const total = histogram();
  const stack: SpanNode[] = [];
  const counts = { flows: 0, incomplete: 0, failed: 0, spans: 0 };

  const endpointOf = (origin: number, endpoint: number): EndpointStatistics => {
    const number = origin * 0x100000 + endpoint + 1;
    let found = endpointsByNumber.get(number);
    if (!found) {
      const service = (processes[origin] as ProcessLog).service;
      const name = endpoint === NONE ? '?' : (names.texts[endpoint] as string);
      const key = `${service} ${name}`;
      found = endpoints.get(key) ?? {
        service,
        endpoint: name,
        calls: 0,
        errors: 0,
        duration: histogram(),
        self: histogram(),
        criticalMs: 0,
        decisions: new Map(),
      };
      endpoints.set(key, found);
      endpointsByNumber.set(number, found);
    }
    return found;
  };

  const edgeOf = (origin: number, callee: number): EdgeStatistics => {
    const number = origin * 0x100000 + callee + 1;
    let found = edgesByNumber.get(number);
    if (!found) {
      const caller = (processes[origin] as ProcessLog).service;
      const name = callee === NONE ? '?' : (names.texts[callee] as string);
      const key = `${caller} ${name}`;
      found = edges.get(key) ?? {
        caller,
        callee: name,
        attempts: 0,
        errors: 0,
        retries: 0,
        errorKinds: new Map(),
        decisions: new Map(),
        duration: histogram(),
      };
      edges.set(key, found);
      edgesByNumber.set(number, found);
    }
    return found;
  };

  const notePeer = (peer: number, atMs: number): void => {
    let known = absentByNumber.get(peer);
    if (known === undefined) {
      const name = names.texts[peer] as string;
      known = here.has(name) ? null : { calls: 0, fromMs: atMs, toMs: atMs };
      absentByNumber.set(peer, known);
      if (known) absent.set(name, known);
    }
    if (known === null) return;
    known.calls += 1;
    if (atMs < known.fromMs) known.fromMs = atMs;
    if (atMs > known.toMs) known.toMs = atMs;
  };

  const noteUnlogged = (peer: number): void => {
    const instance = names.texts[peer];
    if (instance !== undefined) unlogged.set(instance, (unlogged.get(instance) ?? 0) + 1);
  };

  const addCall = (call: CallNode, table: SpanTable): void => {
    const { words } = table;
    const record = call.sent >= 0 ? call.sent : call.ended;
    if (record < 0 || call.caller.inferred) return;
    const edge = edgeOf(call.caller.origin, words[record + WORD.CALLEE] as number);
    edge.attempts += 1;
    if ((words[record + WORD.ATTEMPT] as number) >> 16 > 1) edge.retries += 1;
    const peer = words[record + WORD.PEER] as number;
    if (peer !== NONE && !call.caller.isClient) notePeer(peer, wallMillis(words, record));
    if (call.ended < 0) return;
    const failed = kindOf(words[call.ended] as number) === KIND.ERROR;
    const status = statusOf(words[call.ended] as number);
    if (failed || status >= 500) {
      edge.errors += 1;
      const kind = failed ? (extraOf(words, call.ended).error?.kind ?? 'INTERNAL') : String(status);
      edge.errorKinds.set(kind, (edge.errorKinds.get(kind) ?? 0) + 1);
    }
    edge.duration.add(callDurationMs(table, call));
  };

  const addDecision = (record: number, endpoint: EndpointStatistics, origin: number, { words }: SpanTable): void => {
    const meta = words[record] as number;
    const ofCall = (flagsOf(meta) & FLAG.CALL) !== 0;
    const { decisions } = ofCall ? edgeOf(origin, words[record + WORD.CALLEE] as number) : endpoint;
    const event = DECISIONS.get(kindOf(meta)) as string;
    decisions.set(event, (decisions.get(event) ?? 0) + 1);
  };

  const addSpan = (span: SpanNode, table: SpanTable): void => {
    counts.spans += 1;
    if (span.ended < 0) unended.set(span.origin, (unended.get(span.origin) ?? 0) + 1);
    const { words } = table;
    const own = selfMs(table, span);
    const series = endpointOf(span.origin, words[span.record + WORD.ENDPOINT] as number);
    series.calls += 1;
    if (spanFailed(span)) series.errors += 1;
    series.duration.add(span.durationMs);
    series.self.add(own);
    for (const record of span.decisions) addDecision(record, series, span.origin, table);
    if (!span.critical || Number.isNaN(span.durationMs)) return;
    series.criticalMs += criticalOwnMs(span, table);
  };

  const addTree = (top: SpanNode, table: SpanTable): void => {
    stack.push(top);
    for (let span = stack.pop(); span !== undefined; span = stack.pop()) {
      if (span.inferred) noteUnlogged(table.words[span.record + WORD.PEER] as number);
      else if (!span.isClient) addSpan(span, table);
      for (const call of span.calls) {
        addCall(call, table);
        if (call.child) stack.push(call.child);
      }
      for (const child of span.queued) stack.push(child);
    }
  };

  return {
    endpoints,
    edges,
    statuses,
    absent,
    unlogged,
    unended,
    duration: total,
    get flows() {
      return counts.flows;
    },
    get incomplete() {
      return counts.incomplete;
    },
    get failed() {
      return counts.failed;
    },
    get spans() {
      return counts.spans;
    },
    add(flow, table) {
      const { client, root } = flow;
      counts.flows += 1;
      if (!flow.complete) counts.incomplete += 1;
      if (hasFailed(flow)) counts.failed += 1;
      const status = flowStatus(flow);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      total.add(flowDurationMs(flow, table));
      addTree(client ?? root, table);
      for (const orphan of flow.orphans) addTree(orphan, table);
    },
  };
}

/** Status of the root's answer; where the root left none, what the client saw; 0 where nobody saw any. */
export function flowStatus({ root, client }: FlowNode): number {
  return root.status || (client?.status ?? 0);
}

/** The root's own duration; where it is lost, what the client measured; NaN where both are unknown. */
export function flowDurationMs({ root, client }: FlowNode, table: SpanTable): number {
  if (!Number.isNaN(root.durationMs)) return root.durationMs;
  const call = client?.calls[0];
  return call ? callDurationMs(table, call) : Number.NaN;
}

/** Ended with a status of 500 and above, or without any. */
export function spanFailed({ status, ended }: SpanNode): boolean {
  return status >= 500 || (status === 0 && ended >= 0);
}

/** Answered with 500 and above, or not answered at all. */
export function hasFailed(flow: FlowNode): boolean {
  const status = flowStatus(flow);
  return status >= 500 || (status === 0 && (flow.root.ended >= 0 || (flow.client?.ended ?? -1) >= 0));
}
