import { type Distribution, type PercentileTable, percentilePoints, quantile } from './distribution';
import {
  byType,
  isObject,
  list,
  named,
  number,
  object,
  pathTo,
  presentEntries,
  type Report,
  refine,
  type Shape,
  show,
  variants,
} from './shape';

/** What a distribution may look like: the shape behind the type `Distribution`. */

const value = number({ min: 0 });
const bounds = { min: value, max: value };

/** `p50`, `p99.9`: above 0, below 100. */
const PERCENTILE = '^p(?!0*(\\.0*)?$)\\d{1,2}(\\.\\d+)?$';

const IS_PERCENTILE = new RegExp(PERCENTILE);

const percentileTable: Shape = {
  schema: {
    type: 'object',
    properties: { min: value.schema, max: value.schema },
    patternProperties: { [PERCENTILE]: value.schema },
    additionalProperties: false,
    // One point at the least, apart from `min` and `max`.
    not: { propertyNames: { enum: ['min', 'max'] } },
  },
  check(table, where, context) {
    if (!isObject(table))
      return context.report(where, `${show(table)} is no percentile table`, 'give { p50: ..., p99: ... }');
    const keys = presentEntries(table).map(([key]) => key);
    const ends = keys.filter((key) => /^p[\d.]*$/.test(key) && !IS_PERCENTILE.test(key));
    for (const key of ends) {
      context.report(pathTo(where, key), 'no percentile above 0 and below 100', 'use min and max for the ends');
    }
    const percentiles = keys.filter((key) => IS_PERCENTILE.test(key));
    const fields = Object.fromEntries([...percentiles, ...ends].map((key) => [key, value]));
    object({ ...bounds, ...fields }).check(table, where, context);
    if (percentiles.length === 0) context.report(where, 'it has no percentile', 'add one, such as p50');
  },
};

const kinds = variants(
  {
    constant: object({ constant: value }, ['constant']),
    uniform: object({ uniform: list(value, { min: 2, max: 2 }) }, ['uniform']),
    normal: object({ normal: object({ mean: value, stddev: value, ...bounds }, ['mean', 'stddev']) }, ['normal']),
    lognormal: object(
      { lognormal: object({ median: value, sigma: number({ min: 0, max: 10 }), ...bounds }, ['median', 'sigma']) },
      ['lognormal'],
    ),
    exponential: object({ exponential: object({ mean: value, ...bounds }, ['mean']) }, ['exponential']),
    percentiles: object({ percentiles: percentileTable }, ['percentiles']),
  },
  'distribution',
);

const shape = byType({ number: value, object: kinds }, 'distribution');

/** @param most what 9,999 of 10,000 values must stay within, with the reason */
export function distribution(most?: { readonly limit: number; readonly why: string }): Shape {
  return refine(named('distribution', shape), (given, where, report) => {
    const known = given as Distribution;
    const before = checkOrder(known, where, report);
    if (!before || !most) return;
    const reached = quantile(known, 0.9999);
    if (reached > most.limit) {
      report(
        where,
        `it reaches ${Math.round(reached)}, above ${most.limit} (${most.why})`,
        `keep it below ${most.limit}`,
      );
    }
  });
}

export const distributionSchema = shape.schema;

/** Whether ends and points rise. */
function checkOrder(given: Distribution, where: string, report: Report): boolean {
  if (typeof given === 'number' || 'constant' in given) return true;
  if ('uniform' in given) {
    const [low, high] = given.uniform;
    if (low <= high) return true;
    report(`${where}.uniform`, `it falls from ${low} to ${high}`, 'write the lower end first');
    return false;
  }
  if ('percentiles' in given) return checkTable(given.percentiles, `${where}.percentiles`, report);
  const [[kind, { min = 0, max = Number.POSITIVE_INFINITY }]] = Object.entries(given) as [
    [string, { readonly min?: number; readonly max?: number }],
  ];
  if (min <= max) return true;
  report(`${where}.${kind}`, `min ${min} is above max ${max}`, 'swap them');
  return false;
}

function checkTable(table: PercentileTable, where: string, report: Report): boolean {
  const points = percentilePoints(table);
  for (const [index, [probability, reached]] of points.entries()) {
    const [lastProbability, last] = points[index - 1] ?? [-1, 0];
    const [now, before] = [pointName(probability), pointName(lastProbability)];
    if (probability === lastProbability) {
      report(where, `${now} stands there twice`, 'keep one of them');
      return false;
    }
    if (reached < last) {
      report(
        where,
        `it falls from ${before} = ${last} to ${now} = ${reached}`,
        'values must not fall as percentiles rise',
      );
      return false;
    }
  }
  return true;
}

function pointName(probability: number): string {
  if (probability === 0) return 'min';
  if (probability === 1) return 'max';
  return `p${Number((probability * 100).toPrecision(12))}`;
}
