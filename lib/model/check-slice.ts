import { distribution } from './distribution-shape';
import { bareFault } from './fault-shape';
import { choice, flag, isObject, list, number, type Report, recursive, type Shape, show, text } from './shape';
import type { Fault } from './user-error';

/**
 * What a node demands of a slice that reaches it while it runs, whoever made it: everything that it would otherwise trip
 * over later. Fields that this version does not know are let through.
 */

const MOST = 2 ** 32;
const name = text(/^[a-z][a-z0-9-]{0,62}$/, 'a name: lower-case letters, digits and dashes');
const words = text(/^[^\p{Cc}]{1,200}$/u, '1 to 200 printable characters');
const time = number({ min: 0, max: 86_400_000 });
const share = number({ min: 0, max: 1 });
const amount = distribution({ limit: MOST, why: 'the most of anything' });
const count = distribution({ limit: 10_000, why: 'calls from one step' });
const method = choice(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']);
const path = text(/^\/[A-Za-z0-9._~:/-]{0,1000}$/, 'a path that begins with /');
const key = text(/^[A-Z]+ \/\S*$/, 'METHOD /path');
const fault = bareFault();

const limit = open({ limit: number({ min: 1, whole: true }), queue: number({ min: 0, whole: true }) });
const windowMs = number({ min: 1, max: 86_400_000 });
const breaker = open({
  consecutiveFailures: orNull(number({ min: 1, whole: true })),
  errorRate: orNull(open({ share, windowMs, minimumCalls: number({ min: 1 }) })),
  openMs: time,
  probes: number({ min: 1, whole: true }),
});
const fallback: Shape = {
  schema: {},
  check(value, where, context) {
    const isBody = isObject(value) && value.body !== undefined;
    if (!isBody) open({ bytes: number({ min: 0, max: MOST, whole: true }) }).check(value, where, context);
  },
};
const policies: Fields = { breaker, bulkhead: limit };
const callPolicies: Fields = { ...policies, fallback, hedge: open({ afterMs: time }) };

const outgoing: Fields = {
  id: words,
  service: name,
  endpoint: key,
  method,
  path,
  probability: share,
  count,
  timeoutMs: orNull(time),
  retries: open(
    { max: number({ min: 0, max: 100, whole: true }), backoffMs: time, maxBackoffMs: time, jitter: share },
    { budget: open({ ratio: number({ min: 0 }), minPerSecond: number({ min: 0 }), windowMs }) },
  ),
  requestBytes: orNull(amount),
  optional: flag,
  faults: list(open({ id: words, fault, probability: share })),
};

const step: Shape = recursive('resolvedStep', () => stepShape);
const group = open({ id: words, steps: list(step) });
const kinds: Readonly<Record<string, Shape>> = {
  call: open(outgoing, callPolicies),
  send: open(outgoing, policies),
  parallel: group,
  sequence: group,
  oneOf: open({ id: words, branches: list(open({ weight: number({ min: 0, max: 1e9 }), steps: list(step) })) }),
  work: open({
    id: words,
    latencyMs: orNull(amount),
    cpuMs: orNull(amount),
    memoryBytes: orNull(amount),
    diskBytes: orNull(amount),
  }),
  fault: open({ id: words, fault, probability: share }),
};
const stepShape: Shape = {
  schema: {},
  check(value, where, context) {
    const kind = isObject(value) ? value.kind : undefined;
    const shape = typeof kind === 'string' && Object.hasOwn(kinds, kind) ? kinds[kind] : undefined;
    if (shape) shape.check(value, where, context);
    else context.report(`${where}.kind`, `${show(kind)} is no kind of step`, `use ${Object.keys(kinds).join(', ')}`);
  },
};

const endpoint = open(
  {
    key,
    anyMethod: flag,
    method,
    path,
    deadlineMs: number({ min: 1, max: 86_400_000 }),
    responseBytes: amount,
    steps: list(step),
  },
  { concurrency: limit },
);

const rule = open(
  { id: words, fault, at: choice(['before', 'after', 'call', 'instance']), source: words },
  {
    endpoint: key,
    callee: words,
    probability: share,
    fromRequest: number({ min: 1, whole: true }),
    forMs: time,
    instances: list(name),
    priority: number({}),
    startsAt: instant(),
    expiresAt: instant(),
  },
);

const slice = open({
  topology: name,
  seed: text(/^[\s\S]{1,200}$/, 'a text of 1 to 200 characters'),
  epoch: number({ min: 0, max: 2 ** 31 - 1, whole: true }),
  edgePrefix: text(/^(\/[a-z0-9-]+)?$/, 'a path prefix, or nothing'),
  service: open(
    {
      name,
      edge: flag,
      server: choice(['koa', 'http']),
      client: choice(['got', 'undici']),
      endpoints: mapOf(endpoint),
      callees: list(name),
      callers: list(name),
      faults: list(rule),
    },
    { concurrency: limit },
  ),
});

/** Every fault of a value that should be a slice; none where a node can run it. */
export function sliceFaults(value: unknown): readonly Fault[] {
  const faults: Fault[] = [];
  const report: Report = (where, problem, remedy) => faults.push({ where: where || 'slice', problem, remedy });
  slice.check(value, 'slice', { report, refine: true, ancestors: [] });
  return faults;
}

type Fields = Readonly<Record<string, Shape>>;

/** An object with all of these fields, perhaps the optional ones, and any others. */
function open(required: Fields, optional: Fields = {}): Shape {
  return {
    schema: {},
    check(value, where, context) {
      if (!isObject(value)) return context.report(where, `${show(value)} is no object`, 'give an object: { ... }');
      for (const [field, shape] of Object.entries(required)) {
        if (value[field] === undefined) context.report(where, `${field} is missing`, `add ${field}`);
        else shape.check(value[field], `${where}.${field}`, context);
      }
      for (const [field, shape] of Object.entries(optional)) {
        if (value[field] !== undefined) shape.check(value[field], `${where}.${field}`, context);
      }
    },
  };
}

/** An object whose entries are of one shape, each with its name as its `key`. */
function mapOf(shape: Shape): Shape {
  return {
    schema: {},
    check(value, where, context) {
      if (!isObject(value)) return context.report(where, `${show(value)} is no object`, 'give an object: { ... }');
      for (const [entry, inner] of Object.entries(value)) {
        const at = `${where}[${JSON.stringify(entry)}]`;
        shape.check(inner, at, context);
        if (isObject(inner) && inner.key !== entry)
          context.report(at, `its key is ${show(inner.key)}`, 'make them one');
      }
    },
  };
}

function orNull(shape: Shape): Shape {
  return { schema: {}, check: (value, where, context) => value === null || shape.check(value, where, context) };
}

function instant(): Shape {
  return {
    schema: {},
    check(value, where, { report }) {
      if (typeof value !== 'string' || Number.isNaN(Date.parse(value)))
        report(where, `${show(value)} is no time`, 'give one as 2026-11-21T05:44:29Z');
    },
  };
}
