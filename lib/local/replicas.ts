import { readFileSync } from 'node:fs';
import { DNS, instanceNames } from '../model/contract';
import type { DeployedInstance } from '../model/deployment';
import type { InstanceOutcome } from '../model/manifest';
import { hashValue, type Slice } from '../model/slice';
import { UserError } from '../model/user-error';
import { askControl } from './control-client';
import type { ReplicasReply } from './launcher-control';

/** What changing the number of a service's instances needs of the launcher. */
export interface ReplicasOptions {
  readonly services: readonly string[];
  /** Names of the service's instances that run and don't leave. */
  readonly running: (service: string) => readonly string[];
  /** Starts an instance; resolves when callers can find it. */
  readonly start: (service: string, instance: string) => Promise<void>;
  /** Takes it out of discovery and off the balancer; resolves when the balancer's requests to it have ended. */
  readonly withdraw: (instance: string) => Promise<void>;
  /** Puts back what was withdrawn and not stopped. */
  readonly restore: (instance: string) => void;
  readonly stop: (instance: string) => Promise<void>;
  /** Brings an instance that has just come to the slice that its service has now. */
  readonly catchUp: (instance: string) => Promise<void>;
  /** Throws a `UserError` where the machine can't carry so many more. */
  readonly checkRoom: (more: number) => void;
  readonly onChanged: () => void;
  /** How long a withdrawn instance is still served by callers that remember it. @default the TTL of discovery and a second */
  readonly rememberedMs?: number;
}

export interface Replicas {
  /**
   * Makes a service have so many instances: new ones start and are found, those with the highest numbers leave. Resolves
   * when the new ones are up and the others are withdrawn; these stop by themselves once nobody remembers them.
   */
  set(service: string, replicas: number): Promise<ReplicasReply>;
  /** Stops no more by itself: whoever ends the launch stops all. */
  close(): void;
}

const MOST_REPLICAS = 1_000;

/** One change at a time. */
export function replicas(options: ReplicasOptions): Replicas {
  const { services, running, checkRoom, onChanged } = options;
  const { rememberedMs = DNS.ttlSeconds * 1000 + 1_000 } = options;
  /** Withdrawn instances: those with a timer can come back, the others are being stopped. */
  const leaving = new Map<string, { timer: NodeJS.Timeout | undefined; gone: Promise<void> }>();
  let queue: Promise<unknown> = Promise.resolve();
  let closed = false;

  const leave = (instance: string): void => {
    const withdrawn = options.withdraw(instance);
    const entry: { timer: NodeJS.Timeout | undefined; gone: Promise<void> } = { timer: undefined, gone: withdrawn };
    entry.timer = setTimeout(() => {
      entry.timer = undefined;
      entry.gone = withdrawn
        .then(() => (closed ? undefined : options.stop(instance)))
        .finally(() => leaving.delete(instance));
    }, rememberedMs);
    leaving.set(instance, entry);
  };

  const come = async (service: string, instance: string): Promise<InstanceOutcome> => {
    const left = leaving.get(instance);
    try {
      if (left?.timer) {
        clearTimeout(left.timer);
        leaving.delete(instance);
        options.restore(instance);
      } else {
        await left?.gone;
        await options.start(service, instance);
      }
      onChanged();
      await options.catchUp(instance);
      return { instance, taken: true };
    } catch (error) {
      return { instance, taken: false, problem: (error as Error).message };
    }
  };

  const setNow = async (service: string, wanted: number): Promise<ReplicasReply> => {
    if (!services.includes(service)) {
      throw new UserError({
        where: service,
        problem: 'there is no such service',
        remedy: `use ${services.join(', ')}`,
      });
    }
    if (!(Number.isInteger(wanted) && wanted >= 1 && wanted <= MOST_REPLICAS)) {
      const remedy = `give a whole number from 1 to ${MOST_REPLICAS}`;
      throw new UserError({ where: service, problem: `${wanted} is no number of instances`, remedy });
    }
    const now = running(service);
    const names = instanceNames(service, wanted);
    const coming = names.filter((name) => !now.includes(name));
    const left = now
      .filter((name) => !names.includes(name))
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
    checkRoom(coming.length);
    for (const instance of left) leave(instance);
    if (left.length > 0) onChanged();
    return { started: await Promise.all(coming.map((instance) => come(service, instance))), left };
  };

  return {
    set(service, wanted) {
      const result = queue.then(() => setNow(service, wanted));
      queue = result.catch(() => {});
      return result;
    },
    close() {
      closed = true;
      for (const { timer } of leaving.values()) clearTimeout(timer);
    },
  };
}

/**
 * Gives an instance its service's slice where that has changed since it read it: a change reads the deployment's record
 * after it wrote the slice, and this reads the slice after the record was written, so that one of them sees the other.
 *
 * @throws Error where the instance does not take it
 */
export async function catchUp(
  { controlPort }: Pick<DeployedInstance, 'controlPort'>,
  sliceFile: string,
  scope: { readonly key: string; readonly topology: string },
): Promise<void> {
  const slice = JSON.parse(readFileSync(sliceFile, 'utf8')) as Slice;
  const { body: state } = await askControl(controlPort ?? 0, 'GET /state', scope);
  if (state.slice === hashValue(slice) || state.epoch >= slice.epoch) return;
  const change = { epoch: slice.epoch, slice, by: 'as it came' };
  const { status, body } = await askControl(controlPort ?? 0, 'PUT /slice', scope, change);
  if (status !== 200) throw new Error(`it did not take its slice: ${status} ${body?.error}`);
}
