import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { HEADERS, ITINERARY, ITINERARY_ENDPOINT, LIMITS } from '../../lib/model/contract';
import { happens } from '../../lib/model/decisions';
import { formatHash, hashText, rootPlace } from '../../lib/model/draw';
import { quote } from '../../lib/model/event-line';
import { type CallGraph, type Itinerary, type ItineraryRoute, parseItinerary } from '../../lib/model/itinerary';
import {
  itineraryEndpoint,
  itinerarySteps,
  type LoggedItinerary,
  loggedItinerary,
} from '../../lib/model/itinerary-steps';
import { tokenExpiry } from '../../lib/model/token';
import type { CallStep, FaultStep } from '../../lib/model/topology';
import { formatFault, UserError } from '../../lib/model/user-error';
import type { Caller } from '../call/attempt';
import { callOnce } from '../call/call';
import type { OutgoingInstruction, Program, Via } from '../program';
import { pathOf } from '../server/server';
import type { Access } from '../settings';
import { type Errand, leftMs, type Span } from '../span';
import { NOTHING, type Outcome } from '../steps/outcome';
import type { ErrandRoute } from './errand-route';
import type { Guard } from './forbidden';
import type { Refusal } from './refusal';
import { readBody } from './request-body';
import { single } from './trace-headers';

export interface ItineraryParts {
  readonly access: Access | undefined;
  readonly guarded: Guard | undefined;
  readonly caller: Caller;
  /** Logs that somebody was refused, and what. */
  forbidden(request: IncomingMessage, via: Via, purpose: string, reason: string): void;
}

/** The route of a request that is an itinerary, by its content type or, where switched on, its path; else undefined. */
export type ItineraryMatch = (request: IncomingMessage, via: Via, program: Program) => ErrandRoute | undefined;

export function itineraries({ access, guarded, caller, forbidden }: ItineraryParts): ItineraryMatch {
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
      const { name, callees } = slice.service;
      // Of its own calls a node knows first: what has just changed may not stand in the file yet.
      const graph = { ...readGraph(access?.graph), [name]: callees };
      const itinerary = parseItinerary(JSON.parse(body.toString('utf8')), name, graph);
      const logged = loggedItinerary(itinerary, body.toString('utf8'));
      const expiresAt = tokenExpiry(single(request.headers[HEADERS.token]) as string) as number;
      const tokenFor = (text: string): string => (guarded as Guard).sign('itinerary', text, expiresAt);
      return { logged, run: (span) => carryOut(itinerary, logged, span, caller, tokenFor), answer: answerOf };
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
    endpoint: itineraryEndpoint([]),
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
  { routes }: Itinerary,
  logged: LoggedItinerary,
  span: Span,
  caller: Caller,
  tokenFor: (body: string) => string,
): Promise<Outcome> {
  const steps = itinerarySteps(logged);
  const raise = async (faults: readonly FaultStep[], at: 'before' | 'after'): Promise<Outcome> => {
    for (const { id, fault } of faults) {
      if (leftMs(span) <= 0)
        return { responses: '', failure: { kind: 'DEADLINE', step: id, message: 'no time is left' } };
      const outcome = await caller.faults.runFault(fault, span.draws, { id, source: 'itinerary', at }, span);
      if (outcome.failure) return outcome;
    }
    return NOTHING;
  };
  const first = await raise(steps.before, 'before');
  if (first.failure) return first;
  for (const [index, step] of steps.routes.entries()) {
    if (!happens(step, span.draws)) continue;
    const { payload } = routes[index] as ItineraryRoute;
    const instruction = instructionOf(step, payload, tokenFor);
    const outcome = await callOnce({ instruction, span, caller, repetition: 0 });
    if (outcome.failure) return outcome;
  }
  return raise(steps.after, 'after');
}

function instructionOf(step: CallStep, payload: object, tokenFor: (body: string) => string): OutgoingInstruction {
  const body = JSON.stringify(payload);
  return {
    kind: 'call',
    step,
    idHash: hashText(step.id),
    stepField: `,"step":${quote(step.id)}`,
    calleeField: `,"callee":${quote(`${step.service} ${step.endpoint}`)}`,
    faults: [],
    guards: undefined,
    message: {
      body: Buffer.from(body),
      headers: { 'content-type': ITINERARY.contentType, [HEADERS.token]: tokenFor(body) },
    },
  };
}

function answerOf(error: { readonly message: string } | undefined): string {
  return `{"error":${error ? quote(error.message) : 'null'}}`;
}

/** Small, seldom asked for, and changed by whoever changes the topology: so it is read each time. */
function readGraph(path: string | undefined): CallGraph {
  return JSON.parse(readFileSync(path as string, 'utf8')) as CallGraph;
}
