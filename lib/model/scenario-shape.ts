import { distribution } from './distribution-shape';
import { DURATION_TEXT, durationMs } from './duration-text';
import { scenarioRule } from './fault-shape';
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
  type Report,
  record,
  refine,
  type Shape,
  show,
  text,
  variants,
} from './shape';

/** What a scenario may look like: the shape behind the types of `scenario-spec.ts`. */

const HOUR_MS = 3_600_000;
/** More is no scenario but a mistake; each step is a change of what runs. */
const MOST_STEPS = 100;
const MOST_REPLICAS = 100;
const MAX_RATE = 1_000_000;
const DAY_MS = 86_400_000;
const GIB = 2 ** 30;

function duration(least: 'zero' | 'above zero'): Shape {
  return refine(text(DURATION_TEXT, 'a duration, such as 500ms, 30s or 1.5m'), (value, where, report) => {
    const ms = durationMs(value as string);
    if (ms > HOUR_MS) report(where, `${show(value)} is longer than an hour`, 'give at most 1h');
    if (ms === 0 && least === 'above zero') report(where, `${show(value)} is no time`, 'give more');
  });
}

const name = text(/^[A-Za-z0-9._-]{1,64}$/, 'a name: 1 to 64 letters, digits, dots, dashes or underscores');
const service = text(/^[a-z]([a-z0-9-]*[a-z0-9])?$/, 'the name of a service');
const endpoint = text(/^[A-Z]+ \/\S*$/, 'METHOD /path');
const callee = text(/^[^\s]+( [A-Z]+ \/\S*)?$/, 'a callee: "service" or "service METHOD /path"');
const wait = duration('above zero');

const rate = number({ min: 0, max: MAX_RATE });
const phase = object(
  {
    name: describe('By which expectations name it.', name),
    rate: describe(
      'Requests per second; 0 is a pause.',
      byType({ number: rate, object: object({ from: rate, to: rate }, ['from', 'to']) }, 'rate'),
    ),
    for: wait,
  },
  ['rate', 'for'],
);
const load = refine(
  object({ arrivals: choice(['constant', 'poisson']), phases: list(phase, { min: 1, max: MOST_STEPS }) }, ['phases']),
  checkPauses,
);

const timed = {
  at: describe("Since the traffic's start, its warm-up not counted.", duration('zero')),
  for: describe('How long it stands.', wait),
  name: describe('By which the log and expectations name it.', name),
};
const workAmounts = {
  latencyMs: distribution({ limit: DAY_MS, why: 'a day' }),
  cpuMs: distribution({ limit: DAY_MS, why: 'a day' }),
  memoryBytes: distribution({ limit: 4 * GIB, why: '4 GiB' }),
  diskBytes: distribution({ limit: 4 * GIB, why: '4 GiB' }),
};
const CHANGES: Readonly<Record<string, Shape>> = {
  fault: describe('A fault, as a rule of the service.', scenarioRule(service)),
  connect: object(
    {
      from: service,
      endpoint,
      to: callee,
      probability: number({ min: 0, max: 1 }),
      timeoutMs: number({ above: 0, max: DAY_MS }),
      optional: flag,
    },
    ['from', 'to'],
  ),
  disconnect: object({ from: service, endpoint, to: callee }, ['from', 'to']),
  work: refine(object({ service, endpoint, ...workAmounts }, ['service']), checkChangesWork),
  scale: object({ service, replicas: number({ min: 1, max: MOST_REPLICAS, whole: true }) }, ['service', 'replicas']),
};
const step = variants(
  Object.fromEntries(
    Object.entries(CHANGES).map(([kind, shape]) => [kind, object({ ...timed, [kind]: shape }, ['at', kind])]),
  ),
  'step of a scenario',
);

const latencyLimit = object(
  { percentile: number({ above: 0, max: 100 }), atMostMs: number({ above: 0, max: DAY_MS }) },
  ['percentile', 'atMostMs'],
);
const limit = named('latencyLimit', latencyLimit);
const errors = object({ atMost: describe('A share, from 0 to 1.', number({ min: 0, max: 1 })) }, ['atMost']);
const subject = byType({ string: callee, object: object({ from: service, to: callee }, ['from', 'to']) }, 'subject');
const expected = {
  name: describe('What is meant by it.', text(/^[^\p{Cc}]{1,100}$/u, 'a line of at most 100 characters')),
  of: describe(
    'Whose requests: a service, one of its endpoints, or what a caller tried; all of the client where left out.',
    named('subject', subject),
  ),
};
const stretch = byType({ string: name, object: object({ from: duration('zero'), to: wait }) }, 'stretch of time');
const during = describe('A phase, a step while it stands, or a stretch of time.', named('stretch', stretch));
const recovered = refine(
  object({ after: name, within: wait, responseTime: limit, serviceTime: limit, errors }, ['after', 'within']),
  checkDemands,
);
const expectation = variants(
  {
    responseTime: object({ ...expected, during, responseTime: limit }, ['responseTime']),
    serviceTime: object({ ...expected, during, serviceTime: limit }, ['serviceTime']),
    errors: object({ ...expected, during, errors }, ['errors']),
    throughput: object(
      { ...expected, during, throughput: object({ atLeast: number({ above: 0, max: MAX_RATE }) }, ['atLeast']) },
      ['throughput'],
    ),
    recovered: object({ ...expected, recovered }, ['recovered']),
  },
  'expectation',
);

export const scenarioShape = object({
  description: text(/^[^\p{Cc}]{1,500}$/u, 'a line of at most 500 characters'),
  load: describe('Rates over time; what the command line says goes first.', load),
  steps: describe('Faults and changes, each at its time.', list(step, { max: MOST_STEPS })),
  expect: describe('What the check answers.', list(expectation, { max: MOST_STEPS })),
});

/** What the schema's `$ref`s within scenarios mean. */
export const SCENARIO_DEFINITIONS: Readonly<Record<string, JsonSchema>> = {
  scenario: scenarioShape.schema,
  subject: subject.schema,
  stretch: stretch.schema,
  latencyLimit: latencyLimit.schema,
};

export const SCENARIO_NAME = /^[a-z][a-z0-9-]{0,31}$/;

export const scenariosShape = record(
  named('scenario', scenarioShape),
  SCENARIO_NAME,
  'scenario name: 1 to 32 lower-case letters, digits and dashes, a letter first',
);

function checkPauses(value: unknown, where: string, report: Report): void {
  const { phases } = value as { readonly phases: readonly { readonly rate: number | { from: number; to: number } }[] };
  const isPause = ({ rate: given }: (typeof phases)[number]): boolean =>
    typeof given === 'number' ? given === 0 : given.from + given.to === 0;
  if (phases.every(isPause)) report(`${where}.phases`, 'all phases are pauses', 'give one a rate above 0');
}

function checkChangesWork(value: unknown, where: string, report: Report): void {
  if (Object.keys(workAmounts).some((amount) => (value as Readonly<Record<string, unknown>>)[amount] !== undefined))
    return;
  report(where, 'it changes nothing', `give one of ${Object.keys(workAmounts).join(', ')}`);
}

function checkDemands(value: unknown, where: string, report: Report): void {
  const { responseTime, serviceTime, errors: share } = value as Readonly<Record<string, unknown>>;
  if (responseTime === undefined && serviceTime === undefined && share === undefined) {
    report(where, 'it does not say what must hold again', 'give errors, responseTime or serviceTime');
  }
}
