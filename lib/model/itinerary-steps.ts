import { ITINERARY, ITINERARY_ENDPOINT } from './contract';
import { formatHash, hashText } from './draw';
import type { Fault } from './fault';
import type { Itinerary } from './itinerary';
import type { CallStep, Endpoint, FaultStep, Step } from './topology';

/** What an itinerary has one stop do, as REQUEST_RECEIVED says it: enough to repeat each of its decisions. */
export interface LoggedItinerary {
  /** Hash of the body that brought it. */
  readonly stop: string;
  readonly before: readonly Fault[];
  readonly after: readonly Fault[];
  readonly routes: readonly LoggedRoute[];
}

export interface LoggedRoute {
  readonly service: string;
  /** From 0 to 1. */
  readonly probability: number;
  /** Hash of the body sent. */
  readonly stop: string;
}

/** Above every fault's own bound on its duration, so that those end it and not the deadline. */
const DEADLINE_MS = 900_000;

/** @param body as it was received */
export function loggedItinerary({ before, after, routes }: Itinerary, body: string): LoggedItinerary {
  return {
    stop: stopHash(body),
    before,
    after,
    routes: routes.map(({ service, probability, payload }) => ({
      service,
      probability,
      stop: stopHash(JSON.stringify(payload)),
    })),
  };
}

function stopHash(body: string): string {
  return formatHash(hashText(body));
}

/** The stop as steps of an endpoint: faults, the stops after it in turn, faults. */
export function itinerarySteps({ before, after, routes }: Pick<LoggedItinerary, 'before' | 'after' | 'routes'>) {
  const faultSteps = (faults: readonly Fault[], at: 'before' | 'after'): readonly FaultStep[] =>
    faults.map((fault, index) => ({ kind: 'fault', id: `itinerary-${at}-${index + 1}`, fault, probability: 1 }));
  return {
    before: faultSteps(before, 'before'),
    routes: routes.map(({ service, probability }, index) =>
      itineraryCall(routeId(service, index), service, probability),
    ),
    after: faultSteps(after, 'after'),
  };
}

/** Id of the step that sends to a route, counted from 0. */
export function routeId(service: string, index: number): string {
  return `itinerary:${service}#${index + 1}`;
}

/** A call of the next stop. */
export function itineraryCall(id: string, service: string, probability: number): CallStep {
  return {
    kind: 'call',
    id,
    service,
    endpoint: ITINERARY_ENDPOINT,
    method: 'POST',
    path: ITINERARY.path,
    probability,
    count: 1,
    timeoutMs: null,
    retries: { max: 0, backoffMs: 25, maxBackoffMs: 1_000, jitter: 0.5 },
    requestBytes: null,
    optional: false,
    faults: [],
  };
}

export function itineraryAsEndpoint(logged: LoggedItinerary): Endpoint {
  const { before, routes, after } = itinerarySteps(logged);
  return itineraryEndpoint([...before, ...routes, ...after]);
}

/** What stands in an endpoint's place for a request that is an itinerary. */
export function itineraryEndpoint(steps: readonly Step[]): Endpoint {
  return {
    key: ITINERARY_ENDPOINT,
    anyMethod: false,
    method: 'POST',
    path: ITINERARY.path,
    weight: 0,
    deadlineMs: DEADLINE_MS,
    requestBytes: null,
    responseBytes: 0,
    steps,
  };
}
