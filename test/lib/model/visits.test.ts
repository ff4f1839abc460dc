import test from 'ava';
import fc from 'fast-check';
import { type Edge, expectedVisits } from '../../../lib/model/visits';

const NODES = ['a', 'b', 'c', 'd', 'e', 'f'];
const edge: fc.Arbitrary<Edge> = fc.record({
  from: fc.constantFrom(...NODES),
  to: fc.constantFrom(...NODES),
  weight: fc.integer({ min: 0, max: 12 }).map((tenths) => tenths / 10),
});

test('a cycle is summed to its limit', (t) => {
  const { expected, endless } = expectedVisits(
    ['a', 'b'],
    [
      { from: 'a', to: 'b', weight: 1 },
      { from: 'b', to: 'a', weight: 0.75 },
    ],
    new Map([['a', 1]]),
  );
  t.deepEqual(endless, []);
  t.is(expected.get('a'), 4);
  t.is(expected.get('b'), 4);
});

test('an endless cycle is named, and what it reaches is infinite', (t) => {
  const edges = [
    { from: 'a', to: 'b', weight: 1 },
    { from: 'b', to: 'c', weight: 1 },
    { from: 'c', to: 'b', weight: 1 },
    { from: 'c', to: 'd', weight: 0.1 },
    { from: 'd', to: 'd', weight: 0.5 },
  ];
  const { expected, endless } = expectedVisits(['a', 'b', 'c', 'd'], edges, new Map([['a', 1]]));
  t.is(endless.length, 1);
  t.deepEqual([...(endless[0] ?? [])].sort(), endless[0]?.[0] === 'b' ? ['b', 'b', 'c'] : ['b', 'c', 'c']);
  t.deepEqual(
    [...expected.values()],
    [1, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  );
});

test('visits agree with walking the graph step by step, and endless ones grow', (t) => {
  const seen = { ending: 0, endless: 0 };
  fc.assert(
    fc.property(fc.array(edge, { maxLength: 12 }), (edges) => {
      const start = new Map(NODES.map((node) => [node, 1]));
      const { expected, endless } = expectedVisits(NODES, edges, start);
      let wave = start;
      const total = new Map(start);
      for (let step = 0; step < 3_000 && Math.max(...total.values()) < 1e6; step++) {
        const next = new Map<string, number>();
        for (const { from, to, weight } of edges) next.set(to, (next.get(to) ?? 0) + (wave.get(from) ?? 0) * weight);
        for (const [node, visits] of next) total.set(node, (total.get(node) ?? 0) + visits);
        wave = next;
      }
      const last = Math.max(0, ...wave.values());
      if (endless.length === 0) {
        seen.ending += 1;
        // Close to the limit a series may still be on its way after so many steps.
        fc.pre(last < 1e-9);
        for (const node of NODES) {
          const [walked = 0, solved = 0] = [total.get(node), expected.get(node)];
          t.true(Math.abs(walked - solved) <= 1e-6 * solved, `${node}: ${walked}, ${solved}`);
        }
      } else {
        seen.endless += 1;
        t.true(Math.max(...total.values()) > 400, 'an endless cycle keeps its visits coming');
      }
    }),
    { numRuns: 300 },
  );
  t.true(seen.ending > 20 && seen.endless > 20, JSON.stringify(seen));
});

test('a chain of ten thousand is no depth for it', (t) => {
  const nodes = Array.from({ length: 10_000 }, (_, i) => `n${i}`);
  const edges = nodes.slice(1).map((to, i) => ({ from: `n${i}`, to, weight: 1 }));
  t.is(expectedVisits(nodes, edges, new Map([['n0', 1]])).expected.get('n9999'), 1);
});
