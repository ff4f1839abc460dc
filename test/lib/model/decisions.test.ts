import test from 'ava';
import fc from 'fast-check';
import {
  backoffMs,
  chosenBranch,
  concretePath,
  happens,
  mayRetry,
  repetitions,
  requestBytes,
  work,
} from '../../../lib/model/decisions';
import { type DrawContext, hashText, rootPlace } from '../../../lib/model/draw';
import { resolve } from '../../../lib/model/resolve';
import type { StepSpec, TopologySpec } from '../../../lib/model/spec';
import type { OneOfStep, Outgoing, WorkStep } from '../../../lib/model/topology';

const seed = hashText('shop');
const contextOf = (key: string): DrawContext => ({ seed, key: hashText(key), place: rootPlace(seed, 'web', 'GET /') });

function firstStep<S>(step: StepSpec): S {
  const b = { endpoints: { 'POST /b/:id/:other': {} } };
  const topology = resolve({ services: { web: { edge: true, steps: [step] }, b } } as TopologySpec, 'x');
  return topology.services.web?.endpoints['GET /']?.steps[0] as S;
}

/** How often something holds over many keys. */
function share(holds: (context: DrawContext) => boolean): number {
  const keys = 20_000;
  let count = 0;
  for (let i = 0; i < keys; i++) if (holds(contextOf(`key ${i}`))) count += 1;
  return count / keys;
}

test('a step happens as often as its probability says', (t) => {
  for (const probability of [0, 0.1, 0.5, 1]) {
    const step = firstStep<Outgoing>({ call: 'b', probability });
    const happened = share((context) => happens(step, context));
    t.true(Math.abs(happened - probability) < 0.015, `${happened} for ${probability}`);
  }
});

test('branches are taken as often as their weights say, one of weight 0 never', (t) => {
  const step = firstStep<OneOfStep>({ oneOf: [0, 3, 0, 1].map((weight) => ({ weight, steps: ['b'] })) });
  t.is(
    share((context) => chosenBranch(step, context) === 0),
    0,
  );
  t.true(Math.abs(share((context) => chosenBranch(step, context) === 1) - 0.75) < 0.015);
  t.is(
    share((context) => chosenBranch(step, context) === 2),
    0,
  );
});

test('counts are whole and have the mean of their distribution', (t) => {
  const step = firstStep<Outgoing>({ call: 'b', count: { uniform: [0.5, 3.5] } });
  const counts = Array.from({ length: 9_000 }, (_, i) => repetitions(step, contextOf(`key ${i}`)));
  t.deepEqual([...new Set(counts)].sort(), [1, 2, 3]);
  t.true(Math.abs(counts.reduce((sum, count) => sum + count, 0) / 9_000 - 2) < 0.05);
});

test('backoff doubles up to its cap and loses no more than its jitter', (t) => {
  const retries = { max: 9, backoffMs: 10, maxBackoffMs: 100 };
  const exact = firstStep<Outgoing>({ call: 'b', retries: { ...retries, jitter: 0 } });
  t.deepEqual(
    [1, 2, 3, 4, 5, 60].map((attempt) => backoffMs(exact, contextOf('k'), 0, attempt)),
    [10, 20, 40, 80, 100, 100],
  );
  const jittery = firstStep<Outgoing>({ call: 'b', retries: { ...retries, jitter: 0.4 } });
  fc.assert(
    fc.property(fc.string(), fc.nat(5), (key, repetition) => {
      const wait = backoffMs(jittery, contextOf(key), repetition, 3);
      t.true(wait > 24 - 1e-9 && wait <= 40);
    }),
  );
});

test('attempts are retried while there are any left, refusals by the callee never', (t) => {
  const step = firstStep<Outgoing>({ call: 'b', retries: 2 });
  t.deepEqual(
    [1, 2, 3].map((attempt) => mayRetry(step, attempt, undefined)),
    [true, true, false],
  );
  t.deepEqual(
    [200, 404, 429, 500, 503].map((status) => mayRetry(step, 1, status)),
    [false, false, false, true, true],
  );
});

test('paths get whole numbers from 1 to 1,000, drawn anew for each name and repetition', (t) => {
  const step = firstStep<Outgoing>({ call: 'b' });
  const paths = Array.from({ length: 50 }, (_, repetition) => concretePath(step, contextOf('k'), repetition));
  for (const path of paths) t.regex(path, /^\/b\/([1-9]\d{0,2}|1000)\/([1-9]\d{0,2}|1000)$/);
  t.true(new Set(paths).size > 45);
  t.true(paths.some((path) => path.split('/')[2] !== path.split('/')[3]));
});

test('sizes are whole bytes, drawn anew for each repetition; no size is no body', (t) => {
  const step = firstStep<Outgoing>({ call: 'b', requestBytes: { uniform: [0, 1_000] } });
  const sizes = Array.from({ length: 50 }, (_, repetition) => requestBytes(step, contextOf('k'), repetition) ?? -1);
  t.true(sizes.every((size) => Number.isInteger(size) && size >= 0 && size <= 1_000));
  t.true(new Set(sizes).size > 40);
  t.is(requestBytes(firstStep<Outgoing>({ call: 'b' }), contextOf('k'), 0), null);
});

test('the parts of work are drawn apart, and what is left out is nothing', (t) => {
  const uniform = { uniform: [0, 100] } as const;
  const drawn = work(firstStep<WorkStep>({ work: { latencyMs: uniform, cpuMs: uniform } }), contextOf('k'));
  t.not(drawn.latencyMs, drawn.cpuMs);
  t.like(drawn, { memoryBytes: 0, diskBytes: 0 });
});
