import { LIMITS } from './contract';
import { distribution, distributionSchema } from './distribution-shape';
import { callFault, endpointRule, faultDefinitions, serviceRule, stepFault } from './fault-shape';
import {
  answerPolicies,
  breaker,
  callPolicies,
  concurrency,
  fallback,
  hedge,
  limit,
  retryBudget,
  serviceConcurrency,
} from './resilience-shape';
import { SCENARIO_DEFINITIONS, scenariosShape } from './scenario-shape';
import {
  byType,
  choice,
  describe,
  flag,
  type JsonSchema,
  list,
  named,
  number,
  object,
  record,
  recursive,
  type Shape,
  text,
  variants,
} from './shape';

/** What a topology may look like: the shape behind the types of `spec.ts`, and the JSON Schema that editors use. */

/** A DNS label that begins with a letter: RFC 1035's, in lower case. */
const LABEL = /^[a-z]([a-z0-9-]*[a-z0-9])?$/;
export const TOPOLOGY_NAME = /^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/;
const NAME_RULE = 'a DNS label: 1 to 32 lower-case letters, digits and dashes, a letter first and no dash last';
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
/** Node's timers hold no more than 2^31 ms; a day is far beyond any use here. */
const DAY_MS = 86_400_000;
const MOST_CALLS = 10_000;

const endpointKey =
  /^(GET|POST|PUT|PATCH|DELETE) \/(([A-Za-z0-9._~-]+|:[A-Za-z_][A-Za-z0-9_]*)(\/([A-Za-z0-9._~-]+|:[A-Za-z_][A-Za-z0-9_]*))*)?$/;

const wait = number({ min: 0, max: DAY_MS });
const probability = describe('How likely it happens.', number({ min: 0, max: 1 }));
const time = distribution({ limit: DAY_MS, why: 'a day' });
const count = distribution({ limit: MOST_CALLS, why: 'calls from one step' });
const requestBytes = distribution({ limit: LIMITS.bodyBytes, why: 'the most that a node takes in' });
const responseBytes = distribution({ limit: LIMITS.answerBytes, why: 'the most that a caller takes in' });
const workBytes = distribution({ limit: 2 ** 32, why: '4 GiB' });
const deadlineMs = describe('Whole time an edge request or a queued send may take.', number({ min: 1, max: DAY_MS }));
const timeoutMs = describe('Time that one attempt may take.', number({ above: 0, max: DAY_MS }));
const server = describe('What serves requests.', choice(['koa', 'http']));
const client = describe('What sends requests.', choice(['got', 'undici']));
const replicas = describe('How many instances run.', number({ min: 1, max: 1_000, whole: true }));

const retryCount = number({ min: 0, max: 100, whole: true });
const retriesShape = byType(
  {
    number: retryCount,
    object: object(
      {
        max: retryCount,
        backoffMs: wait,
        maxBackoffMs: wait,
        jitter: number({ min: 0, max: 1 }),
        budget: describe('How much retries may add to the calls to a service.', retryBudget),
      },
      ['max'],
    ),
  },
  'number of retries',
);
const retries = named('retries', retriesShape);

const id = describe(
  'Names the step in draws and events.',
  text(/^[A-Za-z0-9._-]{1,64}$/, 'a step id: 1 to 64 letters, digits, dots, dashes or underscores'),
);
const callee = describe(
  'service, or service METHOD /path',
  text(/^[^\s]+( [A-Z]+ \/\S*)?$/, 'a callee: "service" or "service METHOD /path"'),
);

const callFaults = describe('What goes wrong on purpose, drawn for each attempt.', list(named('callFault', callFault)));
const outgoing = {
  id,
  probability,
  count,
  timeoutMs,
  retries,
  requestBytes,
  optional: flag,
  faults: callFaults,
  ...callPolicies,
};
const callShape = object({ call: callee, method: choice(METHODS), ...outgoing, ...answerPolicies }, ['call']);
const call = named('call', callShape);
const send = object({ send: callee, ...outgoing }, ['send']);
const group = (key: string): Shape => object({ [key]: list(step, { min: 1 }), id }, [key]);
const weight = number({ min: 0, max: 1e9 });
const work = object({ latencyMs: time, cpuMs: time, memoryBytes: workBytes, diskBytes: workBytes });

const step: Shape = recursive('step', () => stepShape);
const callItem: Shape = recursive('callItem', () => callItemShape);

const stepShape = byType(
  {
    string: callee,
    list: list(step, { min: 1 }),
    object: variants(
      {
        call,
        send,
        parallel: group('parallel'),
        sequence: group('sequence'),
        oneOf: object({ oneOf: list(object({ weight, steps: list(step) }, ['weight', 'steps']), { min: 1 }), id }, [
          'oneOf',
        ]),
        work: object({ work, id }, ['work']),
        fault: stepFault,
      },
      'step',
    ),
  },
  'step',
);

const callItemShape = byType({ string: callee, list: list(callItem, { min: 1 }), object: call }, 'call');

export const ENDPOINT_FIELDS: Readonly<Record<string, Shape>> = {
  weight: describe("Share of the edge's traffic.", weight),
  latencyMs: describe('Short for a first step { work: { latencyMs } }.', time),
  requestBytes: describe('Body size that the load driver sends.', requestBytes),
  responseBytes: describe("Payload in an answer, apart from the callees' answers.", responseBytes),
  deadlineMs,
  calls: describe('Short for steps where all of them are calls; a nested list runs in parallel.', list(callItem)),
  steps: describe('What the endpoint does, in order; a nested list runs in parallel.', list(step)),
};

const endpoint = object({
  ...ENDPOINT_FIELDS,
  concurrency,
  faults: describe('What goes wrong on purpose with its requests.', list(named('endpointFault', endpointRule))),
});

/** What calls have when they don't say otherwise. */
const callDefaults = { timeoutMs, retries, ...callPolicies, ...answerPolicies };

const service = object({
  edge: describe('Behind the load balancer.', flag),
  replicas,
  server,
  client,
  concurrency: serviceConcurrency,
  callDefaults: describe('What its calls have when they state nothing else.', object(callDefaults)),
  endpoints: describe(
    'By METHOD /path.',
    record(named('endpoint', endpoint), endpointKey, 'endpoint: METHOD /path, such as "GET /items/:id"'),
  ),
  aws: object({ instanceType: text(/^[a-z0-9-]+\.[a-z0-9-]+$/, 'an instance type, such as "t4g.nano"') }),
  faults: describe('What goes wrong on purpose.', list(named('serviceFault', serviceRule))),
  ...ENDPOINT_FIELDS,
});

export const topologyShape = object(
  {
    $schema: describe("For editors: this schema's place.", text(/./, 'a path or URL')),
    name: describe("The file's base name where left out.", text(TOPOLOGY_NAME, NAME_RULE)),
    seed: describe(
      'What every draw depends on; the name where left out.',
      text(/^[\s\S]{1,200}$/, 'a text of 1 to 200 characters'),
    ),
    defaults: object({ server, client, replicas, deadlineMs, responseBytes, concurrency, ...callDefaults }),
    services: record(
      named('service', service),
      LABEL,
      'service name: lower-case letters, digits and dashes, a letter first and no dash last',
    ),
    scenarios: describe('Timed faults and changes, with what is expected of them, by name.', scenariosShape),
  },
  ['services'],
);

/** What the schema's `$ref`s mean. */
export const DEFINITIONS: Readonly<Record<string, JsonSchema>> = {
  service: service.schema,
  endpoint: endpoint.schema,
  step: stepShape.schema,
  callItem: callItemShape.schema,
  retries: retriesShape.schema,
  distribution: distributionSchema,
  callFault: callFault.schema,
  endpointFault: endpointRule.schema,
  serviceFault: serviceRule.schema,
  limit: limit.schema,
  breaker: breaker.schema,
  hedge: hedge.schema,
  fallback: fallback.schema,
  call: callShape.schema,
  ...SCENARIO_DEFINITIONS,
  ...faultDefinitions(),
};
