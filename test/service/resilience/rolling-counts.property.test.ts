import test from 'ava';
import fc from 'fast-check';
import { rollingCounts } from '../../../service/resilience/rolling-counts';

const WINDOW_MS = 1_000;

type Action = { readonly do: 'add'; readonly what: 0 | 1 } | { readonly do: 'wait'; readonly ms: number } | 'clear';

const actions: fc.Arbitrary<readonly Action[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant('add' as const), what: fc.constantFrom(0, 1) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 60, 150, 700) }) },
    fc.constant('clear' as const),
  ),
  { maxLength: 60 },
);

test('what the last tenths of time brought is counted, and nothing from before it was cleared, however young the process', (t) => {
  const tenth = (at: number): number => Math.floor(at / (WINDOW_MS / 10));
  fc.assert(
    fc.property(fc.constantFrom(0, 300, 5_000), actions, (age, steps) => {
      const counts = rollingCounts(WINDOW_MS);
      let history: { readonly what: 0 | 1; readonly at: number }[] = [];
      let now = age;
      for (const step of steps) {
        if (step === 'clear') {
          counts.clear();
          history = [];
        } else if (step.do === 'wait') now += step.ms;
        else {
          counts.add(step.what, now);
          history.push({ what: step.what, at: now });
        }
        const recent = history.filter(({ at }) => tenth(at) > tenth(now) - 10);
        for (const what of [0, 1] as const) {
          t.is(counts.sum(what, now), recent.filter((each) => each.what === what).length);
        }
      }
    }),
    { numRuns: 500 },
  );
});
