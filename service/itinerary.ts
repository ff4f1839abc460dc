import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { HEADERS, ITINERARY, ITINERARY_ENDPOINT, LIMITS } from '../lib/model/contract';
import { draw, formatHash, hashText, rootPlace } from '../lib/model/draw';
import type { Fault } from '../lib/model/fault';
import { type CallGraph, type Itinerary, type ItineraryRoute, parseItinerary } from '../lib/model/itinerary';
import { tokenExpiry } from '../lib/model/token';
import { formatFault, UserError } from '../lib/model/user-error';
import { type Caller, callOnce } from './call';
import type { Errand, ErrandRoute, Refusal } from './errand';
import { quote } from './event-line';
import type { Guard } from './forbidden';
import type { Via } from './handler';
import { NOTHING, type Outcome } from './outcome';
import type { OutgoingInstruction, Program } from './program';
import { readBody } from './request-body';
import { pathOf } from './server';
import type { Access } from './settings';
import { leftMs, type Span } from './span';
import { single } from './trace-headers';

/** Above every fault's own bound on its duration, so that those end it and not the deadline. */
const DEADLINE_MS = 900_000;

export interface ItineraryParts {
  readonly access: Access | undefined;
  readonly guarded: Guard | undefined;
  /** Logs that somebody was refused, and what. */
  forbidden(request: IncomingMessage, via: Via, purpose: string, reason: string): void;
}

/** The route of a request that is an itinerary, by its content type or, where switched on, its path; else undefined. */
export type ItineraryMatch = (request: IncomingMessage, via: Via, program: Program) => ErrandRoute | undefined;

export function itineraries({ access, guarded, forbidden }: ItineraryParts): ItineraryMatch {
  const begin = async (request: IncomingMessage, via: Via, { slice }: Program): Promise<Errand | Refusal> => {
    const body = await readBody(request, LIMITS.bodyBytes);
    if (body === 'gone') return { status: 400, kind: 'BAD_REQUEST', message: 'the body ended early' };
    const reason = whyNot(single(request.headers[HEADERS.token]), body, via);
    if (reason !== undefined) {
      forbidden(request, via, 'itinerary', reason);
      return { status: 403, kind: 'FORBIDDEN', message: `itinerary: ${reason}` };
    }
    if (body === 'large') {
      return { status: 413, kind: 'BAD_REQUEST', message: `the body is above ${LIMITS.bodyBytes} bytes` };
    }
    try {
      const graph = readGraph(access?.graph);
      const itinerary = parseItinerary(JSON.parse(body.toString('utf8')), slice.service.name, graph);
      const expiresAt = tokenExpiry(single(request.headers[HEADERS.token]) as string) as number;
      const tokenFor = (text: string): string => (guarded as Guard).sign('itinerary', text, expiresAt);
      return { run: (span, caller) => carryOut(itinerary, span, caller, tokenFor), answer: answerOf };
    } catch (error) {
      const message =
        error instanceof UserError ? error.faults.map(formatFault).join('; ') : `no JSON: ${(error as Error).message}`;
      return { status: 400, kind: 'BAD_REQUEST', message: message.slice(0, 2_000) };
    }
  };

  const whyNot = (token: string | undefined, body: Buffer | 'large', via: Via): string | undefined => {
    if (!access?.graph || !guarded) return 'faults are not switched on here';
    if (via === 'edge' && !access.publicFaults) return 'faults are not switched on at the edge';
    if (body === 'large') return token === undefined ? 'no token' : undefined;
    return guarded.refusal(token, 'itinerary', body);
  };

  const routes = new WeakMap<Program, ErrandRoute>();

  return (request, via, program) => {
    if (request.method !== 'POST') return undefined;
    const [type = ''] = (request.headers['content-type'] ?? '').split(';');
    const byType = type.trim().toLowerCase() === ITINERARY.contentType;
    const prefix = via === 'edge' ? program.slice.edgePrefix : '';
    if (!byType && !(access?.publicFaults && pathOf(request.url as string) === prefix + ITINERARY.path))
      return undefined;
    let route = routes.get(program);
    if (!route) {
      route = routeOf(program, begin);
      routes.set(program, route);
    }
    return route;
  };
}

function routeOf({ seed, slice }: Program, begin: ErrandRoute['begin']): ErrandRoute {
  const root = rootPlace(seed, slice.service.name, ITINERARY_ENDPOINT);
  return {
    endpoint: {
      key: ITINERARY_ENDPOINT,
      anyMethod: false,
      method: 'POST',
      path: ITINERARY.path,
      weight: 0,
      deadlineMs: DEADLINE_MS,
      requestBytes: null,
      responseBytes: 0,
      steps: [],
    },
    patterns: { mesh: /^$/, edge: /^$/ },
    root,
    rootText: formatHash(root),
    steps: [],
    calls: false,
    faults: { before: [], after: [] },
    handled: { count: 0 },
    limiter: undefined,
    begin,
  };
}

/** Faults, the stops after this one in turn, faults: what fails ends it. */
async function carryOut(
  { before, after, routes }: Itinerary,
  span: Span,
  caller: Caller,
  tokenFor: (body: string) => string,
): Promise<Outcome> {
  const raise = async (faults: readonly Fault[], at: 'before' | 'after'): Promise<Outcome> => {
    for (const [index, fault] of faults.entries()) {
      const id = `itinerary-${at}-${index + 1}`;
      if (leftMs(span) <= 0)
        return { responses: '', failure: { kind: 'DEADLINE', step: id, message: 'no time is left' } };
      const outcome = await caller.faults.runFault(fault, span.draws, { id, source: 'itinerary', at }, span);
      if (outcome.failure) return outcome;
    }
    return NOTHING;
  };
  const first = await raise(before, 'before');
  if (first.failure) return first;
  for (const [index, route] of routes.entries()) {
    const id = `itinerary:${route.service}#${index + 1}`;
    if (route.probability < 1 && draw(span.draws, hashText(`${id} probability`)) >= route.probability) continue;
    const outcome = await callOnce(instructionOf(route, id, tokenFor), span, caller, 0);
    if (outcome.failure) return outcome;
  }
  return raise(after, 'after');
}

function instructionOf({ service, payload }: ItineraryRoute, id: string, tokenFor: (body: string) => string) {
  const body = JSON.stringify(payload);
  const instruction: OutgoingInstruction = {
    kind: 'call',
    step: {
      id,
      service,
      endpoint: ITINERARY_ENDPOINT,
      method: 'POST',
      path: ITINERARY.path,
      probability: 1,
      count: 1,
      timeoutMs: null,
      retries: { max: 0, backoffMs: 25, maxBackoffMs: 1_000, jitter: 0.5 },
      requestBytes: null,
      optional: false,
      faults: [],
    },
    idHash: hashText(id),
    stepField: `,"step":${quote(id)}`,
    calleeField: `,"callee":${quote(`${service} ${ITINERARY_ENDPOINT}`)}`,
    faults: [],
    guards: undefined,
    message: {
      body: Buffer.from(body),
      headers: { 'content-type': ITINERARY.contentType, [HEADERS.token]: tokenFor(body) },
    },
  };
  return instruction;
}

function answerOf(error: { readonly message: string } | undefined): string {
  return `{"error":${error ? quote(error.message) : 'null'}}`;
}

/** Small, seldom asked for, and changed by whoever changes the topology: so it is read each time. */
function readGraph(path: string | undefined): CallGraph {
  return JSON.parse(readFileSync(path as string, 'utf8')) as CallGraph;
}
