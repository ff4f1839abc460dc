import { CLIENT_SERVICE, instanceName } from '../model/contract';
import type { ManifestEnd, ManifestStart } from '../model/manifest';
import { ADHOC_RUN } from '../model/run-id';
import type { RunKnowledge } from './completeness';
import { describeFlow } from './describe-flow';
import { wallMillis } from './event-record';
import type { Flow } from './flow';
import { type ProcessLoss, processLosses } from './process-losses';
import { type ReadOptions, type RunEvents, type RunLogs, readEvents } from './read-events';
import { type FlowBatch, rebuildFlows } from './rebuild-flows';
import { firstEvent } from './span-times';

/** What a run is read from; `LogSource` of `lib/logs` is one. */
export interface RunSource extends RunLogs {
  readonly topology: string;
  readonly manifest: {
    readonly start: ManifestStart | null;
    readonly end: ManifestEnd | null;
    readonly foreign: number;
  };
  readonly sinceMs: number | null;
}

/** A run whose logs are read, and whose flows are rebuilt as often as they are asked for. */
export interface Run extends RunSource {
  readonly events: RunEvents;
  readonly losses: readonly ProcessLoss[];
  /** Flows in batches, as nodes over records: cheap, and valid until the next batch. */
  batches(): Generator<FlowBatch>;
  /** Each flow as users see it. By start where the run is small (`events.store.parts` is 1), else by start within parts. */
  flows(): Generator<Flow>;
}

/** Reads a run's logs once, to the end. */
export async function readRun(source: RunSource, options: ReadOptions = {}): Promise<Run> {
  const events = await readEvents(source, options);
  const losses = processLosses(events, source);
  const knowledge = knowledgeOf(source, events, losses);

  function* batches(): Generator<FlowBatch> {
    for (const { table, flows } of rebuildFlows(events.store, knowledge)) {
      const { sinceMs } = source;
      if (sinceMs === null) yield { table, flows };
      else {
        const late = flows.filter(({ root }) => wallMillis(table.words, firstEvent(table, root)) >= sinceMs);
        yield { table, flows: late };
      }
    }
  }

  function* flows(): Generator<Flow> {
    for (const { table, flows: nodes } of batches()) {
      for (const node of nodes) yield describeFlow(node, { table, ...events });
    }
  }

  const { run, topology, manifest, sinceMs } = source;
  return { run, topology, manifest, sinceMs, streams: () => source.streams(), events, losses, batches, flows };
}

function knowledgeOf(source: RunSource, { names, processes }: RunEvents, losses: readonly ProcessLoss[]): RunKnowledge {
  const instances = new Set(processes.map(({ instance }) => instance));
  const lossyInstances = new Set<string>();
  const lossyServices = new Set<string>();
  for (const { instance, service, lost, atLeast } of losses) {
    if (lost === 0 && !atLeast) continue;
    lossyInstances.add(instance);
    lossyServices.add(service);
  }
  const services = new Set(processes.map(({ service }) => service));
  // A client does not know whom the balancer chose: an instance without any log makes its whole service doubtful.
  for (const { name, replicas } of Object.values(source.manifest.start?.topology?.services ?? {})) {
    for (let replica = 1; replica <= replicas; replica++) {
      if (!instances.has(instanceName(name, replica))) lossyServices.add(name);
    }
  }
  return {
    names,
    processes,
    expectsClient: source.run !== ADHOC_RUN && source.manifest.start !== null,
    isClient: (origin) => processes[origin]?.service === CLIENT_SERVICE,
    lossy(instance, service) {
      if (instance !== undefined) return lossyInstances.has(instance) || !instances.has(instance);
      return lossyServices.has(service) || !services.has(service);
    },
  };
}
