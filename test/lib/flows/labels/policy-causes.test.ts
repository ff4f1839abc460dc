import test from 'ava';
import type { FlowLabel, SpanLabel } from '../../../../lib/flows/labels/label';
import { labelRun } from '../../../../lib/flows/labels/label-run';
import { resolve } from '../../../../lib/model/resolve';
import type { TopologySpec } from '../../../../lib/model/spec';
import type { SimulationOptions } from '../../../support/simulate';
import { simulatedRun } from '../../../support/simulated-run';

const BREAKER = { consecutiveFailures: 3, openMs: 2_500 };

/** A request a second, of which the first ones' keys draw a fault. */
async function labelsOf(services: unknown, options: Partial<SimulationOptions> = {}): Promise<readonly FlowLabel[]> {
  const topology = resolve({ services } as TopologySpec, 'guarded');
  const run = await simulatedRun({
    topology,
    requests: 20,
    rate: 1,
    breakers: true,
    networkMs: () => 0.25,
    keys: Array.from({ length: 20 }, (_, i) => `key-${i}`),
    ...options,
  });
  return [...(labelRun(run, run.flows()) ?? [])];
}

const rootOf = ({ spans }: FlowLabel): SpanLabel => spans[0] as SpanLabel;
const rejected = (labels: readonly FlowLabel[]): readonly FlowLabel[] =>
  labels.filter((label) => rootOf(label).indirect.length > 0);

test('a request that an open breaker rejected is the doing of the faults in other flows that opened it', async (t) => {
  const error = { type: 'error', at: 'before', id: 'broken', probability: 0.8 };
  const labels = await labelsOf({
    web: { edge: true, calls: [{ call: 'data', breaker: BREAKER }] },
    data: { latencyMs: 20, faults: [error] },
  });
  const hit = rejected(labels);
  t.true(hit.length > 0);
  const struck = new Set(
    labels.flatMap(({ spans }) => spans.flatMap(({ faults }) => faults.map((one) => one.injection))),
  );
  for (const label of hit) {
    const root = rootOf(label);
    const [indirect] = root.indirect;
    t.like(indirect, { decision: 'BREAKER_OPEN', because: 'injected', attempt: 1 });
    t.true((indirect?.injections.length ?? 0) > 0);
    for (const name of indirect?.injections ?? []) t.true(struck.has(name));
    t.like(label, { status: 502, counterfactualStatus: 200, basis: 'modelled', anomalous: true, faulted: false });
    t.true(Math.abs((label.counterfactualMs as number) - 20) < 2, `${label.counterfactualMs}`);
    t.deepEqual(label.causes, [indirect?.injection as string]);
    t.deepEqual(root.effects[0]?.kinds, ['shortened', 'failed']);
  }
});

test('a breaker that opened by failures of no fault stands as it was', async (t) => {
  const labels = await labelsOf({
    web: { edge: true, calls: [{ call: 'data', breaker: BREAKER, timeoutMs: 10 }] },
    data: {
      latencyMs: 20,
      faults: [{ type: 'latency', at: 'before', id: 'late', probability: 0.3, args: { delay: 5 } }],
    },
  });
  t.deepEqual(rejected(labels), []);
  t.true(labels.some(({ faulted }) => faulted));
  for (const { status, counterfactualStatus } of labels) t.deepEqual([status, counterfactualStatus], [502, 502]);
  t.true(
    labels.some(({ spans }) => spans.length === 1),
    'some were rejected',
  );
});

test('where failures that opened a breaker may go back to another policy, its rejections are unknown', async (t) => {
  const spared = { consecutiveFailures: 1, openMs: 100_000 };
  const labels = await labelsOf({
    web: { edge: true, calls: [{ call: 'mid GET /sound', breaker: { consecutiveFailures: 2, openMs: 100_000 } }] },
    app: { edge: true, calls: ['mid GET /broken'] },
    mid: {
      endpoints: {
        'GET /sound': { calls: [{ call: 'data GET /sound', breaker: spared }] },
        'GET /broken': { calls: [{ call: 'data GET /broken', breaker: spared }] },
      },
    },
    data: {
      faults: [{ type: 'error', at: 'before', id: 'broken', endpoint: 'GET /broken' }],
      endpoints: { 'GET /sound': {}, 'GET /broken': {} },
    },
  });
  const ofMid = labels.filter(({ spans }) => spans.some(({ indirect }) => indirect[0]?.because === 'injected'));
  t.true(ofMid.length > 0);
  t.true(ofMid.every(({ counterfactualStatus }) => counterfactualStatus === 200));
  const unknown = rejected(labels).filter((label) => rootOf(label).indirect[0]?.because === 'unknown');
  t.true(unknown.length > 0);
  for (const label of unknown) {
    t.like(label, { counterfactualMs: null, counterfactualStatus: null, addedMs: null, basis: 'unknown' });
    t.truthy(rootOf(label).indirect[0]?.reason);
  }
});
