import test from 'ava';
import fc from 'fast-check';
import { followWallClock } from '../../../../lib/flows/clocks/wall-clock';

const START_MS = 1_790_000_000_000;

/** Readings of a wall clock that drifts against the monotonic one and steps once. */
function readings(gapsUs: readonly number[], driftPpm: number, step?: { index: number; byMs: number }) {
  let monotonicUs = 0;
  return gapsUs.map((gap, index) => {
    monotonicUs += gap;
    const offsetMs = START_MS + (driftPpm * monotonicUs) / 1e9 + (step && index >= step.index ? step.byMs : 0);
    return { wallMs: Math.floor(offsetMs + monotonicUs / 1000), monotonicUs, offsetMs };
  });
}

const gaps = fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 2, maxLength: 300 });

test('the offset between the clocks is found within its bound, whatever they drift', (t) => {
  fc.assert(
    fc.property(gaps, fc.double({ min: -400, max: 400, noNaN: true }), (gapsUs, driftPpm) => {
      const samples = readings(gapsUs, driftPpm);
      const { offsetsMs, boundsMs, steps } = followWallClock(samples);
      t.deepEqual(steps, []);
      for (const [index, { offsetMs }] of samples.entries()) {
        t.true(Math.abs((offsetsMs[index] as number) - offsetMs) <= (boundsMs[index] as number) + 1e-3);
      }
    }),
  );
});

test('many readings bring the bound far below a millisecond', (t) => {
  const samples = readings(new Array(500).fill(1_237), 0);
  const { boundsMs } = followWallClock(samples);
  t.true(Math.max(...boundsMs) < 0.05);
});

test('a step is found where it happened and by how much', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 99 }),
      fc.integer({ min: 3, max: 100_000 }),
      fc.boolean(),
      (index, sizeMs, forward) => {
        const byMs = forward ? sizeMs : -sizeMs;
        const samples = readings(new Array(100).fill(1_700), 50, { index, byMs });
        const { steps } = followWallClock(samples);
        t.is(steps.length, 1);
        t.is(steps[0]?.beforeUs, samples[index]?.monotonicUs);
        t.true(Math.abs((steps[0]?.byMs ?? 0) - byMs) <= 2);
      },
    ),
  );
});

test('a single reading has a bound of half a millisecond', (t) => {
  const { boundsMs, steps } = followWallClock([{ wallMs: 5, monotonicUs: 100 }]);
  t.is(boundsMs[0], 0.5);
  t.deepEqual(steps, []);
  t.is(followWallClock([]).offsetsMs.length, 0);
});
