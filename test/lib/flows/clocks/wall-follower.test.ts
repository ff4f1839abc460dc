import test from 'ava';
import fc from 'fast-check';
import { addReading, followClock, type ProcessClock, wallFollower } from '../../../../lib/flows/clocks/wall-follower';

const START = Date.UTC(2026, 10, 21, 5, 44, 29);

interface Reading {
  readonly monotonicUs: number;
  readonly wallMs: number;
}

/** Reads a wall clock that `offsetMs` gives at each moment (true milliseconds), as nodes do: whole milliseconds. */
function readings(times: readonly number[], offsetMs: (at: number) => number): readonly Reading[] {
  return times.map((at) => ({ monotonicUs: Math.floor(at * 1000), wallMs: Math.floor(START + at + offsetMs(at)) }));
}

function follow(list: readonly Reading[]): ProcessClock {
  const follower = wallFollower();
  for (const { monotonicUs, wallMs } of list) addReading(follower, monotonicUs, wallMs);
  return followClock(follower);
}

const every = (ms: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => (i + 1) * ms + (i % 7) / 10);

test('an unstepped clock is followed finer than its milliseconds, within the bound told', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 600_000, noNaN: true }), { minLength: 1, maxLength: 300 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (times, fraction) => {
        const clock = follow(readings(times, () => fraction));
        t.deepEqual(clock.steps, []);
        for (const at of times) {
          const smooth = clock.smoothMs(Math.floor(at * 1000), Math.floor(START + at + fraction));
          t.true(Math.abs(smooth - (START + at + fraction)) <= clock.boundMs + 0.01);
        }
      },
    ),
    { numRuns: 100 },
  );
});

test('steps are found with their size, and taken out of every reading, in whatever order they come', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2_000, max: 50_000 }),
      fc.oneof(fc.integer({ min: 300, max: 10_000 }), fc.integer({ min: -10_000, max: -300 })),
      fc.boolean(),
      (stepAt, byMs, reverse) => {
        const times = every(40, 1_500);
        const list = readings(times, (at) => (at >= stepAt ? byMs : 0));
        const clock = follow(reverse ? [...list].reverse() : list);
        t.is(clock.steps.length, 1);
        t.true(Math.abs((clock.steps[0]?.byMs ?? 0) - byMs) <= 1);
        t.true((clock.steps[0]?.afterUs ?? 0) <= stepAt * 1000 && (clock.steps[0]?.beforeUs ?? 0) >= stepAt * 1000);
        for (const [i, { monotonicUs, wallMs }] of list.entries()) {
          t.true(Math.abs(clock.smoothMs(monotonicUs, wallMs) - (START + (times[i] as number))) <= 1.1);
          t.true(Math.abs(clock.steppedMs(monotonicUs, wallMs) - ((times[i] as number) >= stepAt ? byMs : 0)) <= 1.1);
        }
      },
    ),
    { numRuns: 100 },
  );
});

test('a clock that is slewed against the monotonic one is followed without a step', (t) => {
  for (const ppm of [-450, -200, 50, 200, 450]) {
    const times = every(20, 10_000);
    const list = readings(times, (at) => (at * ppm) / 1e6);
    const clock = follow(list);
    t.deepEqual(clock.steps, []);
    for (const [i, { monotonicUs, wallMs }] of list.entries()) {
      const truth = START + (times[i] as number) * (1 + ppm / 1e6);
      t.true(Math.abs(clock.smoothMs(monotonicUs, wallMs) - truth) <= clock.boundMs + 0.05);
    }
  }
});

test('a process that was held up between its two readings has not stepped', (t) => {
  const list = readings(every(300, 200), () => 0).map((reading, i) =>
    i % 50 === 20 ? { ...reading, monotonicUs: reading.monotonicUs + 90_000 } : reading,
  );
  t.deepEqual(follow(list).steps, []);
});

test('days fit into the same memory, with coarser steps', (t) => {
  const list = readings(every(60_000, 3 * 1_440), (at) => (at >= 2 * 86_400_000 ? 5_000 : 0));
  const clock = follow(list);
  t.is(clock.steps.length, 1);
  t.true(Math.abs((clock.steps[0]?.byMs ?? 0) - 5_000) < 50);
});

test('without a monotonic time the wall time stands', (t) => {
  t.is(follow([]).smoothMs(Number.NaN, 5), 5);
  t.is(follow(readings([1, 2], () => 0)).smoothMs(Number.NaN, 7), 7);
});
