import { CLIENT_SERVICE } from '../../../lib/model/contract';
import { draw, hashText, rootPlace } from '../../../lib/model/draw';
import type { Event } from '../../../lib/model/event';
import type { Endpoint, Topology } from '../../../lib/model/topology';
import type { Random } from '../random';
import type { Process, RawEvent } from '../simulated-log';
import { refusal } from './attempt';
import { processId } from './fleet';
import { handle } from './receive';
import type { TrueFlow, TrueSpan } from './truth';
import { type Answer, round, type World } from './world';

/** What the load driver counts. */
export interface Tally {
  sent: number;
  answered: number;
  failed: number;
  lastSeq: number;
  readonly errors: Record<string, number>;
}

export function makeClient(startAt: number, host: string, random: Random): Process {
  return {
    id: processId(random),
    instance: `${CLIENT_SERVICE}-1`,
    service: CLIENT_SERVICE,
    host,
    upAt: startAt,
    diesAt: Number.POSITIVE_INFINITY,
    lostTailMs: 0,
  };
}

/** Sends one request to an edge endpoint that its key draws, and waits for what comes of it. */
export function sendRequest(
  at: number,
  key: string | undefined,
  client: Process,
  tally: Tally,
  world: World,
): TrueFlow {
  const { seed, random, failures } = world;
  const traceId = random.hex(4);
  const requestId = random.hex(2);
  const keyText = key ?? traceId;
  const u = draw({ seed, key: hashText(keyText), place: seed }, hashText('endpoint'));
  const { service, endpoint } = weighted(edgeEndpoints(world.topology), u);
  const own = keyText !== traceId && { key: keyText };
  const fields = { traceId, requestId, ...own, callee: `${service} ${endpoint.key}` };
  const put = (time: number, more: Partial<Event>, from?: RawEvent): RawEvent => {
    const raw = { at: time, process: client, run: world.run, fields: { ...fields, ...more }, from };
    world.put(raw);
    tally.lastSeq += 1;
    return raw;
  };
  const sent = put(at, { event: 'REQUEST_SENT', latenessMs: round(((at * 7) % 1000) / 1000) });
  tally.sent += 1;
  const arrivesAt = at + world.network(client.instance, service);
  const process = world.fleet.balance(service, arrivesAt);
  const spans: TrueSpan[] = [];
  let answer: Answer = { at: arrivesAt, status: process ? 502 : 503 };
  if (process && !world.chance(failures.balancer)) {
    answer = handle(
      {
        at: arrivesAt,
        traceId,
        keyText,
        parentRequestId: requestId,
        service,
        endpoint: endpoint.key,
        place: rootPlace(seed, service, endpoint.key),
        via: 'edge',
        from: sent,
        process,
        deadlineMs: endpoint.deadlineMs,
        refusal: refusal(world),
        siblings: spans,
      },
      world,
    );
  }
  answer.close?.(Number.POSITIVE_INFINITY);
  const { status = 502, bytes = 0, requestId: peerRequestId } = answer;
  const answeredAt = answer.at + world.network(service, client.instance);
  const durationMs = round(answeredAt - at);
  const seen = { status, durationMs, bytes, ...(peerRequestId && { peerRequestId }), spanEvents: 2 };
  put(answeredAt, { event: 'RESPONSE_RECEIVED', ...seen }, answer.from);
  tally.answered += 1;
  if (status >= 400) {
    tally.failed += 1;
    tally.errors[`HTTP_${status}`] = (tally.errors[`HTTP_${status}`] ?? 0) + 1;
  }
  return { traceId, key: keyText, status, root: spans[0] ?? null };
}

interface EdgeEndpoint {
  readonly service: string;
  readonly endpoint: Endpoint;
}

const known = new WeakMap<Topology, readonly EdgeEndpoint[]>();

function edgeEndpoints(topology: Topology): readonly EdgeEndpoint[] {
  const found =
    known.get(topology) ??
    Object.values(topology.services)
      .filter(({ edge }) => edge)
      .flatMap(({ name, endpoints }) => Object.values(endpoints).map((endpoint) => ({ service: name, endpoint })));
  known.set(topology, found);
  return found;
}

function weighted(choices: readonly EdgeEndpoint[], u: number): EdgeEndpoint {
  let left = u * choices.reduce((sum, { endpoint }) => sum + endpoint.weight, 0);
  for (const choice of choices) {
    left -= choice.endpoint.weight;
    if (left < 0) return choice;
  }
  return choices[choices.length - 1] as EdgeEndpoint;
}
