import { nodeName } from './call-graph';
import { chooseEndpoint, DEFAULT_ENDPOINT, parseCallee } from './callee';
import { nearest } from './nearest';
import { orList, type Report, show } from './shape';
import type { Survey, SurveyedRequest, SurveyedService } from './survey';
import { hasBody } from './validate-endpoints';
import type { Edge } from './visits';

/**
 * Whether each callee exists and takes what it is sent. Returns the call graph over endpoints; a misspelt callee counts
 * as the one that was probably meant, so that its fault does not drag others behind it.
 */
export function checkCallees({ services, requests }: Survey, report: Report): readonly Edge[] {
  const edges: Edge[] = [];
  for (const request of requests) {
    const target = findTarget(request, services, report);
    if (!target) continue;
    const { service, endpoint } = target;
    const from = nodeName(request.from.service, request.from.endpoint);
    edges.push({ from, to: nodeName(service, endpoint), weight: request.expected });
  }
  return edges;
}

type Services = ReadonlyMap<string, SurveyedService>;

function findTarget(request: SurveyedRequest, services: Services, report: Report) {
  const { where, reference } = request;
  const { service: name } = parseCallee(reference);
  const callee = services.get(name);
  if (callee) {
    const { endpoint: written } = parseCallee(reference);
    const keys = [...callee.endpoints.keys()];
    const endpoint = chooseEndpoint(keys, callee.unnamed, written, request.method);
    if (endpoint !== undefined) {
      checkMethod(request, callee, endpoint, report);
      return { service: name, endpoint };
    }
    const [guess] = keys;
    if (guess === undefined) return undefined;
    return { service: name, endpoint: reportEndpoint(request, callee, name, keys, report) ?? guess };
  }
  const near = nearest(name, services.keys());
  report(
    where,
    `there is no service ${show(name)}`,
    near ? `did you mean ${near}?` : `use ${shortList([...services.keys()])}`,
  );
  if (near === undefined) return undefined;
  const [endpoint = DEFAULT_ENDPOINT] = services.get(near)?.endpoints.keys() ?? [];
  return { service: near, endpoint };
}

/** The fault of naming no endpoint, or more than one; returns the one that was probably meant. */
function reportEndpoint(
  { where, reference, method }: SurveyedRequest,
  callee: SurveyedService,
  name: string,
  keys: readonly string[],
  report: Report,
): string | undefined {
  const { endpoint } = parseCallee(reference);
  if (endpoint !== undefined) {
    const remedy =
      callee.unnamed && endpoint.endsWith(' /')
        ? `write ${show(name)}; its default endpoint takes every method, which is given as method`
        : suggestEndpoint(name, endpoint, keys);
    report(where, `${name} has no endpoint ${show(endpoint)}`, remedy);
    return nearest(endpoint, keys);
  }
  const fitting = method === undefined ? keys : keys.filter((key) => key.startsWith(`${method} `));
  if (fitting.length === 0) {
    report(where, `${name} has no ${method} endpoint`, `it has ${shortList(keys, 'and')}`);
  } else {
    const options = shortList(fitting.map((key) => show(nodeName(name, key))));
    report(where, `${show(reference)} could mean any of ${fitting.length} endpoints`, `write ${options}`);
  }
  return fitting[0];
}

function suggestEndpoint(name: string, endpoint: string, keys: readonly string[]): string {
  const near = nearest(endpoint, keys);
  return near
    ? `did you mean ${show(nodeName(name, near))}?`
    : `use ${shortList(keys.map((key) => show(nodeName(name, key))))}`;
}

function checkMethod(request: SurveyedRequest, callee: SurveyedService, endpoint: string, report: Report): void {
  const { kind, where, method: given, options } = request;
  const [own] = endpoint.split(' ');
  if (!callee.unnamed && given !== undefined && given !== own) {
    const problem =
      kind === 'send'
        ? `a send is a POST, and ${show(endpoint)} is none`
        : `the method is ${given}, the endpoint's is ${own}`;
    report(where, problem, kind === 'send' ? 'send to a POST endpoint, or make it a call' : 'leave the method out');
    return;
  }
  if (options.requestBytes === undefined) return;
  const method = given ?? (callee.unnamed ? 'POST' : own);
  if (hasBody(method)) return;
  const place = where.replace(/\.(call|send)$/, '.requestBytes');
  report(place, `a ${method} request has no body`, 'leave it out, or call a POST endpoint');
}

function shortList(items: readonly string[], word: 'or' | 'and' = 'or'): string {
  if (items.length === 0) return 'a service that exists';
  const shown = items.length > 12 ? [...items.slice(0, 11), `${items.length - 11} others`] : items;
  return word === 'and' ? shown.join(', ') : orList(shown);
}
