import type { ManifestStep } from '../model/manifest';
import { ADHOC_RUN } from '../model/run-id';
import { flowDurationMs, hasFailed, type Statistics, statistics } from './analysis/statistics';
import { type ClocksSummary, clockSummary } from './clocks/clock-summary';
import { type Concurrency, concurrency } from './concurrency/concurrency';
import { describeFlow } from './describe/describe-flow';
import { hexOf, WORD } from './events/event-record';
import { type IrregularSummary, irregularSummaries } from './events/irregular-lines';
import type { Flow } from './flow';
import { declaredInstances } from './loss/declared-instances';
import {
  type AbsentHost,
  absentWarnings,
  count,
  lineWarnings,
  lossWarnings,
  type TimedLoss,
} from './loss/loss-warnings';
import type { LossTimes } from './loss/lost-stretches';
import type { Run } from './read-run';
import type { SpanTable } from './rebuild/group-spans';
import type { FlowNode, FlowWarning, SpanNode } from './rebuild/span-node';
import { startMillis } from './rebuild/span-times';

/** A run in short. */
export interface RunReport {
  readonly run: string;
  readonly topology: string;
  /** `stopped`: ended before its time; `unfinished`: no end record (yet); null for `adhoc`, which has none. */
  readonly state: 'finished' | 'stopped' | 'unfinished' | null;
  /** Nothing is known to be lost, and everything that was sent is here. */
  readonly complete: boolean;
  /** Events of the run's requests, and of the processes themselves. */
  readonly events: number;
  readonly processEvents: number;
  /** From the first flow's start to the last one's end, by the clocks of the roots' hosts; null without a flow. */
  readonly window: { readonly startTime: string; readonly endTime: string } | null;
  /** What the driver says it sent, and what of it is here. */
  readonly requests: { readonly sent: number | null; readonly found: number };
  /** What was done to the topology meanwhile; null where nothing was planned. */
  readonly scenario: ReportedScenario | null;
  readonly statistics: Statistics;
  /** How many requests were in progress over time; null where no request has both a start and an end. */
  readonly concurrency: Concurrency | null;
  readonly processes: readonly TimedLoss[];
  /** Instances of which there is no log. */
  readonly absent: readonly AbsentHost[];
  /** Lines that stand where or as they should not. */
  readonly irregular: readonly IrregularSummary[];
  /** How far each host's clock is off, and what was done about it. */
  readonly clocks: ClocksSummary;
  readonly warnings: readonly string[];
}

/** A scenario's steps, as they were made and taken back. */
export interface ReportedScenario {
  readonly name: string;
  /** Wall clock of the moment that the steps' times count from. */
  readonly startTime: string;
  readonly steps: readonly Omit<ManifestStep, 'record' | 'run'>[];
}

/** Which flows to describe beside the report. */
export interface Selection {
  readonly slowest?: number;
  readonly failed?: number;
  readonly traceId?: string;
  /** Only flows that this service took part in. */
  readonly service?: string;
}

export interface ReportWithFlows {
  readonly report: RunReport;
  /** By duration, the longest first. */
  readonly slowest: readonly Flow[];
  /** The first ones. */
  readonly failed: readonly Flow[];
  readonly ofTrace: readonly Flow[];
}

const NO_LOSS: LossTimes = { stretches: [], ownStretches: [], tail: null };

/** Length of the report's window; 0 without a flow. */
export function windowSeconds({ window }: Pick<RunReport, 'window'>): number {
  return window ? (Date.parse(window.endTime) - Date.parse(window.startTime)) / 1000 : 0;
}

/** Goes through all flows once. */
export function reportRun(run: Run, selection: Selection = {}): ReportWithFlows {
  const { events } = run;
  const stats = statistics(events.names, events.processes);
  const progress = concurrency(events.names, events.processes);
  const slowest: (Place & { readonly durationMs: number })[] = [];
  const failed: Place[] = [];
  const ofTrace: Place[] = [];
  const kinds = new Map<FlowWarning['kind'], number>();
  let start = Number.POSITIVE_INFINITY;
  let end = Number.NEGATIVE_INFINITY;
  let found = 0;
  for (const { part, table, flows } of run.batches({ gather: true })) {
    progress.begin(flows, table);
    for (const [index, flow] of flows.entries()) {
      if (selection.service !== undefined && !takesPart(flow, selection.service, run)) continue;
      stats.add(flow, table);
      progress.add(flow, table);
      if (flow.client) found += 1;
      const durationMs = flowDurationMs(flow, table) || 0;
      const startedAt = startMillis(table, flow.root);
      start = Math.min(start, startedAt);
      end = Math.max(end, startedAt + durationMs);
      for (const kind of new Set(flow.warnings.map((warning) => warning.kind))) {
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      }
      keepLongest(slowest, selection.slowest ?? 0, { part, index, durationMs });
      if (failed.length < (selection.failed ?? 0) && hasFailed(flow)) failed.push({ part, index });
      if (selection.traceId !== undefined && isOfTrace(flow, table, selection.traceId)) ofTrace.push({ part, index });
    }
  }
  const { manifest } = run;
  const isAdhoc = run.run === ADHOC_RUN;
  const sent = manifest.end?.sent ?? null;
  const irregular = irregularSummaries(events.shares);
  const processes = timedLosses(run, stats);
  const absent = absentHosts(run, stats);
  const whole = stats.incomplete === 0 && run.losses.every(({ lost }) => lost === 0);
  const report: RunReport = {
    run: run.run,
    topology: run.topology,
    state: isAdhoc ? null : manifest.end === null ? 'unfinished' : manifest.end.finished ? 'finished' : 'stopped',
    complete: whole && (isAdhoc || (sent !== null && (selection.service !== undefined || found >= sent))),
    events: events.streams.reduce((sum, stream) => sum + stream.events, 0),
    processEvents: events.streams.reduce((sum, stream) => sum + stream.processEvents, 0),
    window: stats.flows === 0 ? null : { startTime: isoTime(start), endTime: isoTime(end) },
    requests: { sent, found },
    scenario: manifest.scenario && {
      name: manifest.scenario.scenario.name,
      startTime: manifest.scenario.startTime,
      steps: manifest.steps.map(({ record: _record, run: _run, ...step }) => step),
    },
    statistics: stats,
    concurrency: progress.finish(run.clocks()),
    processes,
    absent,
    irregular,
    clocks: clockSummary(run.clocks()),
    warnings: [
      ...manifestWarnings(run, found, selection),
      ...lineWarnings(irregular),
      ...lossWarnings(processes),
      ...absentWarnings(absent),
      ...flowWarnings(kinds),
    ],
  };
  const described = describe(run, [...slowest, ...failed, ...ofTrace]);
  return {
    report,
    slowest: slowest.map(described),
    failed: failed.map(described),
    ofTrace: ofTrace.map(described),
  };
}

/** Where a flow is found again: the clocks, by which flows are described, are known only when all flows were seen. */
interface Place {
  readonly part: number;
  readonly index: number;
}

function describe(run: Run, places: readonly Place[]): (place: Place) => Flow {
  const described = new Map<string, Flow>();
  const wanted = new Set(places.map(({ part, index }) => `${part} ${index}`));
  if (wanted.size > 0) {
    const clocks = run.clocks();
    for (const { part, table, flows } of run.batches({ only: new Set(places.map((place) => place.part)) })) {
      for (const [index, flow] of flows.entries()) {
        const key = `${part} ${index}`;
        if (wanted.has(key))
          described.set(key, describeFlow(flow, { table, ...run.events, clocks, expectation: run.expectation }));
      }
    }
  }
  return ({ part, index }) => described.get(`${part} ${index}`) as Flow;
}

function manifestWarnings({ run, manifest }: Run, found: number, { service }: Selection): readonly string[] {
  if (run === ADHOC_RUN) return [];
  const warnings: string[] = [];
  if (manifest.start === null) warnings.push('the manifest has no start record: what was sent is unknown');
  else if (manifest.end === null) warnings.push('the run is unfinished: its manifest has no end record');
  else if (!manifest.end.finished) warnings.push('the run was stopped before its time');
  if (manifest.foreign > 0) {
    warnings.push(
      `${count(manifest.foreign, 'line of the manifest is', 'lines of the manifest are')} no record of this run`,
    );
  }
  const sent = manifest.end?.sent ?? 0;
  if (service === undefined && found < sent) {
    warnings.push(`of ${count(sent, 'request')} sent, ${sent - found} left no event of the client`);
  }
  return warnings;
}

/** Losses with their times. A log without any gap that lacks what others had answers to, or ends of requests, lacks its end. */
function timedLosses(run: Run, { unlogged, unended }: Statistics): readonly TimedLoss[] {
  const times = run.lossTimes();
  return run.losses.map((loss, id): TimedLoss => {
    const timed = { ...loss, ...(times.get(id) ?? NO_LOSS), unended: 0, unlogged: 0 };
    const behind = { unended: unended.get(id) ?? 0, unlogged: unlogged.get(loss.instance) ?? 0 };
    const isWhole = behind.unended + behind.unlogged === 0;
    if (isWhole || loss.lost > 0 || loss.atLeast || loss.endTime !== null) return timed;
    const lastMs = run.events.processes[id]?.latest[0] ?? 0;
    return {
      ...timed,
      ...behind,
      atLeast: true,
      tail: { after: lastMs > 0 ? isoTime(lastMs) : loss.startTime, before: null },
    };
  });
}

/** Those that others called, then those that only the topology has. */
function absentHosts({ events, manifest }: Run, { absent }: Statistics): readonly AbsentHost[] {
  const here = new Set(events.processes.map(({ instance }) => instance));
  const called = Array.from(absent, ([instance, { calls, fromMs, toMs }]) => ({
    instance,
    calls,
    from: isoTime(fromMs),
    to: isoTime(toMs),
  }));
  const declared = declaredInstances(manifest.start?.topology ?? null)
    .filter((instance) => !here.has(instance) && !absent.has(instance))
    .map((instance) => ({ instance, calls: 0, from: null, to: null }));
  return [...called.sort((a, b) => (a.instance < b.instance ? -1 : 1)), ...declared];
}

/** What one flow, and what several do. */
const KIND_TEXTS: Readonly<Record<FlowWarning['kind'], readonly [one: string, several: string, what: string]>> = {
  'lost-events': ['lacks', 'lack', 'events of a request'],
  'lost-span': ['lacks', 'lack', 'all events of a request that was answered'],
  'lost-client': ['lacks', 'lack', "the client's events"],
  'may-be-lost': [
    'may lack',
    'may lack',
    'a request that was never answered, at an instance whose log has a hole there',
  ],
  'queued-work-missing': ['lacks', 'lack', 'the work of an accepted send'],
  orphan: ['has', 'have', 'requests whose caller left no event'],
  'second-root': ['shares', 'share', 'a trace id with another edge request'],
  'received-twice': ['has', 'have', 'a call that was received twice'],
  'unknown-call': ['has', 'have', 'a request that its caller did not log'],
  'too-many-events': ['has', 'have', 'a request with more events than it counted'],
  'clock-order': ['has', 'have', 'a request received before it was sent, by the hybrid clocks'],
  cycle: ['has', 'have', 'requests that name each other as callers'],
};

function flowWarnings(kinds: ReadonlyMap<FlowWarning['kind'], number>): readonly string[] {
  return Array.from(kinds, ([kind, number]) => {
    const [one, several, what] = KIND_TEXTS[kind];
    return `${count(number, `flow ${one}`, `flows ${several}`)} ${what}`;
  });
}

function takesPart({ client, root, orphans }: FlowNode, service: string, { events }: Run): boolean {
  const stack: SpanNode[] = [client ?? root, ...orphans];
  for (let span = stack.pop(); span !== undefined; span = stack.pop()) {
    if (events.processes[span.origin]?.service === service) return true;
    for (const { child } of span.calls) if (child) stack.push(child);
    stack.push(...span.queued);
  }
  return false;
}

function isOfTrace({ root }: FlowNode, { words }: SpanTable, traceId: string): boolean {
  return hexOf(words, root.record + WORD.TRACE, 4) === traceId;
}

function keepLongest<T extends { readonly durationMs: number }>(kept: T[], most: number, candidate: T): void {
  const last = kept[kept.length - 1];
  if (most === 0 || (kept.length >= most && last && last.durationMs >= candidate.durationMs)) return;
  const at = kept.findIndex((entry) => entry.durationMs < candidate.durationMs);
  kept.splice(at < 0 ? kept.length : at, 0, candidate);
  if (kept.length > most) kept.pop();
}

function isoTime(millis: number): string {
  return new Date(millis).toISOString();
}
