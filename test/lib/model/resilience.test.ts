import test from 'ava';
import { sliceFaults } from '../../../lib/model/check-slice';
import { resolve } from '../../../lib/model/resolve';
import { hashValue, sliceOf } from '../../../lib/model/slice';
import type { TopologySpec } from '../../../lib/model/spec';
import type { CallStep, Topology } from '../../../lib/model/topology';
import { formatFault } from '../../../lib/model/user-error';
import { validate } from '../../../lib/model/validate';
import { topologyFaults } from '../../../lib/model/written-topology';

const calling = (options: object, more: object = {}) => ({
  services: { web: { edge: true, calls: [{ call: 'b', ...options }] }, b: { replicas: 2 } },
  ...more,
});
const serving = (fields: object) => ({ services: { web: { edge: true, ...fields } } });
const at = 'services.web.calls[0]';

/** What is written, and every fault expected of it. */
const TABLE: readonly (readonly [rule: string, value: unknown, ...faults: readonly string[]])[] = [
  ['a limit without a number', serving({ concurrency: {} }), 'services.web.concurrency: limit is missing; add limit'],
  [
    'a limit of nothing',
    serving({ concurrency: { limit: 0, queue: -1 } }),
    'services.web.concurrency.limit: 0 is below 1; give a whole number from 1 to 100000',
    'services.web.concurrency.queue: -1 is below 0; give a whole number from 0 to 100000',
  ],
  ['a limit beside endpoints', serving({ concurrency: { limit: 3 }, endpoints: { 'GET /a': {} } })],
  [
    'a misspelt setting',
    calling({ breaker: { openMS: 3 } }),
    `${at}.breaker.openMS: unknown key; did you mean openMs?`,
  ],
  [
    'an error rate above 1',
    calling({ breaker: { errorRate: 50 } }),
    `${at}.breaker.errorRate: 50 is above 1; give a number above 0 and at most 1`,
  ],
  [
    'a window without an error rate',
    calling({ breaker: { windowMs: 1_000 } }),
    `${at}.breaker.windowMs: it belongs to errorRate; give errorRate too`,
  ],
  [
    'a fallback of two kinds',
    calling({ fallback: { body: 1, bytes: 1 } }),
    `${at}.fallback: it has both body and bytes; keep one of them`,
  ],
  [
    'a fallback that is no JSON',
    calling({ fallback: { body: () => 1 } }),
    `${at}.fallback.body: [object Function] is no JSON value; give one, or bytes in its place`,
  ],
  [
    'a fallback of a send',
    { services: { web: { edge: true, steps: [{ send: 'b', fallback: {} }] }, b: {} } },
    'services.web.steps[0].fallback: unknown key; use send, id, probability, count, timeoutMs, retries, requestBytes, optional, faults, bulkhead or breaker',
  ],
  [
    'a hedge of one instance',
    { services: { web: { edge: true, calls: [{ call: 'b', hedge: { afterMs: 5 } }] }, b: {} } },
    `${at}.hedge: b has one instance, and a hedge goes to another; give it replicas: 2`,
  ],
  [
    'a hedge after the time-out',
    calling({ hedge: { afterMs: 50 }, timeoutMs: 50 }),
    `${at}.hedge.afterMs: the call has timed out after 50 ms; hedge earlier`,
  ],
  [
    'a hedge after a time-out that its service gives',
    {
      services: {
        web: { edge: true, callDefaults: { timeoutMs: 9 }, calls: [{ call: 'b', hedge: { afterMs: 10 } }] },
        b: { replicas: 2 },
      },
    },
    `${at}.hedge.afterMs: the call has timed out after 9 ms; hedge earlier`,
  ],
  [
    'defaults that no call can have',
    {
      defaults: { timeoutMs: 20, hedge: { afterMs: 30 }, concurrency: { limit: 0 } },
      services: { web: { edge: true, callDefaults: { hedge: { afterMs: 25 }, breakers: {} }, calls: ['b'] }, b: {} },
    },
    'defaults.concurrency.limit: 0 is below 1; give a whole number from 1 to 100000',
    'services.web.callDefaults.breakers: unknown key; did you mean breaker?',
    'defaults.hedge.afterMs: the call has timed out after 20 ms; hedge earlier',
    'services.web.callDefaults.hedge.afterMs: the call has timed out after 20 ms; hedge earlier',
  ],
  ['a default that is switched off', calling({ breaker: false }, { defaults: { breaker: {} } })],
  [
    'true in the place of settings',
    calling({ breaker: true }),
    `${at}.breaker: true is no object; give an object: { ... }`,
  ],
];

for (const [rule, value, ...faults] of TABLE) {
  test(`validation: ${rule}`, (t) => {
    t.deepEqual(validate(value, 'test').map(formatFault), faults);
  });
}

const firstCall = (topology: Topology): CallStep => topology.services.web?.endpoints['GET /']?.steps[0] as CallStep;
const resolved = (value: object) => resolve(value as TopologySpec, 'test');

test('defaults are filled in, a call states its own, and false switches one off', (t) => {
  const breaker = { consecutiveFailures: 5, errorRate: null, openMs: 5_000, probes: 1 };
  t.deepEqual(firstCall(resolved(calling({ breaker: {} }))).breaker, breaker);
  t.deepEqual(firstCall(resolved(calling({}, { defaults: { breaker: {} } }))).breaker, breaker);
  t.is(firstCall(resolved(calling({ breaker: false }, { defaults: { breaker: {} } }))).breaker, undefined);
  t.deepEqual(firstCall(resolved(calling({ breaker: { errorRate: 0.5 } }))).breaker, {
    ...breaker,
    consecutiveFailures: null,
    errorRate: { share: 0.5, windowMs: 10_000, minimumCalls: 20 },
  });
  const { web } = resolved(serving({ concurrency: { limit: 3 } })).services;
  t.deepEqual(web?.concurrency, { limit: 3, queue: 0 });
});

test('of the defaults of a service and of the topology the nearer one counts', (t) => {
  const { services } = resolved({
    defaults: {
      timeoutMs: 500,
      retries: 2,
      breaker: {},
      fallback: { bytes: 4 },
      hedge: { afterMs: 50 },
      concurrency: { limit: 9 },
    },
    services: {
      web: {
        edge: true,
        callDefaults: { timeoutMs: 200, breaker: false, hedge: { afterMs: 20 } },
        steps: ['b', { call: 'b', hedge: false, fallback: false, timeoutMs: 10 }, { send: 'b' }],
      },
      b: { replicas: 2, concurrency: false, calls: ['c'] },
      c: { concurrency: { limit: 1 } },
    },
  });
  const policies = (service: string) =>
    services[service]?.endpoints['GET /']?.steps.map((step) => {
      const { timeoutMs, retries, breaker, bulkhead, fallback, hedge } = step as CallStep;
      return { timeoutMs, retries: retries.max, breaker: breaker !== undefined, bulkhead, fallback, hedge };
    });
  const none = { breaker: false, bulkhead: undefined, fallback: undefined, hedge: undefined };
  t.deepEqual(policies('web'), [
    { ...none, timeoutMs: 200, retries: 2, fallback: { bytes: 4 }, hedge: { afterMs: 20 } },
    { ...none, timeoutMs: 10, retries: 2 },
    { ...none, timeoutMs: 200, retries: 2 },
  ]);
  // No other instance of c could take a hedge.
  t.deepEqual(policies('b'), [{ ...none, timeoutMs: 500, retries: 2, breaker: true, fallback: { bytes: 4 } }]);
  t.deepEqual(
    Object.values(services).map(({ concurrency }) => concurrency?.limit),
    [9, undefined, 1],
  );
});

test('defaults pass where a live change has the topology checked again', (t) => {
  const defaults = { timeoutMs: 30, hedge: { afterMs: 20 }, fallback: {}, bulkhead: { limit: 3 } };
  const topology = resolved({
    defaults,
    services: { web: { edge: true, calls: ['b', { call: 'c', timeoutMs: 10 }] }, b: {}, c: { replicas: 2 } },
  });
  t.deepEqual(topologyFaults(topology), []);
});

test('a topology without policies is the value that it was before there were any', (t) => {
  const topology = resolved(calling({}));
  const text = JSON.stringify(topology);
  for (const word of ['breaker', 'concurrency']) t.false(text.includes(word));
  t.is(hashValue(topology), hashValue(JSON.parse(text)));
});

test('what is resolved passes where a running node, or a live change, has it checked again', (t) => {
  const policies = {
    breaker: { errorRate: 0.2, consecutiveFailures: 9 },
    bulkhead: { limit: 3 },
    retries: { max: 1, budget: {} },
    fallback: { body: null },
    hedge: { afterMs: 20 },
  };
  const topology = resolved(calling(policies, { defaults: {} }));
  t.deepEqual(topologyFaults(topology), []);
  const slice = sliceOf(topology, 'web');
  t.deepEqual(sliceFaults(slice), []);
  const broken = JSON.parse(JSON.stringify(slice).replace('"probes":1', '"probes":0'));
  t.is(sliceFaults(broken).length, 1);
});
