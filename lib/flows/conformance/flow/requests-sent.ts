import { stepsWithin } from '../../../model/resolve';
import type { Endpoint } from '../../../model/topology';
import type { Connection, FlowRecord, SpanRecord } from '../span-record';
import type { Topologies } from '../topologies';

/** The last connection of an attempt, with what it was for and who handled it. */
export interface Sent {
  readonly parent: SpanRecord;
  readonly kind: 'call' | 'send' | undefined;
  readonly connection: Connection;
  readonly children: SpanRecord[];
}

/** All requests that spans say they sent, by (parent, place). */
export type RequestsSent = ReadonlyMap<string, Sent>;

export function requestsSent(flow: FlowRecord, topologies: Topologies): RequestsSent {
  const sent = new Map<string, Sent>();
  for (const parent of flow.spans.values()) {
    const endpoint = endpointOf(parent, topologies);
    const kinds = endpoint ? stepKinds(endpoint) : undefined;
    for (const { attempts, step } of parent.calls.values()) {
      for (const { connections } of attempts) {
        const connection = connections[connections.length - 1];
        const event = connection?.sent ?? connection?.outcome;
        if (!connection || !event) continue;
        const key = pairKey(parent.requestId, event.callPlace);
        sent.set(key, { parent, kind: kinds?.get(step), connection, children: [] });
      }
    }
  }
  return sent;
}

export function pairKey(parent: string, place: string | undefined): string {
  return `${parent} ${place ?? ''}`;
}

export function endpointOf(span: SpanRecord, topologies: Topologies): Endpoint | undefined {
  const { endpoint = '', epoch = 0 } = span.events[0] ?? {};
  return topologies.at(span.service, epoch)?.service.endpoints[endpoint];
}

const kindsOf = new WeakMap<Endpoint, Map<string, 'call' | 'send'>>();

function stepKinds(endpoint: Endpoint): ReadonlyMap<string, 'call' | 'send'> {
  let kinds = kindsOf.get(endpoint);
  if (!kinds) {
    kinds = new Map();
    for (const step of stepsWithin(endpoint.steps)) {
      if (step.kind === 'call' || step.kind === 'send') kinds.set(step.id, step.kind);
    }
    kindsOf.set(endpoint, kinds);
  }
  return kinds;
}
