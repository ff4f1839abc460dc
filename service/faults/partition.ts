import { type CallFate, type CallTime, waitOut } from './call-fate';

/** Nothing reaches the callee and nothing comes back: the attempt takes all the time it has. */
export function partition(time: CallTime): Promise<CallFate> {
  return waitOut(Number.POSITIVE_INFINITY, time);
}
