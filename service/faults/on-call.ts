import { FAULT_BOUNDS, type FaultType } from '../../lib/model/fault';
import { type CallFate, type CallTime, UNTOUCHED, waitOut } from './call-fate';
import { dnsFailure } from './dns-failure';
import { partition } from './partition';

type Args = Readonly<Record<string, number | string>>;

/** Carries out one fault of a call on an attempt that nothing was sent for yet. */
export async function carryOutOnCall(type: FaultType, args: Args, service: string, time: CallTime): Promise<CallFate> {
  switch (type) {
    case 'latency':
      return waitOut(Math.min(Number(args.delay), FAULT_BOUNDS.delayMs), time);
    case 'error': {
      const status = Number(args.status);
      return { ...UNTOUCHED, failure: { kind: 'FAULT', message: `answered ${status}`, status } };
    }
    case 'reset':
      return { ...UNTOUCHED, reset: true };
    case 'hang': {
      const fate = await waitOut(Number(args.duration), time);
      return fate.failure ? fate : { ...fate, failure: { kind: 'RESET', message: 'the connection broke' } };
    }
    case 'dns-failure':
      return dnsFailure(service);
    case 'partition':
      return partition(time);
    default:
      throw new Error(`a fault of type ${type} can't stand on a call`);
  }
}
