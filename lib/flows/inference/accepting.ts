import { formatHash } from '../../model/draw';
import { stepsWithin } from '../../model/resolve';
import type { Topology } from '../../model/topology';
import type { Call, Span } from '../flow';
import type { KeyExpectation } from './expectation';
import { expectedCalls } from './expected-calls';

/** Whether a request was taken in for later: another one, its queued work, then ran the steps. */
export type Accepting = 'yes' | 'no' | 'unknown';

export const ACCEPTED = 202;

/** @param sent whether a `send` asked for it; null where that is not known */
export function acceptingOf(span: Span, sent: boolean | null, topology: Topology): Accepting {
  const { status, via, queued, calls, service, endpoint } = span;
  if (via === 'queue' || via === 'edge') return 'no';
  if (status !== null) return status === ACCEPTED ? 'yes' : 'no';
  // The answer is lost: what belongs to the request tells, or else how it was asked for.
  if (queued.length > 0) return 'yes';
  if (calls.length > 0) return 'no';
  if (sent !== null) return sent ? 'yes' : 'no';
  return sentTo(topology).has(`${service} ${endpoint}`) ? 'unknown' : 'no';
}

/** Whether an attempt was one of a `send`: its events tell, or else the steps of its caller; null where neither does. */
export function isSend({ step, callPlace }: Call, caller: Span, { stepsOf }: KeyExpectation): boolean | null {
  if (step !== null) return step.startsWith('send:');
  const own = stepsOf(caller);
  for (const expected of own ? expectedCalls(own.endpoint, own.draws) : []) {
    if (expected.places.some((place) => formatHash(place) === callPlace)) return expected.step.kind === 'send';
  }
  return null;
}

const known = new WeakMap<Topology, ReadonlySet<string>>();

/** Callees of all `send` steps, as `service endpoint`. */
function sentTo(topology: Topology): ReadonlySet<string> {
  let callees = known.get(topology);
  if (!callees) {
    const endpoints = Object.values(topology.services).flatMap((service) => Object.values(service.endpoints));
    const steps = endpoints.flatMap((endpoint) => [...stepsWithin(endpoint.steps)]);
    callees = new Set(steps.flatMap((step) => (step.kind === 'send' ? `${step.service} ${step.endpoint}` : [])));
    known.set(topology, callees);
  }
  return callees;
}
