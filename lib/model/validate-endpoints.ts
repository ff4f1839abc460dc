import { RESERVED_PATHS } from './contract';
import { type Report, show } from './shape';
import type { Survey, SurveyedEndpoint, SurveyedService } from './survey';
import { ENDPOINT_FIELDS } from './topology-shape';

/** What holds within a service: its endpoints side by side, and the steps of each. */
export function checkEndpoints({ services }: Survey, report: Report): void {
  for (const service of services.values()) {
    if (!service.unnamed) checkNamedEndpoints(service, report);
    for (const [key, endpoint] of service.endpoints) {
      checkFields(service, key, endpoint, report);
      checkSteps(endpoint, report);
    }
  }
}

function checkNamedEndpoints({ where, value, endpoints }: SurveyedService, report: Report): void {
  for (const field of Object.keys(ENDPOINT_FIELDS)) {
    if (value[field] === undefined) continue;
    report(
      `${where}.${field}`,
      'it stands beside endpoints, and would belong to none',
      'move it into one of the endpoints',
    );
  }
  const routes = new Map<string, string>();
  for (const [key, endpoint] of endpoints) {
    const path = key.slice(key.indexOf(' ') + 1);
    if (path === RESERVED_PATHS.alive || path === RESERVED_PATHS.ready) {
      report(endpoint.where, `${path} is reserved for the node's own state`, 'choose another path');
    }
    const names: readonly string[] = path.match(/:\w+/g) ?? [];
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice) report(endpoint.where, `${twice} stands in the path twice`, 'rename one of them');
    const route = key.replaceAll(/:\w+/g, ':');
    const other = routes.get(route);
    if (other === undefined) routes.set(route, key);
    else report(endpoint.where, `it takes the same requests as ${show(other)}`, 'keep one of the two');
  }
}

function checkFields(
  { edge, unnamed }: SurveyedService,
  key: string,
  endpoint: SurveyedEndpoint,
  report: Report,
): void {
  const { where, value } = endpoint;
  if (value.calls !== undefined && value.steps !== undefined) {
    report(where, 'it has both calls and steps', 'write all of them, in order, as steps');
  }
  if (!edge && value.weight !== undefined) {
    report(`${where}.weight`, "it shares out the edge's traffic, and this service is not at the edge", 'leave it out');
  }
  if (value.requestBytes === undefined) return;
  const place = `${where}.requestBytes`;
  if (!edge) {
    const remedy = 'give requestBytes to the calls instead';
    report(place, 'it is what the load driver sends, and this service is not at the edge', remedy);
  } else if (!unnamed && !hasBody(key.split(' ')[0])) {
    report(place, `a ${key.split(' ')[0]} request has no body`, 'leave it out, or make the endpoint a POST');
  }
}

function checkSteps({ steps }: SurveyedEndpoint, report: Report): void {
  const ids = new Map<string, string>();
  for (const { where, value } of steps) {
    if (typeof value.id === 'string') {
      const other = ids.get(value.id);
      if (other === undefined) ids.set(value.id, where);
      else report(`${where}.id`, `${show(value.id)} is already the id of ${other}`, 'give each step an id of its own');
    }
    if (!Array.isArray(value.oneOf) || value.oneOf.length === 0) continue;
    const weights = value.oneOf.map((branch) => (branch as { weight?: unknown } | null)?.weight);
    if (weights.every((weight) => weight === 0)) {
      report(`${where}.oneOf`, 'all weights are 0, so no branch can be chosen', 'raise one of them');
    }
  }
}

/** A body has no meaning in the other methods (RFC 9110, 9.3). */
export function hasBody(method: string | undefined): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH';
}
