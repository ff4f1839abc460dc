import { CLIENT_SERVICE } from '../../lib/model/contract';
import { hashText } from '../../lib/model/draw';
import type { Event } from '../../lib/model/event';
import type { ManifestRecord } from '../../lib/model/manifest';
import { NO_RUN } from '../../lib/model/run-id';
import { hashValue, sliceOf } from '../../lib/model/slice';
import { seededRandom } from './random';
import { type LoggedEvent, lineOf, logWriter, type RawEvent } from './simulated-log';
import { breakers } from './simulation/breakers';
import { makeClient, sendRequest, type Tally } from './simulation/client';
import { makeFleet } from './simulation/fleet';
import { manifestOf } from './simulation/manifest';
import type { SimulationOptions } from './simulation/options';
import { accept, handle } from './simulation/receive';
import type { TrueFlow } from './simulation/truth';
import type { World } from './simulation/world';

export type { Crash, Failures, SimulationOptions } from './simulation/options';
export type { TrueFlow, TrueSpan } from './simulation/truth';

export interface Simulation {
  readonly run: string;
  /** In the order of true time. */
  readonly events: readonly Event[];
  /** Lines by file, as each process wrote them. */
  readonly files: ReadonlyMap<string, readonly string[]>;
  readonly manifest: readonly ManifestRecord[];
  readonly flows: readonly TrueFlow[];
}

/** Everything in memory: for some ten thousand events. */
export function simulate(options: SimulationOptions): Simulation {
  const events: Event[] = [];
  const files = new Map<string, string[]>();
  const flows: TrueFlow[] = [];
  const { run, manifest } = simulateInto(
    options,
    ({ file, event }) => {
      events.push(event);
      const lines = files.get(file);
      if (lines) lines.push(lineOf(event));
      else files.set(file, [lineOf(event)]);
    },
    (flow) => flows.push(flow),
  );
  return { run, events, files, manifest, flows };
}

/**
 * The same, event by event in the order of true time: for a million of them. Work is not slowed by other work: a span
 * takes what its draws and its callees say, plus some microseconds for each event.
 */
export function simulateInto(
  options: SimulationOptions,
  sink: (logged: LoggedEvent) => void,
  onFlow: (flow: TrueFlow) => void = () => {},
): { readonly run: string; readonly manifest: readonly ManifestRecord[] } {
  const { topology, requests, rate = 100, failures = {}, hostOf = () => 'machine', keys = [] } = options;
  const startAt = options.startAt ?? Date.UTC(2026, 10, 21, 5, 44, 29);
  const run = options.run ?? `${topology.name}-20261121t054429z-simu`;
  const random = seededRandom(options.seed ?? 1);
  const log = logWriter(topology.name, startAt, options.clocks ?? {}, sink);
  const fleet = makeFleet(options, startAt, random);
  let endAt = startAt;

  const put = (raw: RawEvent): void => {
    log.add(raw);
    endAt = Math.max(endAt, raw.at);
  };
  const world: World = {
    topology,
    run,
    seed: hashText(topology.seed),
    random,
    failures,
    fleet,
    breakers: options.breakers ? breakers() : undefined,
    network: options.networkMs ?? (() => 0.1 + 0.3 * random.next()),
    chance: (probability = 0) => probability > 0 && random.next() < probability,
    put,
    emit(span, at, fields, from) {
      if (at >= span.process.diesAt) return undefined;
      span.events += 1;
      const raw = { at, process: span.process, run, common: span.fields, fields, from };
      put(raw);
      return raw;
    },
    receive: (kind, incoming) => (kind === 'send' ? accept : handle)(incoming, world),
  };

  for (const process of fleet.processes) {
    const slice = hashValue(sliceOf(topology, process.service));
    log.add({ at: process.upAt, process, run: NO_RUN, fields: { event: 'SERVICE_UP', slice } });
  }
  const client = makeClient(startAt, hostOf(`${CLIENT_SERVICE}-1`), random);
  const tally: Tally = { sent: 0, answered: 0, failed: 0, lastSeq: 0, errors: {} };
  for (let i = 0; i < requests; i++) {
    const at = startAt + (i * 1000) / rate;
    log.flush(at);
    onFlow(sendRequest(at, keys[i], client, tally, world));
  }
  for (const process of fleet.processes) {
    if (process.diesAt !== Number.POSITIVE_INFINITY) continue;
    const at = Math.max(endAt, process.upAt) + 1_000;
    log.add({ at, process, run: NO_RUN, fields: { event: 'SERVICE_DOWN', detail: { reason: 'SIGTERM' } } });
  }
  log.flush(Number.POSITIVE_INFINITY);
  return { run, manifest: manifestOf(options, run, startAt, endAt, client.id, tally) };
}
