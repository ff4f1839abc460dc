import test from 'ava';
import fc from 'fast-check';
import { type Distribution, mean, meanCount, quantile } from '../../../lib/model/distribution';
import { draw, hashText, rootPlace } from '../../../lib/model/draw';
import { normalQuantile } from '../../../lib/model/normal-quantile';
import { validate } from '../../../lib/model/validate';

const seed = hashText('distributions');
const place = rootPlace(seed, 'web', 'GET /');

/** Values as a node draws them, sorted. */
function sample(distribution: Distribution, size: number): Float64Array {
  const purpose = hashText('latencyMs');
  return Float64Array.from({ length: size }, (_, i) =>
    quantile(distribution, draw({ seed, key: hashText(`key ${i}`), place }, purpose)),
  ).sort();
}

const KINDS: readonly (readonly [
  name: string,
  distribution: Distribution,
  expected: Readonly<Record<number, number>>,
])[] = [
  ['a number', 7, { 0.01: 7, 0.5: 7, 0.99: 7 }],
  ['a constant', { constant: 7 }, { 0.5: 7 }],
  ['a uniform', { uniform: [10, 20] }, { 0.1: 11, 0.5: 15, 0.9: 19 }],
  ['a normal', { normal: { mean: 100, stddev: 10 } }, { 0.5: 100, 0.841345: 110, 0.97725: 120, 0.158655: 90 }],
  [
    'a lognormal',
    { lognormal: { median: 8, sigma: 0.5 } },
    { 0.5: 8, 0.841345: 8 * Math.exp(0.5), 0.97725: 8 * Math.E },
  ],
  ['an exponential', { exponential: { mean: 5 } }, { 0.5: 5 * Math.LN2, 0.9: 5 * Math.LN10, 0.99: 10 * Math.LN10 }],
  [
    'a percentile table',
    { percentiles: { p50: 5, p90: 12, p99: 40, max: 60 } },
    { 0.25: 2.5, 0.5: 5, 0.7: 8.5, 0.9: 12, 0.99: 40, 0.995: 50 },
  ],
];

for (const [name, distribution, expected] of KINDS) {
  test(`draws of ${name} have its percentiles and mean`, (t) => {
    const size = 40_000;
    const values = sample(distribution, size);
    for (const [probability, value] of Object.entries(expected)) {
      t.true(
        Math.abs(quantile(distribution, Number(probability)) - value) < 1e-4 * value,
        `quantile at ${probability}`,
      );
      // Order statistics: the share of draws below a quantile lies within 5 standard errors of its probability.
      const p = Number(probability);
      const below = values.filter((drawn) => drawn <= value + 1e-9).length / size;
      if (typeof distribution !== 'number' && !('constant' in distribution)) {
        t.true(
          Math.abs(below - p) < 5 * Math.sqrt((p * (1 - p)) / size),
          `${below} of the draws lie below p${100 * p}`,
        );
      }
    }
    const average = values.reduce((sum, value) => sum + value, 0) / size;
    const variance = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / size;
    t.true(
      Math.abs(average - mean(distribution)) <= 5 * Math.sqrt(variance / size) + 1e-9,
      `${average}, ${mean(distribution)}`,
    );
  });
}

const value = fc.double({ min: 0, max: 1e4, noNaN: true });
const bounds = fc
  .tuple(fc.option(value, { nil: undefined }), fc.option(value, { nil: undefined }))
  .map(([a, b]) =>
    a !== undefined && b !== undefined ? { min: Math.min(a, b), max: Math.max(a, b) } : { min: a, max: b },
  );
const percentiles = fc
  .tuple(
    fc.uniqueArray(fc.integer({ min: 1, max: 999 }), { minLength: 1, maxLength: 6 }),
    fc.array(value, { minLength: 8, maxLength: 8 }),
  )
  .map(([points, values]) => {
    const rising = [...values].sort((a, b) => a - b);
    const table = [...points].sort((a, b) => a - b).map((point, i) => [`p${point / 10}`, rising[i + 1]] as const);
    return { percentiles: { min: rising[0], ...Object.fromEntries(table), max: rising[7] } } as Distribution;
  });
const distributions: fc.Arbitrary<Distribution> = fc.oneof(
  value,
  value.map((constant) => ({ constant })),
  fc.tuple(value, value).map(([a, b]) => ({ uniform: [Math.min(a, b), Math.max(a, b)] as const })),
  fc.tuple(value, value, bounds).map(([m, stddev, ends]) => ({ normal: { mean: m, stddev, ...ends } })),
  fc
    .tuple(value, fc.double({ min: 0, max: 2, noNaN: true }), bounds)
    .map(([median, sigma, ends]) => ({ lognormal: { median, sigma, ...ends } })),
  fc.tuple(value, bounds).map(([m, ends]) => ({ exponential: { mean: m, ...ends } })),
  percentiles,
);
const probability = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test('a quantile function never falls, is never negative and always finite', (t) => {
  fc.assert(
    fc.property(distributions, probability, probability, (distribution, u, v) => {
      const [low, high] = [quantile(distribution, Math.min(u, v)), quantile(distribution, Math.max(u, v))];
      t.true(Number.isFinite(low) && Number.isFinite(high) && low >= 0, `${low}, ${high}`);
      t.true(low <= high + 1e-9 * high, `${low} > ${high}`);
    }),
    {
      numRuns: 2_000,
      examples: [
        [{ lognormal: { median: 5, sigma: 0 } }, 0, 0.5],
        [{ normal: { mean: 5, stddev: 0 } }, 0, 0.5],
      ],
    },
  );
});

test('the mean is the integral of the quantile function', (t) => {
  fc.assert(
    fc.property(distributions, (distribution) => {
      const steps = 20_000;
      let integral = 0;
      for (let i = 0; i < steps; i++) integral += quantile(distribution, (i + 0.5) / steps) / steps;
      t.true(
        Math.abs(integral - mean(distribution)) <= 0.02 * mean(distribution) + 1e-6,
        `${integral}, ${mean(distribution)}`,
      );
    }),
    { numRuns: 100 },
  );
});

test('every such distribution is valid, and holds its bounds', (t) => {
  fc.assert(
    fc.property(distributions, probability, (distribution, u) => {
      const faults = validate({ services: { web: { edge: true, latencyMs: distribution } } });
      t.deepEqual(faults, []);
      if (typeof distribution === 'number' || !('normal' in distribution)) return;
      const { min = 0, max = Number.POSITIVE_INFINITY } = distribution.normal;
      const drawn = quantile(distribution, u);
      t.true(drawn >= min && drawn <= max);
    }),
  );
});

test('the mean of a count is that of whole numbers', (t) => {
  t.is(meanCount(2.4), 2);
  t.is(meanCount({ uniform: [0.5, 3.5] }), 2);
  // An exponential of mean 1 rounds to n with the mass of (n - 1/2, n + 1/2): the mean is e^-0.5 / (1 - e^-1).
  t.true(Math.abs(meanCount({ exponential: { mean: 1 } }) - Math.exp(-0.5) / (1 - Math.exp(-1))) < 0.005);
});

test('the normal quantile function is symmetric and agrees with tables', (t) => {
  for (const [u, z] of [
    [0.975, 1.959963984540054],
    [0.999, 3.090232306167813],
    [0.5, 0],
    [1e-10, -6.361340902404056],
  ] as const) {
    t.true(Math.abs(normalQuantile(u) - z) < 1e-12 * Math.max(1, Math.abs(z)), `${u}`);
    t.true(Math.abs(normalQuantile(1 - u) + z) < 1e-6);
  }
});
