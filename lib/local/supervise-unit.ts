import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ENVIRONMENT, type ReadyMessage } from '../model/contract';
import type { Balancer } from './balancer';
import type { DnsServer } from './dns-server';
import { enlist, HOST, type Instance } from './instances';
import { type NodeBundle, type NodeSettings, nodeVariables, startNodeProcess } from './node-process';
import type { StateFolder } from './state-folder';
import { type Backoff, type Supervised, supervise } from './supervise';

/** What the processes of a deployment have in common. */
export interface UnitContext {
  readonly bundle: NodeBundle;
  readonly dns: DnsServer;
  readonly balancer: Balancer;
  readonly state: StateFolder;
  readonly options: UnitOptions;
  readonly onRestarted: () => void;
}

export interface UnitOptions {
  /** All nodes in one process, sharing one event loop. @default false */
  readonly inline?: boolean;
  /** Lets itineraries and overlays in at the edge, with a token. @default false */
  readonly publicFaults?: boolean;
  /** A line for the user about what happens later: a crash, a restart, an instance that fails its health check. */
  readonly onNotice?: (line: string) => void;
  readonly backoff?: Backoff;
  /** Environment variables of an instance's process, over those that it has by itself. Not with `inline`. */
  readonly environment?: (instance: string) => Readonly<Record<string, string>>;
}

/** A loaded machine may take long; a node that hangs must not hang the launch. */
const START_TIMEOUT_MS = 60_000;
const INLINE_START_TIMEOUT_MS = 120_000;

/** One process for the instances given: one, or inline all. */
export function superviseUnit(group: readonly Instance[], context: UnitContext): Supervised {
  const { bundle, dns, balancer, state, options } = context;
  const { inline = false, onNotice = () => {}, backoff } = options;
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
