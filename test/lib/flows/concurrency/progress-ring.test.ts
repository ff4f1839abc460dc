import test from 'ava';
import fc from 'fast-check';
import { type ProgressCells, progressCells, progressRing } from '../../../../lib/flows/concurrency/progress-ring';

interface Interval {
  readonly fromMs: number;
  readonly durationMs: number;
}

const STARTED = 1_795_239_869_000;

/** Quarters of milliseconds, so that sums are exact. */
const quarters = (max: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: 4 * max }).map((value) => value / 4);
const intervals = fc.array(
  fc.record({
    fromMs: fc.oneof(quarters(50), quarters(5_000), quarters(1_000_000)).map((ms) => STARTED + ms - 500_000),
    durationMs: fc.oneof(fc.constant(0), quarters(3), quarters(20_000)),
  }),
  { minLength: 1, maxLength: 40 },
);

const plans = fc.constantFrom(undefined, { cellMs: 1, cells: 8 }, { cellMs: 4, cells: 4096 });

/** What the cells must hold, interval by interval. */
function counted(list: readonly Interval[], cellMs: number, first: number, count: number): ProgressCells {
  const cells = progressCells(count);
  for (const { fromMs, durationMs } of list) {
    const [start, end] = [fromMs, fromMs + durationMs].map((ms) => Math.floor(ms / cellMs)) as [number, number];
    (cells.counts[4 * (start - first)] as number) += 1;
    (cells.counts[4 * (end - first) + 1] as number) += 1;
    (cells.restMs[2 * (start - first) + 1] as number) += (start + 1) * cellMs - fromMs;
    (cells.restMs[2 * (end - first) + 1] as number) -= (end + 1) * cellMs - fromMs - durationMs;
  }
  return cells;
}

test('cells hold what began and ended in them, in any order of times and however often they were joined', (t) => {
  fc.assert(
    fc.property(intervals, fc.constantFrom(8, 64, 1024), fc.nat({ max: 2 }), plans, (list, most, halvings, plan) => {
      const ring = progressRing(most * 2 ** halvings, plan);
      for (const [index, { fromMs, durationMs }] of list.entries()) {
        if (index === list.length >> 1) ring.limit(most);
        ring.add(fromMs, durationMs);
      }
      ring.limit(most);
      t.true(ring.last - ring.first < most);
      const count = ring.last - ring.first + 1;
      const found = progressCells(count);
      ring.addTo(found, 0);
      t.deepEqual(found, counted(list, ring.cellMs, ring.first, count));
      t.is(ring.startMs, Math.min(...list.map(({ fromMs }) => fromMs)));
      t.is(ring.endMs, Math.max(...list.map(({ fromMs, durationMs }) => fromMs + durationMs)));
      t.is(
        ring.totalMs,
        list.reduce((sum, { durationMs }) => sum + durationMs, 0),
      );
    }),
  );
});

test('cells are as narrow as the time and their number allow', (t) => {
  const ring = progressRing(8);
  ring.add(STARTED, 7);
  t.is(ring.cellMs, 1);
  ring.add(STARTED + 40, 0);
  t.is(ring.cellMs, 8);
  ring.widen(32);
  t.is(ring.cellMs, 32);
});
