import test from 'ava';
import fc from 'fast-check';
import { measures } from '../../../lib/load/measures';

test('percentiles are those of the values recorded, to three digits', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.001, max: 500_000, noNaN: true }), { minLength: 1, maxLength: 300 }),
      (values) => {
        const all = measures();
        for (const ms of values) all.answered(200, ms, ms / 2);
        const { responseTime, serviceTime } = all.figures();
        const sorted = [...values].sort((a, b) => a - b);
        const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number;
        for (const [name, share] of [
          ['p50', 0.5],
          ['p90', 0.9],
          ['p99', 0.99],
          ['p999', 0.999],
          ['max', 1],
        ] as const) {
          const exact = at(share);
          // Microseconds are whole, and a bucket is a thousandth wide.
          t.true(
            Math.abs(responseTime[name] - exact) <= 0.002 + exact / 500,
            `${name}: ${responseTime[name]} for ${exact}`,
          );
        }
        t.is(serviceTime.count, values.length);
      },
    ),
  );
});

test('requests that timed out count with the time waited, other errors have no time', (t) => {
  const all = measures();
  all.answered(200, 10, 10);
  all.failed('TIMEOUT', 1000, 900);
  all.failed('CONNECT', 0.1, 0.1);
  const { responseTime, errors, failed, answered } = all.figures();
  t.is(responseTime.count, 2);
  t.true(responseTime.max >= 999);
  t.deepEqual(errors, { CONNECT: 1, TIMEOUT: 1 });
  t.is(failed, 2);
  t.is(answered, 1);
});

test('statuses of 400 and above are failures and answers', (t) => {
  const all = measures();
  for (const status of [200, 202, 302, 404, 502, 502]) all.answered(status, 1, 1);
  const { statuses, failed, answered } = all.figures();
  t.deepEqual(statuses, { 200: 1, 202: 1, 302: 1, 404: 1, 502: 2 });
  t.is(failed, 3);
  t.is(answered, 6);
});

test('rates are over the time between the first and the last request', (t) => {
  const all = measures();
  for (let i = 0; i <= 100; i++) all.sent(i * 10, i * 11);
  const { plannedRate, achievedRate, sendLag } = all.figures();
  t.is(plannedRate, 100);
  t.true(Math.abs(achievedRate - 1000 / 11) < 1e-9);
  t.true(Math.abs(sendLag.max - 100) < 0.2);
});

test('nothing measured gives zeros, not nonsense', (t) => {
  const { responseTime, achievedRate } = measures().figures();
  t.deepEqual(responseTime, { count: 0, min: 0, mean: 0, p50: 0, p90: 0, p99: 0, p999: 0, max: 0 });
  t.is(achievedRate, 0);
});
