import fc from 'fast-check';
import { resolve } from '../../lib/model/resolve';
import type { StepSpec, TopologySpec } from '../../lib/model/spec';
import type { Topology } from '../../lib/model/topology';

/**
 * Valid specifications of one to six services, each calling only later ones (so that every flow ends), with every kind of
 * step, nesting, several endpoints, replicas, retries and short deadlines.
 */
export const arbitrarySpec: fc.Arbitrary<TopologySpec> = fc
  .integer({ min: 1, max: 6 })
  .chain((services) => fc.tuple(...Array.from({ length: services }, (_, index) => arbitraryService(index, services))))
  .map((services) => {
    const spec = {
      name: 'random',
      defaults: { deadlineMs: 400 },
      services: Object.fromEntries(services.map((service, index) => [nameOf(index), service])),
    };
    return spec as unknown as TopologySpec;
  });

export const arbitraryTopology: fc.Arbitrary<Topology> = arbitrarySpec.map((spec) => resolve(spec, 'random'));

const nameOf = (index: number): string => `s${index}`;

/** Every service but the first has `GET /` and `POST /orders/:id`, so that callees are known without the spec. */
const endpointOf = (named: boolean): string => (named ? ' POST /orders/:id' : ' GET /');

function arbitraryService(index: number, services: number): fc.Arbitrary<unknown> {
  const endpoint = fc.record(
    {
      latencyMs: arbitraryLatency,
      responseBytes: fc.constantFrom<number | object>(0, 100, { uniform: [10, 400] }),
      steps: fc.array(arbitraryStep(index, services, 2), { maxLength: index < services - 1 ? 4 : 1 }),
    },
    { requiredKeys: ['steps'] },
  );
  return fc
    .record({
      replicas: fc.integer({ min: 1, max: 3 }),
      root: endpoint,
      orders: endpoint,
      edge: fc.boolean(),
      concurrency: arbitraryLimit,
    })
    .map(({ replicas, root, orders, edge, concurrency }) => ({
      ...(concurrency && { concurrency }),
      edge: index === 0 || edge,
      replicas,
      endpoints: { 'GET /': root, 'POST /orders/:id': orders },
    }));
}

const arbitraryLatency = fc.constantFrom<unknown>(
  0,
  3,
  { uniform: [0, 8] },
  { exponential: { mean: 4 } },
  { lognormal: { median: 5, sigma: 0.8 } },
  { percentiles: { p50: 4, p90: 30, p99: 200 } },
);

/** Seldom reached: what is drawn is to be tested, and not what is shed. */
const arbitraryLimit = fc.constantFrom(undefined, { limit: 500 }, { limit: 200, queue: 100 });

const arbitraryBreaker = fc.constantFrom<unknown>(
  false,
  {},
  { errorRate: 0.9, openMs: 20 },
  { consecutiveFailures: 3 },
);

function arbitraryStep(index: number, services: number, depth: number): fc.Arbitrary<StepSpec> {
  const work = fc
    .record({ latencyMs: arbitraryLatency, cpuMs: fc.constantFrom(0, 1) })
    .map((value) => ({ work: value }));
  if (index >= services - 1) return work as fc.Arbitrary<StepSpec>;
  const outgoing = fc.record(
    {
      callee: fc
        .tuple(fc.integer({ min: index + 1, max: services - 1 }), fc.boolean())
        .map(([callee, named]) => nameOf(callee) + endpointOf(named)),
      probability: fc.constantFrom(0, 0.3, 0.7, 1),
      count: fc.constantFrom<unknown>(0, 1, 2, { uniform: [0, 2.9] }),
      timeoutMs: fc.constantFrom(5, 50, 300),
      retries: fc.constantFrom<unknown>(0, 1, 2, { max: 2, backoffMs: 5, jitter: 0 }),
      requestBytes: fc.constantFrom<unknown>(50, { uniform: [1, 90] }),
      optional: fc.boolean(),
      breaker: arbitraryBreaker,
      bulkhead: arbitraryLimit,
    },
    { requiredKeys: ['callee'] },
  );
  const fallback = fc.constantFrom(undefined, {}, { bytes: 10 }, { body: null });
  const call = fc
    .tuple(outgoing, fallback)
    .map(([{ callee, ...options }, instead]) => ({ call: callee, ...options, ...(instead && { fallback: instead }) }));
  const send = outgoing.map(({ callee, ...options }) => ({
    send: `${callee.split(' ')[0]} POST /orders/:id`,
    ...options,
  }));
  const leaves = [
    { weight: 4, arbitrary: call },
    { weight: 1, arbitrary: send },
    { weight: 1, arbitrary: work },
  ];
  if (depth === 0) return fc.oneof(...leaves) as fc.Arbitrary<StepSpec>;
  const inner = fc.array(arbitraryStep(index, services, depth - 1), { minLength: 1, maxLength: 3 });
  const branch = fc.record({ weight: fc.constantFrom(1, 3), steps: inner });
  return fc.oneof(
    ...leaves,
    { weight: 2, arbitrary: inner.map((steps) => ({ parallel: steps })) },
    { weight: 1, arbitrary: inner.map((steps) => ({ sequence: steps })) },
    { weight: 1, arbitrary: fc.array(branch, { minLength: 1, maxLength: 3 }).map((oneOf) => ({ oneOf })) },
  ) as fc.Arbitrary<StepSpec>;
}
