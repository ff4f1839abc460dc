import { join } from 'node:path';
import { STATE } from '../model/contract';
import type { Deployment } from '../model/deployment';
import { newRunId } from '../model/run-id';
import { edgePrefix, hashValue } from '../model/slice';
import type { Topology } from '../model/topology';
import { type BalancerSettings, startBalancer } from './balancer';
import { bundleNode } from './bundle';
import { deploymentRecord } from './deployment-record';
import { type DnsServer, startDnsServer } from './dns-server';
import { healthWatch } from './health-watch';
import { type Instance, instancesOf, type Unit } from './instances';
import { checkMachine } from './preflight';
import { type Scaling, startScaling } from './scaling';
import { raceAbort, startAll } from './start-all';
import { makeStateFolder, pruneDeployments, type StateFolder } from './state-folder';
import { stopOrder } from './stop-order';
import { superviseUnit, type UnitContext, type UnitOptions } from './supervise-unit';

export interface LaunchOptions extends UnitOptions {
  /** Local state goes below it. @default the working directory */
  readonly cwd?: string;
  /** Of the edge balancer; 0 takes a free one. @default 0 */
  readonly port?: number;
  /** Called as instances become ready. */
  readonly onProgress?: (ready: number, all: number) => void;
  /** Gives up a start under way: `launch` then rejects with the signal's reason, and nothing is left. */
  readonly signal?: AbortSignal;
  readonly balancer?: Partial<BalancerSettings>;
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
  let scaling: Scaling | undefined;
  const units: Unit[] = [];
  const killAll = () => Promise.all(units.map(({ supervised }) => supervised.kill()));
  const stopInOrder = async () => {
    for (const services of stopOrder(topology)) {
      const due = units.filter(({ group }) => group.some(({ service }) => services.has(service)));
      await Promise.all(due.map(({ supervised }) => supervised.stop()));
    }
  };
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
    const folder = makeStateFolder(cwd, id, topology);
    state = folder;
    const bundle = await bundleNode(join(cwd, STATE.root, 'cache'));
    const fixed = {
      id,
      topology,
      topologyHash: hashValue(topology),
      startTime: startTime.toISOString(),
      pid: process.pid,
      url: balancer.url,
      resolver: dns.address,
      publicFaults: options.publicFaults ?? false,
    };
    const record = deploymentRecord(fixed, folder, roster, onNotice);

    const context: UnitContext = { bundle, dns, balancer, state, options, onRestarted: record.update };
    const startUnit = async (group: readonly Instance[]) => {
      const supervised = superviseUnit(group, context);
      units.push({ supervised, group });
      await supervised.started;
    };
    let ready = 0;
    options.onProgress?.(ready, instances.length);
    const groups = inline ? [instances] : instances.map((instance) => [instance]);
    await startAll(groups, signal, async (group) => {
      await startUnit(group);
      ready += group.length;
      options.onProgress?.(ready, instances.length);
    });
    await raceAbort(health.allHealthy(balancer), signal);
    if (!inline) {
      scaling = await startScaling({
        ...{ topology, folder, dns, balancer, roster, units, startUnit, onNotice },
        onChanged: record.update,
      });
    }
    record.begin(scaling?.port ?? null);
    await pruneDeployments(cwd);

    const end = async (graceful: boolean) => {
      health.stop();
      scaling?.close();
      if (graceful) {
        await balancer.close(DRAIN_MS);
        await stopInOrder();
      }
      await killAll();
      await closeServers();
      record.end();
      folder.forgetKey();
    };
    let ending: Promise<void> | undefined;
    return {
      get deployment() {
        return record.now;
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
