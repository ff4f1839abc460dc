import { instanceName } from '../../../lib/model/contract';
import type { Random } from '../random';
import type { Process } from '../simulated-log';
import type { SimulationOptions } from './options';

/** The lives of one instance, in their order. */
export type Lives = readonly Process[];

export interface Fleet {
  readonly processes: readonly Process[];
  /** Whose turn it is. */
  next(service: string): Lives;
  /** The first one in turn that lives. */
  balance(service: string, at: number): Process | undefined;
}

export function makeFleet(options: SimulationOptions, startAt: number, random: Random): Fleet {
  const { services } = options.topology;
  const all = everyLife(options, startAt, random);
  const turns = new Map<string, number>();

  const next = (service: string): Lives => {
    const replicas = services[service]?.replicas ?? 0;
    const turn = (turns.get(service) ?? 0) + 1;
    turns.set(service, turn);
    return all.get(instanceName(service, (turn % replicas) + 1)) as Lives;
  };

  const balance = (service: string, at: number): Process | undefined => {
    for (let tries = 0; tries < (services[service]?.replicas ?? 0); tries++) {
      const process = aliveAt(next(service), at);
      if (process) return process;
    }
    return undefined;
  };

  return { processes: [...all.values()].flat(), next, balance };
}

export function aliveAt(lives: Lives, at: number): Process | undefined {
  return lives.find(({ upAt, diesAt }) => at >= upAt && at < diesAt);
}

/** By instance. */
function everyLife(
  { topology, crashes = [], hostOf = () => 'machine' }: SimulationOptions,
  startAt: number,
  random: Random,
): ReadonlyMap<string, Lives> {
  const fleet = new Map<string, Process[]>();
  for (const { name: service, replicas } of Object.values(topology.services)) {
    for (let replica = 1; replica <= replicas; replica++) {
      const instance = instanceName(service, replica);
      const lives: Process[] = [];
      let upAt = startAt - 500;
      const own = crashes.filter((crash) => crash.instance === instance).sort((a, b) => a.atMs - b.atMs);
      for (const crash of [...own, undefined]) {
        const diesAt = crash ? startAt + crash.atMs : Number.POSITIVE_INFINITY;
        const lostTailMs = crash?.lostTailMs ?? 0;
        lives.push({ id: processId(random), instance, service, host: hostOf(instance), upAt, diesAt, lostTailMs });
        upAt = diesAt + (crash?.restartAfterMs ?? 0);
      }
      fleet.set(instance, lives);
    }
  }
  return fleet;
}

export function processId(random: Random): string {
  return Array.from({ length: 8 }, () => 'abcdefghijklmnopqrstuvwxyz234567'[Math.floor(random.next() * 32)]).join('');
}
