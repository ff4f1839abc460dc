import test from 'ava';
import * as fc from 'fast-check';
import {
  addSequence,
  hasSequence,
  type SequenceSet,
  sequenceGaps,
  sequenceSet,
} from '../../../../lib/flows/events/sequence-set';

function setOf(numbers: Iterable<number>): SequenceSet {
  const set = sequenceSet();
  for (const number of numbers) addSequence(set, number);
  return set;
}

const UP_TO = 6_000;
/** Stretches, as logs with gaps have them, in any order. */
const stretches = fc.array(
  fc
    .tuple(fc.integer({ min: 1, max: UP_TO }), fc.integer({ min: 1, max: 2_500 }))
    .map(([from, length]) => Array.from({ length: Math.min(length, UP_TO + 1 - from) }, (_, index) => from + index)),
  { minLength: 1, maxLength: 6 },
);

test('it holds what a set holds, whatever the order and repetition', (t) => {
  fc.assert(
    fc.property(stretches, (parts) => {
      const numbers = parts.flat();
      const plain = new Set<number>();
      const set = sequenceSet();
      for (const number of numbers) {
        t.is(addSequence(set, number), !plain.has(number));
        plain.add(number);
      }
      t.is(set.size, plain.size);
      t.is(set.last, Math.max(...plain));
      const missing = Array.from({ length: UP_TO }, (_, index) => index + 1).filter((number) => !plain.has(number));
      t.deepEqual(
        missing.filter((number) => hasSequence(set, number)),
        [],
      );
      const gaps = Array.from(sequenceGaps(set, 1, UP_TO)).flatMap(({ from, to }) =>
        Array.from({ length: to + 1 - from }, (_, index) => from + index),
      );
      t.deepEqual(gaps, missing);
    }),
    { numRuns: 50 },
  );
});

test('full pages take no memory of their own', (t) => {
  const set = setOf(Array.from({ length: 100_000 }, (_, index) => index + 1));
  t.true(new Set(set.pages.values()).size <= 3);
});
