import { CLIENT_SERVICE, instanceNames } from '../model/contract';
import type { ManifestEnd, ManifestScenario, ManifestStart, ManifestStep } from '../model/manifest';
import { ADHOC_RUN } from '../model/run-id';
import { clockGatherer, type RunClocks } from './clocks/run-clocks';
import { describeFlow } from './describe/describe-flow';
import { hexOf, WORD } from './events/event-record';
import type { ProcessLog } from './events/process-log';
import { type ReadOptions, type RunEvents, type RunLogs, readEvents } from './events/read-events';
import type { Flow } from './flow';
import type { Expectation } from './inference/expectation';
import { type LogHole, logHoles } from './loss/log-holes';
import { type LossTimes, lossTimer } from './loss/lost-stretches';
import { lastNumbers, type ProcessLoss, processLosses } from './loss/process-losses';
import type { RunKnowledge } from './rebuild/completeness';
import type { SpanTable } from './rebuild/group-spans';
import { type FlowBatch, rebuildFlows } from './rebuild/rebuild-flows';
import type { FlowNode } from './rebuild/span-node';
import { startMillis } from './rebuild/span-times';

/** What a run is read from; `LogSource` of `lib/logs` is one. */
export interface RunSource extends RunLogs {
  readonly topology: string;
  readonly manifest: {
    readonly start: ManifestStart | null;
    readonly end: ManifestEnd | null;
    readonly scenario: ManifestScenario | null;
    readonly steps: readonly ManifestStep[];
    readonly foreign: number;
  };
  readonly sinceMs: number | null;
}

export interface BatchesAsked {
  /** The parts wanted, as earlier batches gave them. @default all */
  readonly only?: ReadonlySet<number>;
  /** Gathers on the way what `clocks` and `lossTimes` tell, for those who ask for these afterwards. @default false */
  readonly gather?: boolean;
}

/** A run whose logs are read, and whose flows are rebuilt as often as they are asked for. */
export interface Run extends RunSource {
  readonly events: RunEvents;
  readonly losses: readonly ProcessLoss[];
  /** What the run's topology says of lost requests; null where it is not known. */
  readonly expectation: Expectation | null;
  /** Flows in batches, as nodes over records: cheap, and valid until the next batch. */
  batches(asked?: BatchesAsked): Generator<FlowBatch>;
  /** The clocks of the run. Where several hosts logged, that goes through all flows once, unless `batches` gathered. */
  clocks(): RunClocks;
  /** When each process lost what it lost, by its number; goes through all flows once, as `clocks` does. */
  lossTimes(): ReadonlyMap<number, LossTimes>;
  /**
   * Each flow as users see it. By start where the run is small (`events.store.parts` is 1), else by start within parts.
   *
   * @param traceIds only the flows of that trace or those traces, 32 hexadecimal digits: no other part of the run is looked at
   */
  flows(traceIds?: string | ReadonlySet<string>): Generator<Flow>;
  /** Trace ids of flows that begin with `prefix`. Describes no flow. */
  traceIds(prefix: string): ReadonlySet<string>;
}

/** Reads a run's logs once, to the end. */
export async function readRun(source: RunSource, options: ReadOptions = {}): Promise<Run> {
  const events = await readEvents(source, options);
  const losses = processLosses(events, source);
  const lastNumber = lastNumbers(source.manifest);
  const knowledge = knowledgeOf(source, events, losses, logHoles(events, lastNumber));
  const { topology: ran } = source.manifest.start ?? { topology: null };
  const changed = new Set(events.processes.flatMap((log) => (log.changes.length > 0 ? [log.service] : [])));
  const expectation = ran && { topology: ran, changed };

  let known: RunClocks | undefined;
  let timed: ReadonlyMap<number, LossTimes> | undefined;

  function* batches({ only, gather = false }: BatchesAsked = {}): Generator<FlowBatch> {
    const gathers = gather && !only;
    const gatherer = known || !gathers ? undefined : clockGatherer(events.processes);
    const timer =
      timed || !gathers ? undefined : lossTimer(events.processes, lastNumber, source.manifest.start?.timestamp);
    for (const { part, table, flows } of rebuildFlows(events.store, knowledge, only)) {
      gatherer?.add(flows, table);
      timer?.add(table.words);
      const { sinceMs } = source;
      if (sinceMs === null) yield { part, table, flows };
      else {
        const late = flows.filter(({ root }) => startMillis(table, root) >= sinceMs);
        yield { part, table, flows: late };
      }
    }
    known ??= gatherer?.finish();
    timed ??= timer?.finish();
  }

  function lossTimes(): ReadonlyMap<number, LossTimes> {
    if (!timed) for (const _ of batches({ gather: true }));
    return timed as ReadonlyMap<number, LossTimes>;
  }

  function clocks(): RunClocks {
    if (known) return known;
    const gatherer = clockGatherer(events.processes);
    if (!gatherer.isSettled) for (const _ of batches({ gather: true }));
    known ??= gatherer.finish();
    return known;
  }

  function* flows(asked?: string | ReadonlySet<string>): Generator<Flow> {
    const own = clocks();
    const { store } = events;
    const wanted = typeof asked === 'string' ? new Set([asked]) : asked;
    const only = wanted && new Set(Array.from(wanted, (id) => store.partOf(Number.parseInt(id.slice(-8), 16) | 0)));
    for (const { table, flows: nodes } of batches(only && { only })) {
      for (const node of nodes) {
        if (wanted && !wanted.has(traceOf(node, table))) continue;
        yield describeFlow(node, { table, ...events, clocks: own, expectation });
      }
    }
  }

  function traceIds(prefix: string): ReadonlySet<string> {
    const found = new Set<string>();
    for (const { table, flows: nodes } of batches()) {
      for (const node of nodes) {
        const traceId = traceOf(node, table);
        if (traceId.startsWith(prefix)) found.add(traceId);
      }
    }
    return found;
  }

  const { run, topology, manifest, sinceMs } = source;
  const streams = () => source.streams();
  return {
    run,
    topology,
    manifest,
    sinceMs,
    streams,
    events,
    losses,
    expectation,
    batches,
    clocks,
    lossTimes,
    flows,
    traceIds,
  };
}

function traceOf({ root }: FlowNode, { words }: SpanTable): string {
  return hexOf(words, root.record + WORD.TRACE, 4);
}

/**
 * What a run's logs, as far as they are read, say that bears on single flows.
 *
 * @param holes where each process's log may lack events; where left out, anywhere in one that lost any
 */
export function knowledgeOf(
  source: Pick<RunSource, 'run' | 'manifest'>,
  { names, processes }: RunEvents,
  losses: readonly ProcessLoss[],
  holes: readonly (readonly LogHole[])[] = losses.map(({ lost, atLeast }) => (lost > 0 || atLeast ? [ANYWHERE] : [])),
): RunKnowledge {
  const ofInstance = groupBy(processes, ({ instance }) => instance);
  const ofService = groupBy(processes, ({ service }) => service);
  const declared = Object.values(source.manifest.start?.topology?.services ?? {});
  // A client does not know whom the balancer chose: an instance without any log makes its whole service doubtful.
  const withoutLog = new Set(
    declared.flatMap(({ name, replicas }) =>
      instanceNames(name, replicas).every((one) => ofInstance.has(one)) ? [] : [name],
    ),
  );
  return {
    names,
    processes,
    expectsClient: source.run !== ADHOC_RUN && source.manifest.start !== null,
    isClient: (origin) => processes[origin]?.service === CLIENT_SERVICE,
    mayLack(instance, service, sentMs, endedMs) {
      const logs = instance !== undefined ? ofInstance.get(instance) : ofService.get(service);
      if (logs === undefined || (instance === undefined && withoutLog.has(service))) return true;
      return logs.some(({ id }) => holes[id]?.some(({ fromMs, toMs }) => fromMs <= endedMs && toMs >= sentMs));
    },
  };
}

const ANYWHERE: LogHole = { fromMs: 0, toMs: Number.POSITIVE_INFINITY };

function groupBy(
  processes: readonly ProcessLog[],
  nameOf: (log: ProcessLog) => string,
): ReadonlyMap<string, readonly ProcessLog[]> {
  const groups = new Map<string, ProcessLog[]>();
  for (const log of processes) {
    const own = groups.get(nameOf(log));
    if (own) own.push(log);
    else groups.set(nameOf(log), [log]);
  }
  return groups;
}
