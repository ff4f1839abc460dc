import type { Discovery, Instance } from '../call/outgoing';
import { createEjections } from './discovery-ejection';
import type { ServiceRecords } from './discovery-records';

export interface DiscoveryOptions {
  readonly records: ServiceRecords;
  /** Names of the services that the node calls. */
  readonly callees: readonly string[];
  /** Monotonic milliseconds. @default performance.now */
  readonly now?: () => number;
  /** Longest wait of `check`. @default 1500 */
  readonly checkMs?: number;
}

/**
 * Spreads a node's calls over the instances that `records` names: in turn, from a random first one, so that many
 * callers do not march in step. `failed` and `succeeded` decide on ejection: see `EJECTION`. The records stay open:
 * nodes of one process share them.
 */
export function createDiscovery(options: DiscoveryOptions): Discovery {
  const { records, now = () => performance.now(), checkMs = 1_500 } = options;
  let { callees } = options;
  const ejections = createEjections(now);
  /** Position of the next turn, by service. */
  const turns = new Map<string, number>();

  function pick(service: string, instances: readonly Instance[], avoid: ReadonlySet<string>): Instance | undefined {
    const count = instances.length;
    if (count === 0) return undefined;
    const turn = turns.get(service) ?? Math.floor(Math.random() * count);
    let lastResort: number | undefined;
    for (let i = 0; i < count; i++) {
      const instance = instances[(turn + i) % count] as Instance;
      if (avoid.has(instance.name)) continue;
      if (ejections.isEjected(instance)) {
        lastResort ??= turn + i;
        continue;
      }
      turns.set(service, (turn + i + 1) % count);
      return instance;
    }
    if (lastResort === undefined) return undefined;
    turns.set(service, (lastResort + 1) % count);
    return instances[lastResort % count];
  }

  return {
    failed: ejections.failed,
    succeeded: ejections.succeeded,
    choose(service, avoid) {
      const known = records.instances(service);
      if (known instanceof Promise) return known.then((instances) => pick(service, instances, avoid));
      return pick(service, known, avoid);
    },
    know(known) {
      callees = known;
    },
    async check() {
      let answers = false;
      const unresolved = new Set(callees);
      const asked = [
        records.answers().then((does) => {
          answers = does;
        }),
        ...callees.map(async (service) => {
          if (await records.resolves(service)) unresolved.delete(service);
        }),
      ];
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, checkMs);
      });
      await Promise.race([Promise.all(asked), late]);
      clearTimeout(timer);
      return { answers, unresolved: [...unresolved] };
    },
    close() {},
  };
}
