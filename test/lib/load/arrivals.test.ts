import test from 'ava';
import fc from 'fast-check';
import { type Arrival, arrivals, expectedRequests } from '../../../lib/load/arrivals';
import { type PlanOptions, trafficPlan } from '../../../lib/load/phases';

function allArrivals(options: PlanOptions, seed = 'seed'): Arrival[] {
  const next = arrivals(trafficPlan(options), seed);
  const all: Arrival[] = [];
  for (let arrival = next(); arrival; arrival = next()) all.push(arrival);
  return all;
}

test('constant arrivals are evenly spaced and as many as rate times duration', (t) => {
  const all = allArrivals({ rate: '100', duration: '30s' });
  t.is(all.length, 3000);
  for (const { index, atMs } of all) t.true(Math.abs(atMs - index * 10) < 1e-6);
});

test('a count of requests ends the plan, or the duration does where it comes first', (t) => {
  t.is(allArrivals({ rate: '100', requests: 37 }).length, 37);
  for (const seed of ['a', 'b', 'c'])
    t.is(allArrivals({ rate: '9', requests: 50, arrivals: 'poisson' }, seed).length, 50);
  t.is(allArrivals({ rate: '100', duration: '1s', requests: 37 }).length, 37);
  t.is(allArrivals({ rate: '100', duration: '1s', requests: 370 }).length, 100);
});

test('a ramp has as many arrivals as the area under its rate, at the rate of each moment', (t) => {
  const all = allArrivals({ rate: '50..500', duration: '20s' });
  t.is(all.length, 5500);
  const between = (from: number, to: number) => all.filter(({ atMs }) => atMs >= from && atMs < to).length;
  for (let second = 0; second < 20; second++) {
    const expected = 50 + 22.5 * (second + 0.5);
    t.true(Math.abs(between(second * 1000, (second + 1) * 1000) - expected) <= 1.01, `second ${second}`);
  }
});

test('phases follow each other, pauses included', (t) => {
  const all = allArrivals({ phases: ['10:1s', '0:2s', '20:1s'] });
  t.is(all.length, 30);
  t.is(all.filter(({ atMs }) => atMs < 1000).length, 10);
  t.is(all.filter(({ atMs }) => atMs >= 1000 && atMs < 3000).length, 0);
});

test('only the warm-up is marked as such, and a count of requests does not count it', (t) => {
  const all = allArrivals({ rate: '10', requests: 25, warmup: '2s' });
  t.is(all.filter(({ warmup }) => warmup).length, 20);
  t.is(all.filter(({ warmup }) => !warmup).length, 25);
  t.true(all.every(({ warmup, atMs }) => warmup === atMs < 2000));
});

test('any plan gives arrivals in order, within its time, as many as its area says', (t) => {
  const rate = fc.integer({ min: 1, max: 300 });
  const phase = fc.record({ from: rate, to: rate, ms: fc.integer({ min: 1, max: 4000 }) });
  fc.assert(
    fc.property(
      fc.array(phase, { minLength: 1, maxLength: 5 }),
      fc.constantFrom('constant', 'poisson'),
      (parts, kind) => {
        const plan = trafficPlan({
          phases: parts.map(({ from, to, ms }) => `${from}..${to}:${ms}ms`),
          arrivals: kind as 'constant',
        });
        const next = arrivals(plan, 'seed');
        const totalMs = plan.phases.reduce((sum, { durationMs }) => sum + durationMs, 0);
        let count = 0;
        let before = 0;
        for (let arrival = next(); arrival; arrival = next()) {
          t.is(arrival.index, count);
          t.true(arrival.atMs >= before && arrival.atMs <= totalMs, `${arrival.atMs}`);
          before = arrival.atMs;
          count += 1;
        }
        t.is(next(), undefined);
        const area = plan.phases.reduce((sum, each) => sum + expectedRequests(each), 0);
        if (kind === 'constant') t.true(Math.abs(count - area) <= 1, `${count} of ${area}`);
      },
    ),
    { numRuns: 200 },
  );
});

test('Poisson arrivals have exponential gaps and counts as spread as their mean', (t) => {
  const all = allArrivals({ rate: '200', duration: '200s', arrivals: 'poisson' }, 'fixed');
  // 40,000 expected, standard deviation 200: 4 of those, for one fixed seed.
  t.true(Math.abs(all.length - 40_000) < 800, `${all.length}`);
  const gaps = all.slice(1).map(({ atMs }, i) => atMs - (all[i] as Arrival).atMs);
  const overMean = gaps.filter((gap) => gap > 5).length / gaps.length;
  t.true(Math.abs(overMean - Math.exp(-1)) < 0.01, `${overMean}`);
  const windows = new Array<number>(2000).fill(0);
  for (const { atMs } of all) windows[Math.floor(atMs / 100)] = (windows[Math.floor(atMs / 100)] ?? 0) + 1;
  const mean = all.length / windows.length;
  const dispersion = windows.reduce((sum, n) => sum + (n - mean) ** 2, 0) / (windows.length - 1) / mean;
  // The index of dispersion of 2,000 windows has a standard deviation of about sqrt(2 / 2000) = 0.03.
  t.true(Math.abs(dispersion - 1) < 0.13, `${dispersion}`);
});

test('a seed replays Poisson arrivals, another seed moves them', (t) => {
  const options: PlanOptions = { rate: '50', duration: '5s', arrivals: 'poisson' };
  t.deepEqual(allArrivals(options, 'a'), allArrivals(options, 'a'));
  t.notDeepEqual(allArrivals(options, 'a'), allArrivals(options, 'b'));
});
