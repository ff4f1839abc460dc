import test from 'ava';
import fc from 'fast-check';
import { describeTopology } from '../../../lib/model/describe-topology';
import { generateTopology } from '../../../lib/model/generate-topology';
import { resolve } from '../../../lib/model/resolve';
import { validate } from '../../../lib/model/validate';

const options = fc
  .record({
    services: fc.integer({ min: 2, max: 150 }),
    depth: fc.integer({ min: 1, max: 8 }),
    skew: fc.double({ min: 0, max: 1, noNaN: true }),
    shared: fc.double({ min: 0, max: 1, noNaN: true }),
    callsPerRequest: fc.double({ min: 0.1, max: 3, noNaN: true }),
    seed: fc.string({ minLength: 1, maxLength: 10 }),
  })
  .map((given) => ({ ...given, depth: Math.min(given.depth, given.services - 1) }));

test('every generated topology is valid, of the size asked for, and the same for the same seed', (t) => {
  fc.assert(
    fc.property(options, (given) => {
      const spec = generateTopology(given);
      t.deepEqual(validate(spec, 'x'), []);
      t.is(Object.keys(spec.services).length, given.services);
      t.deepEqual(generateTopology(given), spec);
    }),
    { numRuns: 60 },
  );
});

test('a thousand services are shallow, uneven, and share a few', (t) => {
  const topology = resolve(generateTopology({ services: 1_000, depth: 5, seed: 'shape' }), 'x');
  const { depth, callsPerRequest } = describeTopology(topology);
  t.true(depth === 5 || depth === 6);
  t.true(callsPerRequest > 2 && callsPerRequest < 50, `${callsPerRequest}`);
  const services = Object.values(topology.services);
  const fanOut = services.map(({ callees }) => callees.length).sort((a, b) => b - a);
  const top = fanOut.slice(0, 50).reduce((sum, callees) => sum + callees, 0);
  const all = fanOut.reduce((sum, callees) => sum + callees, 0);
  t.true(top > 0.3 * all, `the 5 % with most callees have ${top} of ${all}`);
  const fanIn = services.map(({ callers }) => callers.length).sort((a, b) => b - a);
  t.true((fanIn[0] ?? 0) > 50 && fanIn[100] === 1, `${fanIn.slice(0, 3)}, ${fanIn[100]}`);
});

test('sizes that make no topology are refused', (t) => {
  t.throws(() => generateTopology({ services: 1 }), { instanceOf: RangeError });
  t.throws(() => generateTopology({ services: 5, depth: 5 }), { instanceOf: RangeError });
});
