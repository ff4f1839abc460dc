import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ENVIRONMENT, type ReadyMessage, STATE } from '../model/contract';
import type { DeployedInstance, Deployment } from '../model/deployment';
import { newRunId } from '../model/run-id';
import { edgePrefix, hashValue } from '../model/slice';
import type { Topology } from '../model/topology';
import { type Balancer, type BalancerSettings, startBalancer } from './balancer';
import { bundleNode, type NodeBundle } from './bundle';
import { type DnsServer, startDnsServer } from './dns-server';
import { enlist, HOST, type Instance, instancesOf, type Unit } from './instances';
import { type NodeSettings, nodeVariables, startNodeProcess } from './node-process';
import { checkMachine } from './preflight';
import { type Scaling, startScaling } from './scaling';
import { StartError } from './start-error';
import { makeStateFolder, pruneDeployments, type StateFolder, writable } from './state-folder';
import { stopOrder } from './stop-order';
import { type Backoff, type Supervised, supervise } from './supervise';

export interface LaunchOptions {
  /** Local state goes below it. @default the working directory */
  readonly cwd?: string;
  /** Of the edge balancer; 0 takes a free one. @default 0 */
  readonly port?: number;
  /** All nodes in one process, sharing one event loop. @default false */
  readonly inline?: boolean;
  /** Lets itineraries and overlays in at the edge, with a token. @default false */
  readonly publicFaults?: boolean;
  /** Called as instances become ready. */
  readonly onProgress?: (ready: number, all: number) => void;
  /** A line for the user about what happens later: a crash, a restart, an instance that fails its health check. */
  readonly onNotice?: (line: string) => void;
  /** Gives up a start under way: `launch` then rejects with the signal's reason, and nothing is left. */
  readonly signal?: AbortSignal;
  readonly balancer?: Partial<BalancerSettings>;
  readonly backoff?: Backoff;
  /** Environment variables of an instance's process, over those that it has by itself. Not with `inline`. */
  readonly environment?: (instance: string) => Readonly<Record<string, string>>;
}

/** A topology that runs as processes of this machine. */
export interface LocalRun {
  /** The record as it stands now. */
  readonly deployment: Deployment;
  readonly folder: string;
  /** Base URL of the edge, without a final slash. */
  readonly url: string;
  /** Ends the requests under way, then the nodes, callers first; resolves when every process is gone. */
  stop(): Promise<void>;
  /** Ends every process at once. */
  kill(): Promise<void>;
}

/** A loaded machine may take long; a node that hangs must not hang the launch. */
const START_TIMEOUT_MS = 60_000;
const INLINE_START_TIMEOUT_MS = 120_000;
/** More would only make each start slower. */
const STARTS_AT_ONCE = 2 * availableParallelism();
/** From the last instance's start to the first passed health check of every edge instance. */
const HEALTHY_WITHIN_MS = 60_000;
const DRAIN_MS = 5_000;

/**
 * Starts every instance of the topology on this machine and resolves once all of them are ready and the edge's pass
 * their health checks. Launches side by side share nothing but the cache of bundles.
 *
 * @throws UserError where the port is taken, the machine has too little, or the state folder can't be written
 * @throws StartError where a node does not come up
 */
export async function launch(topology: Topology, options: LaunchOptions = {}): Promise<LocalRun> {
  const { cwd = process.cwd(), port = 0, inline = false, onNotice = () => {}, signal } = options;
  const roster = { instances: instancesOf(topology) };
  const { instances } = roster;
  checkMachine(instances.length, inline);

  // First what fails quickly: the port, then the folder.
  const edges = Object.values(topology.services).filter(({ edge }) => edge);
  const health = healthWatch(onNotice);
  const balancer = await startBalancer({
    ...options.balancer,
    port,
    services: edges.map((service) => ({ service: service.name, prefix: edgePrefix(topology, service) })),
    onHealth: health.onHealth,
  });
  let dns: DnsServer | undefined;
  let state: StateFolder | undefined;
  const units: Unit[] = [];
  const killAll = () => Promise.all(units.map(({ supervised }) => supervised.kill()));
  let scaling: Scaling | undefined;
  const closeServers = async () => {
    scaling?.close();
    await balancer.close(0);
    await dns?.close();
  };

  try {
    signal?.throwIfAborted();
    dns = await startDnsServer({ topology: topology.name });
    const startTime = new Date();
    const id = newRunId(topology.name, startTime);
    state = makeStateFolder(cwd, id, topology);
    const cache = join(cwd, STATE.root, 'cache');
    const bundle = await bundleNode(cache);
    const record: Omit<Deployment, 'instances' | 'stopTime' | 'controlPort'> = {
      id,
      topology,
      topologyHash: hashValue(topology),
      startTime: startTime.toISOString(),
      pid: process.pid,
      url: balancer.url,
      resolver: dns.address,
      publicFaults: options.publicFaults ?? false,
    };
    const deploymentNow = (stopTime: string | null): Deployment => ({
      ...record,
      controlPort: scaling?.port ?? null,
      stopTime,
      instances: roster.instances.map((instance): DeployedInstance => ({ ...instance })),
    });

    const context: UnitContext = { bundle, dns, balancer, state, options, onRestarted: () => writeRecord(null) };
    const folder = state;
    let stopTime: string | null = null;
    let launched = false;
    const writeRecord = (stopped: string | null) => {
      if (!launched) return;
      try {
        folder.write(deploymentNow(stopped));
      } catch (error) {
        onNotice(`${folder.path}: the record can't be written: ${(error as Error).message}`);
      }
    };
    let ready = 0;
    const onReady = (count: number) => {
      ready += count;
      options.onProgress?.(ready, instances.length);
    };
    options.onProgress?.(0, instances.length);
    const groups = inline ? [instances] : instances.map((instance) => [instance]);
    const startUnit = async (group: readonly Instance[]) => {
      const supervised = superviseUnit(group, inline, context);
      units.push({ supervised, group });
      await supervised.started;
    };
    await startAll(groups, signal, async (group) => {
      await startUnit(group);
      onReady(group.length);
    });
    await raceAbort(health.allHealthy(balancer, HEALTHY_WITHIN_MS), signal);
    if (!inline) {
      scaling = await startScaling({
        ...{ topology, folder, dns, balancer, roster, units, startUnit, onNotice },
        onChanged: () => writeRecord(null),
      });
    }
    launched = true;
    writable(state.path, () => folder.write(deploymentNow(null)));
    await pruneDeployments(cwd);

    let ending: Promise<void> | undefined;
    const end = async (graceful: boolean) => {
      health.stop();
      scaling?.close();
      if (graceful) {
        await balancer.close(DRAIN_MS);
        for (const services of stopOrder(topology)) {
          const due = units.filter(({ group }) => group.some(({ service }) => services.has(service)));
          await Promise.all(due.map(({ supervised }) => supervised.stop()));
        }
      }
      await killAll();
      await closeServers();
      stopTime ??= new Date().toISOString();
      writeRecord(stopTime);
      folder.forgetKey();
    };
    return {
      get deployment() {
        return deploymentNow(stopTime);
      },
      folder: folder.path,
      url: balancer.url,
      stop() {
        ending ??= end(true);
        return ending;
      },
      async kill() {
        await killAll();
        ending ??= end(false);
        await ending;
      },
    };
  } catch (error) {
    await killAll();
    await closeServers();
    state?.remove();
    throw error;
  }
}

interface UnitContext {
  readonly bundle: NodeBundle;
  readonly dns: DnsServer;
  readonly balancer: Balancer;
  readonly state: StateFolder;
  readonly options: LaunchOptions;
  readonly onRestarted: () => void;
}

/** One process for the instances given: one, or inline all. */
function superviseUnit(group: readonly Instance[], inline: boolean, context: UnitContext): Supervised {
  const { bundle, dns, balancer, state, options } = context;
  const { onNotice = () => {}, backoff } = options;
  const name = inline ? 'the process of all nodes' : (group[0]?.instance ?? '');
  const byName = new Map(group.map((instance) => [instance.instance, instance]));

  const settings = (instance: Instance, restarts: number): NodeSettings => ({
    slice: state.slice(instance.service),
    instance: instance.instance,
    log: state.log(instance.instance),
    address: HOST,
    // Free ones at first, the same ever after: DNS and the balancer still name them.
    meshPort: String(instance.meshPort),
    edgePort: String(instance.edgePort ?? 0),
    resolver: dns.address,
    clock: 'machine',
    restarts: String(restarts),
    key: state.key,
    controlPort: String(instance.controlPort ?? 0),
    graph: state.graph,
    publicFaults: options.publicFaults ? 'on' : 'off',
  });
  const variables = (restarts: number): Readonly<Record<string, string>> => {
    const all = group.map((instance) => settings(instance, restarts));
    if (!inline) return { ...nodeVariables(all[0] ?? {}), ...options.environment?.(name) };
    const file = join(state.path, 'inline.json');
    writeFileSync(file, JSON.stringify(all));
    return { [ENVIRONMENT.inline]: file };
  };
  const onUp = (pid: number, messages: readonly ReadyMessage[], restarts: number) => {
    for (const { instance: named, meshPort, edgePort, controlPort } of messages) {
      const instance = byName.get(named);
      if (!instance) continue;
      Object.assign(instance, { pid, meshPort, edgePort, controlPort, restarts });
      if (restarts > 0) continue;
      enlist(instance, dns, balancer);
    }
    if (restarts === 0) return;
    onNotice(`${name} is up again as process ${pid} (restart ${restarts})`);
    context.onRestarted();
  };

  return supervise({
    start: (restarts) =>
      startNodeProcess({
        name,
        bundle,
        nodes: group.length,
        variables: variables(restarts),
        onStderr: (line) => onNotice(`${name}: ${line}`),
        startTimeoutMs: inline ? INLINE_START_TIMEOUT_MS : START_TIMEOUT_MS,
      }),
    onUp,
    onCrash: (pid, reason, stderr, delayMs) => {
      const said = stderr ? `; it said:\n${stderr}` : '';
      onNotice(`${name} (process ${pid}) ${reason}; starting it again in ${delayMs / 1000} s${said}`);
    },
    ...(backoff && { backoff }),
  });
}

/** A bounded number at a time; the first failure ends the rest. */
async function startAll<T>(
  items: readonly T[],
  signal: AbortSignal | undefined,
  start: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  let failed = false;
  const worker = async () => {
    for (const item of queue) {
      if (failed) return;
      try {
        await raceAbort(start(item), signal);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(STARTS_AT_ONCE, items.length) }, worker));
}

async function raceAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  signal.throwIfAborted();
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Waits for the edge's first health checks, and reports changes after them. */
function healthWatch(onNotice: (line: string) => void) {
  let changed = () => {};
  let phase: 'starting' | 'up' | 'stopping' = 'starting';
  const met = new Set<string>();
  return {
    onHealth(service: string, instance: string, healthy: boolean) {
      changed();
      const isNew = !met.has(instance);
      met.add(instance);
      if (phase !== 'up' || (healthy && isNew)) return;
      onNotice(
        healthy
          ? `${instance} gets requests of the edge again`
          : `${instance} fails its health check: ${service}'s requests go to others`,
      );
    },
    async allHealthy(balancer: Balancer, withinMs: number) {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        changed();
      }, withinMs);
      const unhealthy = () => Object.entries(balancer.states()).filter(([, state]) => state !== 'healthy');
      while (unhealthy().length > 0) {
        const [first] = unhealthy();
        if (late) throw new StartError(first?.[0] ?? '', `did not pass a health check within ${withinMs / 1000} s`, '');
        await new Promise<void>((resolve) => {
          changed = resolve;
        });
      }
      clearTimeout(timer);
      phase = 'up';
    },
    stop() {
      phase = 'stopping';
    },
  };
}
