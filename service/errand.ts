import type { IncomingMessage } from 'node:http';
import type { LoggedItinerary } from '../lib/model/itinerary-steps';
import type { Caller } from './attempt';
import type { Outcome } from './outcome';
import type { Program, Route, Via } from './program';
import type { Refusal } from './refusal';
import type { Span } from './span';

/** What a request itself says is to be done, in the place of an endpoint's steps. */
export interface Errand {
  /** What its receipt says of it. */
  readonly logged: LoggedItinerary;
  run(span: Span, caller: Caller): Promise<Outcome>;
  /** Body of the answer. */
  answer(error: { readonly message: string } | undefined): string;
}

/** The route of requests that bring an errand. */
export interface ErrandRoute extends Route {
  /** Reads the body, and decides before anything has run. */
  begin(request: IncomingMessage, via: Via, program: Program): Promise<Errand | Refusal>;
}

export function isErrandRoute(route: Route): route is ErrandRoute {
  return 'begin' in route;
}
