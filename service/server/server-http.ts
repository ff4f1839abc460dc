import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Program, Via } from '../program';
import type { Match } from '../request/handler';
import { pathOf, type ServerParts, writeAnswer, writeHealth } from './server';

/** Bare `node:http` with a small route table. */
export function httpServer(program: Program, via: Via, { handle, health }: ServerParts) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const method = request.method as string;
    const path = pathOf(request.url as string);
    const report = health(path, method);
    if (report) void writeHealth(report, response);
    else void writeAnswer(handle(request, response, via, program, matchRoute(program, path, method, via)), response);
  };
}

function matchRoute({ routes }: Program, path: string, method: string, via: Via): Match {
  let pathIsKnown = false;
  for (const route of routes) {
    if (!route.patterns[via].test(path)) continue;
    const { endpoint } = route;
    if (endpoint.anyMethod || endpoint.method === method || (endpoint.method === 'GET' && method === 'HEAD')) {
      return route;
    }
    pathIsKnown = true;
  }
  return pathIsKnown ? 'unknown method' : 'unknown path';
}
