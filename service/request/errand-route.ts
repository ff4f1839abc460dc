import type { IncomingMessage } from 'node:http';
import type { Program, Route, Via } from '../program';
import type { Errand } from '../span';
import type { Refusal } from './refusal';

/** The route of requests that bring an errand. */
export interface ErrandRoute extends Route {
  /** Reads the body, and decides before anything has run. */
  begin(request: IncomingMessage, via: Via, program: Program): Promise<Errand | Refusal>;
}

export function isErrandRoute(route: Route): route is ErrandRoute {
  return 'begin' in route;
}
