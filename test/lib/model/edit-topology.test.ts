import test from 'ava';
import fc from 'fast-check';
import { sliceFaults } from '../../../lib/model/check-slice';
import { addRule, connect, disconnect, removeRules, setLatency } from '../../../lib/model/edit-topology';
import { loadTopology, topologyNames } from '../../../lib/model/load-topology';
import { resolve } from '../../../lib/model/resolve';
import { sliceOf } from '../../../lib/model/slice';
import { validate } from '../../../lib/model/validate';
import { topologyFaults } from '../../../lib/model/written-topology';
import { arbitrarySpec } from '../../support/arbitrary-topology';

const duo = resolve(
  {
    services: {
      web: { edge: true, calls: ['store', 'store'] },
      store: { endpoints: { 'GET /': {}, 'GET /items': {} } },
      spare: { calls: ['store'] },
    },
  },
  'duo',
);

test('every topology that ships, and any that can be written, has no fault in its resolved form either', (t) => {
  for (const name of topologyNames()) t.deepEqual(topologyFaults(loadTopology(name)), [], name);
  fc.assert(
    fc.property(arbitrarySpec, (spec) => {
      fc.pre(validate(spec).every(({ problem }) => problem.startsWith('no request from the edge')));
      const topology = resolve(spec, 'random');
      // Its services need not all be reached: a change may have left them so.
      t.deepEqual(topologyFaults(topology), []);
      for (const name of Object.keys(topology.services)) {
        const slice = JSON.parse(JSON.stringify(sliceOf(topology, name)));
        t.deepEqual(sliceFaults(slice), []);
      }
    }),
    { numRuns: 50 },
  );
});

test('whatever stands in place of a slice or of a part of it, its faults are told and nothing is thrown', (t) => {
  const whole = JSON.parse(JSON.stringify(sliceOf(loadTopology('shop'), 'web')));
  const paths: (readonly string[])[] = [];
  const walk = (value: unknown, path: readonly string[]): void => {
    if (path.length > 0) paths.push(path);
    if (value !== null && typeof value === 'object')
      for (const [key, inner] of Object.entries(value)) walk(inner, [...path, key]);
  };
  walk(whole, []);
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.anything(), (path, value) => {
      const copy = structuredClone(whole);
      let at = copy;
      for (const key of path.slice(0, -1)) at = at[key];
      at[path.at(-1) as string] = value;
      sliceFaults(copy);
      t.true(sliceFaults(value).length > 0);
    }),
  );
});

test('a call is added last and changes no identity; removing it gives the topology back', (t) => {
  const connected = connect({ from: 'web', to: 'spare' }, { probability: 0.5 })(duo);
  const steps = connected.services.web?.endpoints['GET /']?.steps;
  t.deepEqual(
    steps?.map(({ id }) => id),
    ['call:store GET /#1', 'call:store GET /#2', 'call:spare GET /#1'],
  );
  t.deepEqual(connected.services.web?.callees, ['spare', 'store']);
  t.deepEqual(connected.services.spare?.callers, ['web']);
  t.deepEqual(disconnect({ from: 'web', to: 'spare' })(connected), duo);
  const less = disconnect({ from: 'web', to: 'store GET /' })(duo);
  t.deepEqual([less.services.web?.callees, less.services.store?.callers], [[], ['spare']]);
  t.deepEqual(topologyFaults(less), []);
});

test('a call to what is not there, or that is not made, is refused with a remedy', (t) => {
  t.throws(() => connect({ from: 'web', to: 'stor' })(duo), { message: /no service "stor"; did you mean store/ });
  t.throws(() => connect({ from: 'web', to: 'store GET /x' })(duo), { message: /no endpoint "GET \/x"/ });
  t.throws(() => connect({ from: 'web', endpoint: 'GET /x', to: 'store' })(duo), { message: /no endpoint/ });
  t.throws(() => disconnect({ from: 'web', to: 'spare' })(duo), { message: /does not call spare; it calls store/ });
  const circle = connect({ from: 'store', endpoint: 'GET /', to: 'web' })(duo);
  t.true(topologyFaults(circle).some(({ problem }) => problem.includes('never end')));
});

test('latency goes to the first work, or becomes one', (t) => {
  const slow = setLatency('store', 'GET /', 20)(duo);
  t.like(slow.services.store?.endpoints['GET /']?.steps[0], { kind: 'work', id: 'work#1', latencyMs: 20 });
  t.is(slow.services.store?.endpoints['GET /items']?.steps.length, 0);
  const slower = setLatency('store', 'GET /', { uniform: [30, 40] })(slow);
  t.deepEqual(slower.services.store?.endpoints['GET /']?.steps.length, 1);
  t.true(topologyFaults(setLatency('store', undefined, -1)(duo)).length > 0);
});

test('a rule stands under its id, replaces its namesake, and takes no place of one that the topology has', (t) => {
  const rule = { id: 'x', fault: { type: 'reset', args: {} }, at: 'before', source: 'live' } as const;
  const one = addRule('store', rule)(duo);
  const two = addRule('store', { ...rule, probability: 0.5 })(one);
  t.deepEqual(two.services.store?.faults, [{ ...rule, probability: 0.5 }]);
  t.deepEqual(removeRules(({ id }) => id === 'x')(two), duo);
  const fixed = addRule('store', { ...rule, source: 'topology' })(duo);
  t.throws(() => addRule('store', rule)(fixed), { message: /is the id of a fault of its topology/ });
});
