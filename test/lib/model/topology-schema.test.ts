import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv2020 from 'ajv/dist/2020';
import test from 'ava';
import fc from 'fast-check';
import { parse } from 'yaml';
import { loadTopology, topologyNames } from '../../../lib/model/load-topology';
import { SCHEMA_FILE, topologySchema } from '../../../lib/model/topology-schema';
import { topologyShape } from '../../../lib/model/topology-shape';

const root = join(__dirname, '..', '..', '..');
const accepts = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(topologySchema());

/** The faults that validation finds in the shape alone: types, keys and ranges. */
function shapeFaults(value: unknown): readonly string[] {
  const faults: string[] = [];
  const report = (where: string, problem: string) => faults.push(`${where}: ${problem}`);
  topologyShape.check(value, '', { report, refine: false, ancestors: [] });
  return faults;
}

test('the committed schema is the one that the code generates', (t) => {
  t.deepEqual(JSON.parse(readFileSync(join(root, SCHEMA_FILE), 'utf8')), topologySchema(), 'run: npm run schema');
});

test('the schema accepts every topology that ships', (t) => {
  for (const name of topologyNames({ cwd: root })) {
    t.notThrows(() => loadTopology(name, { cwd: root }));
    const path = join(root, 'topologies', name);
    const spec = existsSync(`${path}.yaml`) ? parse(readFileSync(`${path}.yaml`, 'utf8')) : require(path).default;
    t.true(accepts(JSON.parse(JSON.stringify(spec))), `${name}: ${JSON.stringify(accepts.errors)}`);
  }
});

const SAMPLES: readonly Readonly<Record<string, unknown>>[] = [
  {
    services: {
      web: { edge: true, replicas: 2, calls: ['a', ['b', ['c']], { call: 'a', method: 'PUT', retries: 2 }] },
    },
  },
  { name: 'x', seed: 's', defaults: { server: 'http', retries: { max: 1, jitter: 0.1 } }, services: { a: {} } },
  { services: { a: { endpoints: { 'GET /a/:id': { steps: [{ work: { cpuMs: { uniform: [1, 2] } }, id: 'w' }] } } } } },
  { services: { a: { steps: [{ oneOf: [{ weight: 1, steps: ['b'] }] }, { send: 'b', count: { constant: 2 } }] } } },
  {
    services: {
      a: { steps: [{ parallel: ['b', { sequence: ['c'] }] }] },
      b: { latencyMs: { percentiles: { p50: 1, 'p99.9': 2 } } },
    },
  },
  {
    services: {
      a: { latencyMs: { normal: { mean: 1, stddev: 1, min: 1 } }, responseBytes: { exponential: { mean: 9 } } },
    },
  },
  {
    defaults: { concurrency: { limit: 5 }, hedge: { afterMs: 9 }, fallback: false, breaker: false },
    services: {
      a: { concurrency: false, callDefaults: { timeoutMs: 5, fallback: { bytes: 3 }, hedge: false }, calls: ['b'] },
    },
  },
  {
    services: {
      a: {
        concurrency: { limit: 2, queue: 1 },
        faults: [
          { type: 'slow-body', args: { bytesPerSecond: 100 }, at: 'after', endpoint: 'GET /' },
          { type: 'crash', at: 'instance', fromRequest: 3, instances: ['a-1'] },
        ],
        steps: [
          { fault: 'latency', args: { delay: 5 }, probability: 0.5 },
          { call: 'b', faults: [{ type: 'error', args: { status: 503 } }], breaker: {}, hedge: { afterMs: 5 } },
          { call: 'b', bulkhead: false, fallback: { body: { b: null } }, retries: { max: 1, budget: { ratio: 0.1 } } },
        ],
      },
      b: { endpoints: { 'GET /': { faults: [{ type: 'hang', args: { duration: 9 }, at: 'before' }] } } },
    },
  },
  {
    services: { a: {} },
    scenarios: {
      bad: {
        load: { phases: [{ rate: 5, for: '10s' }] },
        steps: [
          { at: '1s', for: '2s', fault: { service: 'a', type: 'latency', args: { delay: 5 }, at: 'before' } },
          { at: '3s', scale: { service: 'a', replicas: 2 }, name: 'more' },
        ],
        expect: [
          { of: { from: 'a' }, during: { from: '1s', to: '2s' }, errors: { atMost: 0.1 } },
          { during: 'more', responseTime: { percentile: 99, atMostMs: 50 } },
          { recovered: { after: 'more', within: '5s', errors: { atMost: 0 } } },
        ],
      },
    },
  },
  { services: { a: { latencyMs: { lognormal: { median: 1, sigma: 0.5 } }, aws: { instanceType: 't4g.nano' } } } },
];

const replacement = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    '',
    'GET /',
    'b GET /x',
    'b  c',
    -1,
    0,
    0.5,
    1,
    1e12,
    [],
    {},
    [1, 2],
    { p50: 1 },
    { max: 1 },
  ),
  fc.constantFrom<unknown>(
    { constant: 1 },
    { uniform: [1] },
    { percentiles: { p0: 1 } },
    { percentiles: { p100: 1, p50: 1 } },
  ),
  fc.constantFrom<unknown>(
    { delay: 1 },
    { duration: 1 },
    { status: 500 },
    { type: 'error' },
    'latency',
    'call',
    '5s',
    false,
  ),
  fc.constantFrom<unknown>({ call: 'b', send: 'b' }, { work: { latencyMs: 1 } }, { call: 'b' }, ['b'], [[]], { a: {} }),
  fc.jsonValue(),
);

/** What may well stand under a key, so that many of the changed values are still topologies. */
const FITTING: Readonly<Record<string, unknown>> = {
  web: { edge: false, weight: 2 },
  a: { steps: [[{ send: 'b' }], { sequence: ['b'], id: 'x' }] },
  b: { endpoints: { 'POST /': {} } },
  calls: ['x POST /y', { call: 'z', optional: true }],
  steps: [],
  replicas: 7,
  retries: { max: 0, backoffMs: 0 },
  count: { percentiles: { p01: 1, 'p99.9': 2, max: 3 } },
  latencyMs: { normal: { mean: 0, stddev: 0 } },
  cpuMs: 0,
  method: 'DELETE',
  weight: 0,
  args: { delay: { constant: 3 } },
  type: 'reset',
  at: 'call',
  faults: [{ type: 'error' }],
  of: 'a GET /',
  during: 'more',
};

/** The value with one thing replaced, removed or added somewhere within it. */
function mutate(value: unknown, path: readonly number[], by: unknown, key: string): unknown {
  const [first = 0, ...rest] = path;
  if (value === null || typeof value !== 'object' || path.length === 0) return by;
  const entries = Object.entries(value);
  const index = first % (entries.length + 2);
  const [name, inner] = entries[index] ?? [];
  if (name === undefined) return Array.isArray(value) ? [...value, by] : { ...value, [key]: FITTING[key] ?? by };
  const within = () => (name in FITTING && first % 3 !== 0 ? FITTING[name] : mutate(inner, rest, by, key));
  const changed = entries.map(([k, v]) => [k, k === name ? within() : v] as const);
  const kept = rest.length === 0 && first % 5 === 0 ? changed.filter(([k]) => k !== name) : changed;
  return Array.isArray(value) ? kept.map(([, v]) => v) : Object.fromEntries(kept);
}

const keys = fc.constantFrom(
  'replicas',
  'calls',
  'steps',
  'x',
  'B_',
  'GET /x',
  'get /',
  'p50',
  'p0',
  'min',
  'max',
  'count',
  'id',
  'optional',
  'type',
  'args',
  'at',
  'probability',
  'callee',
);

test('the schema accepts and rejects what validation does on shape', (t) => {
  const seen = { accepted: 0, rejected: 0 };
  fc.assert(
    fc.property(
      fc.constantFrom(...SAMPLES),
      fc.array(fc.nat(20), { minLength: 1, maxLength: 9 }),
      replacement,
      keys,
      (sample, path, by, key) => {
        const [first = 0] = path;
        const { services } = sample;
        const value =
          first % 4 === 0
            ? mutate(sample, path, by, key)
            : 'scenarios' in sample
              ? { ...sample, scenarios: mutate(sample.scenarios, path.slice(1), by, key) }
              : { ...sample, services: mutate(services, path.slice(1), by, key) };
        const faults = shapeFaults(value);
        const accepted = accepts(value);
        t.is(
          accepted,
          faults.length === 0,
          `${JSON.stringify(value)}\n${faults.join('\n')}\n${JSON.stringify(accepts.errors)}`,
        );
        seen[accepted ? 'accepted' : 'rejected'] += 1;
      },
    ),
    { numRuns: 4_000 },
  );
  t.true(seen.accepted > 100 && seen.rejected > 100, JSON.stringify(seen));
});
