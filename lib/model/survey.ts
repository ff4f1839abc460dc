import { DEFAULT_ENDPOINT } from './callee';
import { type Distribution, meanCount } from './distribution';
import { distribution } from './distribution-shape';
import { isObject, MAX_NESTING, pathTo } from './shape';

/** What a topology's author wrote, as far as it can be understood although other parts of it may be wrong. */
export interface Survey {
  readonly defaults: Readonly<Record<string, unknown>>;
  readonly services: ReadonlyMap<string, SurveyedService>;
  readonly requests: readonly SurveyedRequest[];
}

export interface SurveyedService {
  readonly where: string;
  readonly value: Readonly<Record<string, unknown>>;
  readonly edge: boolean;
  readonly replicas: number;
  /** It has no `endpoints`: its own fields are those of one default endpoint. */
  readonly unnamed: boolean;
  readonly endpoints: ReadonlyMap<string, SurveyedEndpoint>;
}

export interface SurveyedEndpoint {
  readonly where: string;
  readonly value: Readonly<Record<string, unknown>>;
  /** Every step that is an object, with its place. */
  readonly steps: readonly { readonly where: string; readonly value: Readonly<Record<string, unknown>> }[];
}

/** A call or send as written. */
export interface SurveyedRequest {
  readonly kind: 'call' | 'send';
  /** Place of the callee's name. */
  readonly where: string;
  readonly from: { readonly service: string; readonly endpoint: string };
  readonly reference: string;
  readonly method: string | undefined;
  readonly options: Readonly<Record<string, unknown>>;
  /** Requests expected of it each time the endpoint runs, its callees all answering: probability, count and branch. */
  readonly expected: number;
}

/** Goes through a value that may have any fault; parts that can't be understood are left out. */
export function survey(value: unknown): Survey {
  const services = new Map<string, SurveyedService>();
  const requests: SurveyedRequest[] = [];
  const defaults = isObject(value) && isObject(value.defaults) ? value.defaults : {};
  for (const [name, service] of entriesOf(isObject(value) ? value.services : undefined)) {
    if (!isObject(service)) continue;
    const where = pathTo('services', name);
    const unnamed = service.endpoints === undefined;
    const endpoints = new Map<string, SurveyedEndpoint>();
    const written = unnamed ? [[DEFAULT_ENDPOINT, service] as const] : entriesOf(service.endpoints);
    for (const [key, endpoint] of written) {
      if (!isObject(endpoint)) continue;
      const place = unnamed ? where : pathTo(`${where}.endpoints`, key);
      const steps: { where: string; value: Readonly<Record<string, unknown>> }[] = [];
      const from = { service: name, endpoint: key };
      for (const field of ['steps', 'calls']) {
        walk(endpoint[field], `${place}.${field}`, 1, [], {
          request: (request) => requests.push({ ...request, from }),
          step: (at, step) => steps.push({ where: at, value: step }),
        });
      }
      endpoints.set(key, { where: place, value: endpoint, steps });
    }
    const replicas = [service.replicas, defaults.replicas, 1].find((count) => typeof count === 'number') as number;
    services.set(name, {
      where,
      value: service,
      edge: (service.edge ?? false) !== false,
      replicas,
      unnamed,
      endpoints,
    });
  }
  return { defaults, services, requests };
}

interface Visitor {
  request(request: Omit<SurveyedRequest, 'from'>): void;
  step(where: string, value: Readonly<Record<string, unknown>>): void;
}

/** The lists that a list of steps stands in, outermost first: a value may contain itself. */
type Ancestors = readonly unknown[];

/** @param share how often this list runs, on average, each time the endpoint does */
function walk(steps: unknown, where: string, share: number, within: Ancestors, visitor: Visitor): void {
  if (!Array.isArray(steps) || within.includes(steps) || within.length > MAX_NESTING) return;
  const here = [...within, steps];
  for (const [index, step] of steps.entries()) {
    const at = `${where}[${index}]`;
    if (typeof step === 'string') {
      visitor.request({ kind: 'call', where: at, reference: step, method: undefined, options: {}, expected: share });
    } else if (Array.isArray(step)) walk(step, at, share, here, visitor);
    else if (isObject(step)) {
      visitor.step(at, step);
      walkObject(step, at, share, here, visitor);
    }
  }
}

function walkObject(
  step: Readonly<Record<string, unknown>>,
  at: string,
  share: number,
  within: Ancestors,
  visitor: Visitor,
): void {
  for (const kind of ['call', 'send'] as const) {
    const reference = step[kind];
    if (typeof reference !== 'string') continue;
    const method = kind === 'send' ? 'POST' : typeof step.method === 'string' ? step.method : undefined;
    const expected = share * expectedOf(step);
    visitor.request({ kind, where: `${at}.${kind}`, reference, method, options: step, expected });
  }
  for (const kind of ['parallel', 'sequence']) walk(step[kind], `${at}.${kind}`, share, within, visitor);
  if (!Array.isArray(step.oneOf)) return;
  const weights = step.oneOf.map((branch) => (isObject(branch) ? asWeight(branch.weight) : 0));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  for (const [index, branch] of step.oneOf.entries()) {
    if (!isObject(branch)) continue;
    const part = total > 0 ? (weights[index] ?? 0) / total : 0;
    walk(branch.steps, `${at}.oneOf[${index}].steps`, share * part, within, visitor);
  }
}

function asWeight(value: unknown): number {
  return typeof value === 'number' && value > 0 && value < Number.POSITIVE_INFINITY ? value : 0;
}

/** Probability times count; a faulty one counts as 1. */
function expectedOf({ probability = 1, count = 1 }: Readonly<Record<string, unknown>>): number {
  const likely = typeof probability === 'number' && probability >= 0 && probability <= 1 ? probability : 1;
  return likely * (isDistribution(count) ? meanCount(count) : 1);
}

const countShape = distribution();

function isDistribution(value: unknown): value is Distribution {
  let faults = 0;
  const report = () => {
    faults += 1;
  };
  countShape.check(value, '', { report, refine: true, ancestors: [] });
  return faults === 0;
}

function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return isObject(value) ? Object.entries(value) : [];
}
