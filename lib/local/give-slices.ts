import type { SliceChange } from '../model/live-slices';
import type { InstanceOutcome } from '../model/manifest';
import { hashValue } from '../model/slice';
import { UserError } from '../model/user-error';
import type { ControlReply } from './control-client';

/** What became of a change. */
export interface ChangeReport {
  readonly timestamp: string;
  /** What was changed, in words. */
  readonly by: string;
  readonly epoch: number;
  /** Hash of the new slice of each service concerned. */
  readonly slices: Readonly<Record<string, string>>;
  readonly instances: readonly InstanceOutcome[];
}

interface Named {
  readonly instance: string;
  readonly service: string;
}

/**
 * Gives each instance of the services concerned its new slice, and reports by instance.
 *
 * @param ask puts the body to `PUT /slice` of an instance
 * @param atOnce instances asked at one time
 */
export async function giveSlices<I extends Named>(
  instances: readonly I[],
  { epoch, slices }: SliceChange,
  by: string,
  ask: (instance: I, body: unknown) => Promise<ControlReply>,
  atOnce: number,
): Promise<ChangeReport> {
  const byService = new Map(slices.map((slice) => [slice.service.name, slice]));
  const concerned = instances.filter(({ service }) => byService.has(service));
  const outcomes = await inTurns(concerned, atOnce, async (instance) => {
    const slice = byService.get(instance.service);
    return outcomeOf(instance, hashValue(slice), () => ask(instance, { epoch, slice, by }));
  });
  return {
    timestamp: new Date().toISOString(),
    by,
    epoch,
    slices: Object.fromEntries(slices.map((slice) => [slice.service.name, hashValue(slice)])),
    instances: outcomes,
  };
}

async function outcomeOf(
  { instance }: Named,
  hash: string,
  ask: () => Promise<ControlReply>,
): Promise<InstanceOutcome> {
  try {
    const { status, body } = await ask();
    if (status === 200 && body.slice === hash) return { instance, taken: true };
    const said = Array.isArray(body?.faults) ? body.faults.join('; ') : String(body?.error ?? 'another slice');
    return { instance, taken: false, problem: `answered ${status}: ${said.slice(0, 500)}` };
  } catch (error) {
    if (error instanceof UserError) throw error;
    return { instance, taken: false, problem: `can't be reached: ${(error as Error).message}` };
  }
}

/** Works on the items, so many at a time, and keeps their order. */
export async function inTurns<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const worker = async () => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}
