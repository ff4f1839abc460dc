import { LIMITS } from './contract';
import { describe, named, number, object, type Report, refine, type Shape, show } from './shape';

/** What policies may look like where they are written. */

const DAY_MS = 86_400_000;
const many = { max: 100_000, whole: true } as const;
const wait = number({ above: 0, max: DAY_MS });
const windowMs = number({ min: 100, max: 3_600_000 });

/** `{ limit, queue? }` */
export const limit = object({ limit: number({ min: 1, ...many }), queue: number({ min: 0, ...many }) }, ['limit']);

export const breaker = refine(
  object({
    consecutiveFailures: number({ min: 1, ...many }),
    errorRate: number({ above: 0, max: 1 }),
    windowMs,
    minimumCalls: number({ min: 1, ...many }),
    openMs: wait,
    probes: number({ min: 1, max: 1_000, whole: true }),
  }),
  (value, where, report) => {
    const written = value as Readonly<Record<string, unknown>>;
    if (written.errorRate === undefined) withoutRate(written, where, report);
  },
);

function withoutRate(written: Readonly<Record<string, unknown>>, where: string, report: Report): void {
  for (const field of ['windowMs', 'minimumCalls']) {
    if (written[field] !== undefined) report(`${where}.${field}`, 'it belongs to errorRate', 'give errorRate too');
  }
}

export const retryBudget = object({
  ratio: number({ min: 0, max: 10 }),
  minPerSecond: number({ min: 0, max: 100_000 }),
  windowMs,
});

/** Above this an answer is better made by `bytes`. */
const MOST_FALLBACK_BYTES = 65_536;

const json: Shape = {
  schema: {},
  check(value, where, { report }) {
    let text: string | undefined;
    try {
      text = JSON.stringify(value);
    } catch {
      // It contains itself, or a bigint.
    }
    if (text === undefined) report(where, `${show(value)} is no JSON value`, 'give one, or bytes in its place');
    else if (text.length > MOST_FALLBACK_BYTES)
      report(
        where,
        `its JSON has ${text.length} characters`,
        `give at most ${MOST_FALLBACK_BYTES}, or bytes in its place`,
      );
  },
};

export const fallback = refine(
  object({ body: json, bytes: number({ min: 0, max: LIMITS.bodyBytes, whole: true }) }),
  (value, where, report) => {
    const { body, bytes } = value as Readonly<Record<string, unknown>>;
    if (body !== undefined && bytes !== undefined) report(where, 'it has both body and bytes', 'keep one of them');
  },
);

export const hedge = object({ afterMs: wait }, ['afterMs']);

/** The shape, or `false`, which switches a default off. */
function orFalse(shape: Shape): Shape {
  return {
    schema: { anyOf: [{ const: false }, shape.schema] },
    check(value, where, context) {
      if (value !== false) shape.check(value, where, context);
    },
  };
}

const CONCURRENCY = 'Requests worked on at once, and how many more may wait.';
export const concurrency = describe(CONCURRENCY, named('limit', limit));
/** Of a service, which may switch a default off. */
export const serviceConcurrency = describe(CONCURRENCY, orFalse(named('limit', limit)));

/** What calls and `send`s may state. */
export const callPolicies: Readonly<Record<string, Shape>> = {
  bulkhead: describe(
    'Attempts under way at once to the callee, and how many more may wait.',
    orFalse(named('limit', limit)),
  ),
  breaker: describe(
    'When calls to a failing callee are rejected without being sent.',
    orFalse(named('breaker', breaker)),
  ),
};

/** What calls alone may state. */
export const answerPolicies: Readonly<Record<string, Shape>> = {
  hedge: describe(
    'A second attempt to another instance, where the first takes so long.',
    orFalse(named('hedge', hedge)),
  ),
  fallback: describe(
    'An answer in the place of a failed call, which is tolerated then.',
    orFalse(named('fallback', fallback)),
  ),
};
