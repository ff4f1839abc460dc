import { CLIENT_SERVICE } from '../../model/contract';
import type { ProcessFacts } from './process-facts';

/** `crash`: it died without SERVICE_DOWN. `stop`: it gave up what was under way. `open`: it may still be at work. */
export type LostTail = 'crash' | 'stop' | 'open';

export const TAIL_CAUSES: Readonly<Record<LostTail, string>> = {
  crash: 'lost in a crash',
  stop: 'given up at a stop',
  open: 'not finished yet',
};

/** Why the end of a process's or an instance's log may be missing without a word; undefined where nothing may be. */
export interface LostTails {
  readonly crashes: number;
  ofProcess(process: string): LostTail | undefined;
  ofInstance(instance: string): LostTail | undefined;
  /** Of any instance of the service, where nobody knows which one it was. */
  ofService(service: string): LostTail | undefined;
}

/** @param settled whether whatever is still at work has had the time to log the run's last events */
export function lostTails(all: readonly ProcessFacts[], settled: boolean): LostTails {
  const crashed = crashedProcesses(all);
  const processes = new Map<string, LostTail>();
  const instances = new Map<string, LostTail>();
  const services = new Map<string, LostTail>();
  for (const facts of all) {
    const { down, process, instance, service } = facts;
    const { unfinishedRequests, abandonedSends } = down?.detail ?? {};
    let tail: LostTail | undefined;
    if (crashed.has(facts)) tail = 'crash';
    else if (down && (isSome(unfinishedRequests) || isSome(abandonedSends))) tail = 'stop';
    else if (!down && !settled && service !== CLIENT_SERVICE) tail = 'open';
    if (!tail) continue;
    processes.set(process, tail);
    instances.set(instance, tail);
    services.set(service, tail);
  }
  return {
    crashes: crashed.size,
    ofProcess: (process) => processes.get(process),
    ofInstance: (instance) => instances.get(instance),
    ofService: (service) => services.get(service),
  };
}

const isSome = (count: unknown): boolean => typeof count === 'number' && count > 0;

/**
 * Processes that died without a word: no SERVICE_DOWN, and a later process of the same instance came up. Without a
 * successor a process without SERVICE_DOWN is still at work, as far as the log can tell.
 */
function crashedProcesses(all: readonly ProcessFacts[]): ReadonlySet<ProcessFacts> {
  const latest = new Map<string, string>();
  for (const { instance, up } of all) {
    if (up && up.timestamp > (latest.get(instance) ?? '')) latest.set(instance, up.timestamp);
  }
  return new Set(
    all.filter(({ instance, up, down }) => !down && up !== undefined && up.timestamp < (latest.get(instance) ?? '')),
  );
}
