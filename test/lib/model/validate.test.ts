import test from 'ava';
import fc from 'fast-check';
import { resolve } from '../../../lib/model/resolve';
import type { TopologySpec } from '../../../lib/model/spec';
import { formatFault } from '../../../lib/model/user-error';
import { validate } from '../../../lib/model/validate';

/** A faultless service beside the one under test. */
const b = { latencyMs: 1 };
const named = { endpoints: { 'GET /items': {}, 'POST /items': {} } };
const web = (fields: object, others: object = { b }) => ({ services: { web: { edge: true, ...fields }, ...others } });
const steps = (...list: unknown[]) => web({ steps: [...list, 'b'] });
const latency = (distribution: unknown) => web({ latencyMs: distribution, calls: ['b'] });
const nest = (levels: number): unknown => (levels === 0 ? 'b' : [nest(levels - 1)]);

const selfContaining: unknown[] = ['b'];
selfContaining.push(selfContaining, selfContaining);

/** What is written, and each fault expected of it: all of them, in order. */
const TABLE: readonly (readonly [rule: string, value: unknown, ...faults: readonly string[]])[] = [
  ['a value of another kind', 7, 'topology: 7 is no object; give an object: { ... }'],
  ['no services', {}, 'topology: services is missing; add services'],
  ['an empty list of services', { services: {} }, 'services: it is empty; add at least one service name'],
  ['an unknown key at the top', { ...web({ calls: ['b'] }), sede: 'x' }, 'sede: unknown key; did you mean seed?'],
  [
    'an unknown key of a service',
    web({ replica: 2, calls: ['b'] }),
    'services.web.replica: unknown key; did you mean replicas?',
  ],
  [
    'an unknown key of an endpoint',
    web({ endpoints: { 'GET /': { calls: ['b'], latencyMS: 1 } } }),
    'services.web.endpoints["GET /"].latencyMS: unknown key; did you mean latencyMs?',
  ],
  [
    'an unknown key of a call',
    steps({ call: 'b', optionl: true }),
    'services.web.steps[0].optionl: unknown key; did you mean optional?',
  ],
  [
    'an unknown kind of step',
    steps({ sned: 'b' }),
    'services.web.steps[0]: {"sned":"b"} is no step; did you mean send?',
  ],
  [
    'a step of two kinds',
    steps({ call: 'b', send: 'b' }),
    'services.web.steps[0]: it is call and send at once; give exactly one of call, send, parallel, sequence, oneOf, work, fault',
  ],
  [
    'a wrong type',
    web({ edge: 'yes', calls: ['b'] }),
    'services.web.edge: "yes" is neither true nor false; give true or false',
  ],
  [
    'null, as an empty key in YAML',
    web({ calls: null }, {}),
    'services.web.calls: null is no list; give a list: [ ... ]',
  ],
  [
    'an unknown server',
    web({ server: 'kao', calls: ['b'] }),
    'services.web.server: "kao" is none of the choices; did you mean koa?',
  ],
  [
    'an undefined callee',
    web({ calls: ['catlog'] }, { catalog: b }),
    'services.web.calls[0]: there is no service "catlog"; did you mean catalog?',
  ],
  [
    'an undefined callee that is near none',
    web({ calls: ['b', ['zebra']] }),
    'services.web.calls[1][0]: there is no service "zebra"; use web or b',
  ],
  [
    'an undefined endpoint',
    web({ calls: ['b GET /item'] }, { b: named }),
    'services.web.calls[0]: b has no endpoint "GET /item"; did you mean "b GET /items"?',
  ],
  [
    'another method of a default endpoint',
    web({ calls: ['b POST /'] }),
    'services.web.calls[0]: b has no endpoint "POST /"; write "b"; its default endpoint takes every method, which is given as method',
  ],
  [
    'an ambiguous callee',
    web({ calls: ['b'] }, { b: named }),
    'services.web.calls[0]: "b" could mean any of 2 endpoints; write "b GET /items" or "b POST /items"',
  ],
  [
    'a send to an endpoint that is no POST',
    web({ steps: [{ send: 'b GET /items' }] }, { b: named }),
    'services.web.steps[0].send: a send is a POST, and "GET /items" is none; send to a POST endpoint, or make it a call',
  ],
  [
    'a send to a service without a POST',
    web({ steps: [{ send: 'b' }] }, { b: { endpoints: { 'GET /items': {} } } }),
    'services.web.steps[0].send: b has no POST endpoint; it has GET /items',
  ],
  [
    'a method against the endpoint',
    web({ calls: [{ call: 'b GET /items', method: 'POST' }] }, { b: named }),
    "services.web.calls[0].call: the method is POST, the endpoint's is GET; leave the method out",
  ],
  [
    'a body with GET',
    web({ calls: [{ call: 'b GET /items', requestBytes: 9 }] }, { b: named }),
    'services.web.calls[0].requestBytes: a GET request has no body; leave it out, or call a POST endpoint',
  ],
  [
    'a body to a GET endpoint of the edge',
    web({ endpoints: { 'GET /': { requestBytes: 9 } } }, {}),
    'services.web.endpoints["GET /"].requestBytes: a GET request has no body; leave it out, or make the endpoint a POST',
  ],
  [
    "the driver's body behind the edge",
    web({ calls: ['b'] }, { b: { requestBytes: 9 } }),
    'services.b.requestBytes: it is what the load driver sends, and this service is not at the edge; give requestBytes to the calls instead',
  ],
  [
    'a weight behind the edge',
    web({ calls: ['b'] }, { b: { weight: 2 } }),
    "services.b.weight: it shares out the edge's traffic, and this service is not at the edge; leave it out",
  ],
  [
    'calls and steps',
    web({ calls: ['b'], steps: ['b'] }),
    'services.web: it has both calls and steps; write all of them, in order, as steps',
  ],
  [
    'default-endpoint fields beside endpoints',
    web({ latencyMs: 1, endpoints: { 'GET /': { calls: ['b'] } } }),
    'services.web.latencyMs: it stands beside endpoints, and would belong to none; move it into one of the endpoints',
  ],
  [
    'a malformed endpoint',
    web({ endpoints: { 'get /': { calls: ['b'] } } }),
    'services.web.endpoints["get /"]: "get /" is no endpoint: METHOD /path, such as "GET /items/:id"; rename it',
  ],
  [
    'two endpoints for one route',
    web({ endpoints: { 'GET /a/:x': { calls: ['b'] }, 'GET /a/:y': {}, 'POST /a/:y': {} } }),
    'services.web.endpoints["GET /a/:y"]: it takes the same requests as "GET /a/:x"; keep one of the two',
  ],
  [
    'a name twice in a path',
    web({ endpoints: { 'GET /:x/:x': { calls: ['b'] } } }),
    'services.web.endpoints["GET /:x/:x"]: :x stands in the path twice; rename one of them',
  ],
  [
    'a reserved path',
    web({ endpoints: { 'POST /readyz': { calls: ['b'] } } }),
    'services.web.endpoints["POST /readyz"]: /readyz is reserved for the node\'s own state; choose another path',
  ],
  [
    'an id twice',
    steps({ call: 'b', id: 'x' }, [{ work: {}, id: 'x' }]),
    'services.web.steps[1][0].id: "x" is already the id of services.web.steps[0]; give each step an id of its own',
  ],
  [
    'an id that could be one of ours',
    steps({ call: 'b', id: 'work#1' }),
    'services.web.steps[0].id: "work#1" does not fit; give a step id: 1 to 64 letters, digits, dots, dashes or underscores',
  ],
  [
    'a cycle in which every call is certain',
    web({ calls: ['b'] }, { b: { calls: ['c'] }, c: { calls: ['b'] } }),
    'services.c: a request comes back to where it was at least once on average, so calls never end: c GET / -> b GET / -> c GET /; give a call of the cycle a lower probability or count, or leave one out',
  ],
  [
    'a cycle that its probability does not end',
    web({ calls: ['b'] }, { b: { steps: [{ call: 'b', probability: 0.5, count: 2 }] } }),
    'services.b: a request comes back to where it was at least once on average, so calls never end: b GET / -> b GET /; give a call of the cycle a lower probability or count, or leave one out',
  ],
  [
    'an unreachable service',
    web({}),
    'services.b: no request from the edge reaches it; call it from somewhere, or leave it out',
  ],
  [
    'no edge',
    { services: { b } },
    'services: none of them is at the edge, so no request comes in; add edge: true to the one that users reach',
  ],
  [
    'no traffic',
    web({ weight: 0, calls: ['b'] }),
    'services: the weights of all edge endpoints are 0, so there is no traffic; raise one of them',
  ],
  [
    'a probability out of range',
    steps({ call: 'b', probability: 1.5 }),
    'services.web.steps[0].probability: 1.5 is above 1; give a number from 0 to 1',
  ],
  [
    'no replicas',
    web({ replicas: 0, calls: ['b'] }),
    'services.web.replicas: 0 is below 1; give a whole number from 1 to 1000',
  ],
  [
    'half a replica',
    web({ replicas: 1.5, calls: ['b'] }),
    'services.web.replicas: 1.5 is no whole number; give a whole number from 1 to 1000',
  ],
  [
    'a time that is no time',
    steps({ call: 'b', timeoutMs: 0 }),
    'services.web.steps[0].timeoutMs: 0 is not above 0; give a number above 0 and at most 86400000',
  ],
  ['a negative latency', latency(-1), 'services.web.latencyMs: -1 is below 0; give a number of at least 0'],
  [
    'a latency that is no number',
    latency(Number.NaN),
    'services.web.latencyMs: NaN is no finite number; give a number of at least 0',
  ],
  [
    'an unknown distribution',
    latency({ pareto: 1 }),
    'services.web.latencyMs: {"pareto":1} is no distribution; give exactly one of constant, uniform, normal, lognormal, exponential, percentiles',
  ],
  [
    'a uniform that falls',
    latency({ uniform: [3, 1] }),
    'services.web.latencyMs.uniform: it falls from 3 to 1; write the lower end first',
  ],
  [
    'a uniform with one end',
    latency({ uniform: [3] }),
    'services.web.latencyMs.uniform: the list has 1 items; give exactly 2',
  ],
  [
    'a distribution without a parameter',
    latency({ lognormal: { median: 3 } }),
    'services.web.latencyMs.lognormal: sigma is missing; add sigma',
  ],
  [
    'bounds the wrong way round',
    latency({ normal: { mean: 3, stddev: 1, min: 5, max: 2 } }),
    'services.web.latencyMs.normal: min 5 is above max 2; swap them',
  ],
  [
    'percentiles that fall',
    latency({ percentiles: { p99: 2, p50: 3 } }),
    'services.web.latencyMs.percentiles: it falls from p50 = 3 to p99 = 2; values must not fall as percentiles rise',
  ],
  [
    'percentiles above their max',
    latency({ percentiles: { p50: 3, max: 2 } }),
    'services.web.latencyMs.percentiles: it falls from p50 = 3 to max = 2; values must not fall as percentiles rise',
  ],
  [
    'no percentile',
    latency({ percentiles: { max: 2 } }),
    'services.web.latencyMs.percentiles: it has no percentile; add one, such as p50',
  ],
  [
    'a percentile twice',
    latency({ percentiles: { p50: 2, 'p50.0': 2 } }),
    'services.web.latencyMs.percentiles: p50 stands there twice; keep one of them',
  ],
  [
    'a hundredth percentile',
    latency({ percentiles: { p50: 2, p100: 3 } }),
    'services.web.latencyMs.percentiles.p100: no percentile above 0 and below 100; use min and max for the ends',
  ],
  [
    'a body that no node takes in',
    steps({ call: 'b', requestBytes: 2_000_000 }),
    'services.web.steps[0].requestBytes: it reaches 2000000, above 1048576 (the most that a node takes in); keep it below 1048576',
  ],
  [
    'a negative weight',
    steps({ oneOf: [{ weight: -1, steps: [] }] }),
    'services.web.steps[0].oneOf[0].weight: -1 is below 0; give a number from 0 to 1000000000',
  ],
  [
    'weights of nothing',
    steps({ oneOf: [{ weight: 0, steps: [] }] }),
    'services.web.steps[0].oneOf: all weights are 0, so no branch can be chosen; raise one of them',
  ],
  [
    'retries without a number',
    steps({ call: 'b', retries: { jitter: 2 } }),
    'services.web.steps[0].retries.jitter: 2 is above 1; give a number from 0 to 1',
    'services.web.steps[0].retries: max is missing; add max',
  ],
  [
    'a service name that is no label',
    web({ calls: ['b', 'B_1'] }, { b, B_1: b }),
    'services.B_1: "B_1" is no service name: lower-case letters, digits and dashes, a letter first and no dash last; rename it',
  ],
  [
    'a service name without room for its replicas',
    web({ calls: ['a'.repeat(61)] }, { ['a'.repeat(61)]: { replicas: 10 } }),
    `services.${'a'.repeat(61)}: the name has 61 characters, 64 with its replica's number; shorten it: a DNS label holds 63`,
  ],
  [
    'the name of the driver',
    web({ calls: ['client'] }, { client: b }),
    'services.client: client is the name under which the load driver logs; rename it',
  ],
  [
    'a service called as an instance of another',
    web({ calls: ['b', 'b-1', 'b-2'] }, { b, 'b-1': b, 'b-2': b }),
    'services["b-1"]: b-1 is also what an instance of b is called; rename one of them',
  ],
  [
    'a topology name that is no label',
    { name: 'Shop', ...web({ calls: ['b'] }) },
    'name: "Shop" does not fit; give a DNS label: 1 to 32 lower-case letters, digits and dashes, a letter first and no dash last',
  ],
  [
    'steps nested too deep',
    steps(nest(33)),
    `services.web.steps[0]${'[0]'.repeat(32)}: it is nested deeper than 32; move inner steps to a service of their own`,
  ],
  [
    'steps that contain themselves',
    steps(selfContaining),
    'services.web.steps[0][1]: it contains itself; write the steps out',
    'services.web.steps[0][2]: it contains itself; write the steps out',
  ],
  [
    'too many calls of one step',
    steps({ call: 'b', count: 20_000 }),
    'services.web.steps[0].count: it reaches 20000, above 10000 (calls from one step); keep it below 10000',
    'services.web: one request to "GET /" leads to 20001 calls on average, above 10000; lower counts or probabilities on the way',
  ],
  [
    'too many calls over several hops',
    web({ calls: [{ call: 'b', count: 200 }] }, { b: { calls: [{ call: 'c', count: 200 }] }, c: {} }),
    'services.web: one request to "GET /" leads to 40200 calls on average, above 10000; lower counts or probabilities on the way',
  ],
];

for (const [rule, value, ...faults] of TABLE) {
  test(`validation finds ${rule}`, (t) => {
    t.deepEqual(validate(value).map(formatFault), faults);
  });
}

const ALLOWED: readonly (readonly [what: string, value: unknown])[] = [
  ['a cycle that a probability ends', web({ calls: ['b'] }, { b: { steps: [{ call: 'b', probability: 0.9 }] } })],
  [
    'a cycle that an alternative avoids',
    web(
      { calls: ['b'] },
      {
        b: {
          steps: [
            {
              oneOf: [
                { weight: 1, steps: ['b'] },
                { weight: 1, steps: [] },
              ],
            },
          ],
        },
      },
    ),
  ],
  [
    'a cycle of services over endpoints that end',
    web({ endpoints: { 'GET /': { calls: ['b'] }, 'GET /x': {} } }, { b: { calls: ['web GET /x'] } }),
  ],
  ['steps nested 32 deep', steps(nest(32))],
  ['a body that makes a call a POST', steps({ call: 'b', requestBytes: 9 })],
  [
    'one value that stands in two places',
    web({ endpoints: { 'GET /': named.endpoints['GET /items'], 'GET /x': named.endpoints['GET /items'] } }, {}),
  ],
  ['fields that are undefined', web({ calls: ['b'], steps: undefined, replicas: undefined })],
];

for (const [what, value] of ALLOWED) {
  test(`validation allows ${what}`, (t) => {
    t.deepEqual(validate(value), []);
    t.notThrows(() => resolve(value as TopologySpec, 'x'));
  });
}

test('the fall-back name is checked only where the topology has none', (t) => {
  t.deepEqual(
    validate(web({ calls: ['b'] }), 'My_file').map(({ where }) => where),
    ['name'],
  );
  t.deepEqual(validate({ name: 'shop', ...web({ calls: ['b'] }) }, 'My_file'), []);
});

test('faults of every kind are found at once, and one fault does not drag others behind it', (t) => {
  const faults = validate({
    services: {
      web: { edge: true, replicas: 0, calls: ['catlog', { call: 'catalog', probability: 2 }] },
      catalog: { latencyMs: -1 },
    },
  });
  t.deepEqual(
    faults.map(({ where }) => where),
    [
      'services.web.replicas',
      'services.web.calls[1].probability',
      'services.catalog.latencyMs',
      'services.web.calls[0]',
    ],
  );
});

/** Values that look like a topology in places, so that every rule meets every type. */
const keys = fc.constantFrom(
  'services',
  'web',
  'b',
  'calls',
  'steps',
  'endpoints',
  'GET /',
  'call',
  'send',
  'oneOf',
  'parallel',
  'work',
  'latencyMs',
  'percentiles',
  'p50',
  'count',
  'retries',
  'edge',
  'id',
  'weight',
  '__proto__',
  'constructor',
);
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 8, withCrossShrink: true },
    fc.constantFrom<unknown>(
      null,
      true,
      'b',
      'web GET /',
      0,
      -1,
      1.5,
      Number.NaN,
      'x y z',
      undefined,
      10n,
      Symbol('s'),
    ),
    fc.jsonValue(),
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.array(fc.tuple(keys, tie('tree')), { maxLength: 6 }).map((entries) => Object.fromEntries(entries)),
  ),
}));

test('validation never throws, and what it accepts resolves', (t) => {
  fc.assert(
    fc.property(fc.oneof(tree, fc.record({ services: fc.record({ web: tree, b: tree }) })), (value) => {
      if (validate(value, 'x').length === 0) resolve(value as TopologySpec, 'x');
      t.pass();
    }),
    { numRuns: 2000 },
  );
});
