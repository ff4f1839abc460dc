import test from 'ava';
import fc from 'fast-check';
import type { FlowLabel } from '../../../../lib/flows/labels/label';
import { labelRun } from '../../../../lib/flows/labels/label-run';
import type { CallFault, FaultRule } from '../../../../lib/model/fault';
import type { Step, Topology } from '../../../../lib/model/topology';
import { arbitraryTopology } from '../../../support/arbitrary-topology';
import { mapValues, withSteps } from '../../../support/change-steps';
import { withHedges } from '../../../support/hedged-topology';
import type { TrueSpan } from '../../../support/simulate';
import { simulate } from '../../../support/simulate';
import { simulatedRun } from '../../../support/simulated-run';

const REQUESTS = 12;
const keys = Array.from({ length: REQUESTS }, (_, i) => `key-${i}`);

const isOutgoing = (step: Step) => step.kind === 'call' || step.kind === 'send';

/** Neither time-outs nor a deadline that anything could reach. */
function patient(topology: Topology): Topology {
  const services = mapValues(topology.services, (service) => ({
    ...service,
    endpoints: mapValues(service.endpoints, (endpoint) => ({ ...endpoint, deadlineMs: 600_000 })),
  }));
  return withSteps({ ...topology, services }, (step) => (isOutgoing(step) ? { ...step, timeoutMs: null } : step));
}

const delay = fc.constantFrom<never>(...([1, 20, { uniform: [0, 80] }, { exponential: { mean: 30 } }] as never[]));
const latency = delay.map((chosen) => ({ type: 'latency' as const, args: { delay: chosen } }));
const slow = fc.constantFrom(20, 80, 200).map((chosen) => ({ type: 'latency' as const, args: { delay: chosen } }));
const error = fc.constantFrom(400, 500, 503).map((status) => ({ type: 'error' as const, args: { status } }));
const probability = fc.constantFrom(0.1, 0.4, 1);

/** Faults on every service, and on the calls between them. */
function faulty(kind: fc.Arbitrary<FaultRule['fault']>, topology: Topology): fc.Arbitrary<Topology> {
  const rule = fc.record({
    fault: kind,
    probability,
    at: fc.constantFrom<FaultRule['at']>('before', 'after', 'call'),
    service: fc.constantFrom(...Object.keys(topology.services)),
  });
  return fc.tuple(fc.array(rule, { minLength: 1, maxLength: 4 }), kind, probability).map(([rules, fault, share]) => {
    const services = mapValues(topology.services, (service) => ({
      ...service,
      faults: rules.flatMap(({ service: name, ...each }, index): readonly FaultRule[] =>
        name === service.name ? [{ ...each, id: `rule-${index}`, source: 'topology' }] : [],
      ),
    }));
    const onCalls: readonly CallFault[] = [{ id: 'on-call', fault, probability: share * 0.5 }];
    return withSteps({ ...topology, services }, (step) => (isOutgoing(step) ? { ...step, faults: onCalls } : step));
  });
}

const OPTIONS = { requests: REQUESTS, keys, rate: 1, networkMs: () => 0.25 };

async function labelled(topology: Topology): Promise<readonly FlowLabel[]> {
  const run = await simulatedRun({ ...OPTIONS, topology });
  const labels = labelRun(run, run.flows());
  return [...(labels ?? [])];
}

/** Each flow's label with faults, and its root as it truly is without them. */
async function besideTruth(
  plain: Topology,
  broken: Topology,
): Promise<readonly { readonly label: FlowLabel; readonly root: TrueSpan }[]> {
  const without = simulate({ ...OPTIONS, topology: plain }).flows;
  const labels = await labelled(broken);
  return labels.flatMap((label, index) => {
    const root = without[index]?.root;
    return root ? [{ label, root }] : [];
  });
}

/** What each request truly took and answered, by key and place. */
function truth(topology: Topology): ReadonlyMap<string, TrueSpan> {
  const found = new Map<string, TrueSpan>();
  const add = (key: string, span: TrueSpan): void => {
    found.set(`${key} ${span.place} ${span.via} ${span.status === 202}`, span);
    for (const child of span.children) add(key, child);
  };
  for (const { key, root } of simulate({ ...OPTIONS, topology }).flows) if (root) add(key, root);
  return found;
}

test('the counterfactual of injected latencies is the same simulation without them, span by span', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      arbitraryTopology.map(patient).chain((plain) => fc.tuple(fc.constant(plain), faulty(latency, plain))),
      async ([plain, broken]) => {
        const without = truth(plain);
        const withFaults = truth(broken);
        const labels = await labelled(broken);
        t.is(labels.length, REQUESTS);
        for (const { key, spans } of labels) {
          for (const span of spans) {
            const [identity] = [...withFaults].find(([, { requestId }]) => requestId === span.requestId) ?? [];
            const should = without.get(identity as string) as TrueSpan;
            const was = withFaults.get(identity as string) as TrueSpan;
            t.truthy(should, `${key} ${identity}`);
            t.is(span.counterfactualStatus, should.status);
            const expected = was.endAt - was.startAt - (should.endAt - should.startAt);
            const off = Math.abs((span.addedMs ?? Number.NaN) - expected);
            // Which branch of a group ends last may change by the node's own time after a call.
            t.true(off < 0.1, `${span.service}: added ${span.addedMs}, truly ${expected}`);
            if (expected > 0.1) t.true(span.anomalous);
          }
        }
      },
    ),
    { numRuns: 40 },
  );
});

/**
 * All times are multiples of 20 ms and time-outs 19 ms more, so that what nobody measures (the network's and the node's own
 * time of requests that never were) decides nothing.
 */
function coarse(topology: Topology): Topology {
  return withSteps(patient(topology), (step) => {
    if (step.kind === 'work') return { ...step, cpuMs: null, latencyMs: typeof step.latencyMs === 'number' ? 20 : 60 };
    if (step.kind !== 'call' && step.kind !== 'send') return step;
    const retries = { ...step.retries, backoffMs: 20, maxBackoffMs: 40, jitter: 0 };
    return { ...step, retries, timeoutMs: step.service === 's1' ? null : 79 };
  });
}

test('with time-outs, retries and errors the counterfactual has the status and, up to what nobody measured, the time of the simulation without faults', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      arbitraryTopology
        .map(coarse)
        .chain((plain) => fc.tuple(fc.constant(plain), faulty(fc.oneof(slow, error), plain))),
      async ([plain, broken]) => {
        for (const { label, root } of await besideTruth(plain, broken)) {
          t.is(label.counterfactualStatus, root.status);
          const [is, should] = [label.counterfactualMs ?? Number.NaN, root.endAt - root.startAt];
          t.true(Math.abs(is - should) < 19, `${label.key}: ${is}, truly ${should}`);
        }
      },
    ),
    { numRuns: 60 },
  );
});

const moments = (...choices: readonly number[]) =>
  fc.array(fc.constantFrom(null, ...choices), { minLength: 1, maxLength: 7 });

test('with hedges the counterfactual of injected latencies is the simulation without them: the same attempts, and the same one wins', async (t) => {
  let [modelled, hedged] = [0, 0];
  await fc.assert(
    fc.asyncProperty(
      fc
        .tuple(arbitraryTopology.map(patient), moments(2, 5, 20))
        .map(([plain, afterMs]) => withHedges(plain, afterMs))
        .chain((plain) => fc.tuple(fc.constant(plain), faulty(latency, plain))),
      async ([plain, broken]) => {
        for (const { label, root } of await besideTruth(plain, broken)) {
          t.is(label.counterfactualStatus, root.status);
          const off = Math.abs((label.counterfactualMs ?? Number.NaN) - (root.endAt - root.startAt));
          // An attempt that was called off before it was sent has left nothing to measure, the node's own time neither.
          t.true(
            off < (label.basis === 'modelled' ? 3 : 0.3),
            `${label.key}: ${label.counterfactualMs} ${label.basis}, off ${off}`,
          );
          if (label.basis === 'modelled') modelled += 1;
          if (label.spans.some(({ effects }) => effects.some(({ kinds }) => kinds.includes('hedged')))) hedged += 1;
        }
      },
    ),
    { numRuns: 60 },
  );
  t.true(modelled > 10 && hedged > 10, `${modelled} modelled, ${hedged} hedged by a fault`);
});

test('with hedges, time-outs, retries and errors the counterfactual is right where it is not called unknown', async (t) => {
  let [known, unknown] = [0, 0];
  await fc.assert(
    fc.asyncProperty(
      fc
        .tuple(arbitraryTopology.map(coarse), moments(10, 30, 50))
        .map(([plain, afterMs]) => withHedges(plain, afterMs))
        .chain((plain) => fc.tuple(fc.constant(plain), faulty(fc.oneof(slow, error), plain))),
      async ([plain, broken]) => {
        for (const { label, root } of await besideTruth(plain, broken)) {
          if (label.basis === 'unknown') unknown += 1;
          else {
            known += 1;
            t.is(label.counterfactualStatus, root.status);
            const [is, should] = [label.counterfactualMs ?? Number.NaN, root.endAt - root.startAt];
            t.true(Math.abs(is - should) < 9 + 0.02 * should, `${label.key}: ${is}, truly ${should}`);
          }
        }
      },
    ),
    { numRuns: 80 },
  );
  t.true(known > 20 * unknown, `${known} known, ${unknown} not`);
});
