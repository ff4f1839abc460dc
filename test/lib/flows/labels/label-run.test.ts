import test from 'ava';
import { labelLines, labelsCsv } from '../../../../lib/flows/formats/labels';
import type { FlowLabel, SpanLabel } from '../../../../lib/flows/labels/label';
import { labelRun } from '../../../../lib/flows/labels/label-run';
import { resolve } from '../../../../lib/model/resolve';
import type { TopologySpec } from '../../../../lib/model/spec';
import type { SimulationOptions } from '../../../support/simulate';
import { simulatedRun } from '../../../support/simulated-run';

async function labelsOf(services: unknown, options: Partial<SimulationOptions> = {}): Promise<readonly FlowLabel[]> {
  const topology = resolve({ services } as TopologySpec, 'tiny');
  const run = await simulatedRun({ topology, requests: 1, networkMs: () => 0.25, ...options });
  return [...(labelRun(run, run.flows()) ?? [])];
}

async function oneLabel(services: unknown): Promise<FlowLabel> {
  return (await labelsOf(services))[0] as FlowLabel;
}

const of = ({ spans }: FlowLabel, service: string): readonly SpanLabel[] =>
  spans.filter((span) => span.service === service);

test('a delay adds nothing where a slower sibling is waited for, and what exceeds it where not', async (t) => {
  const services = (delay: number) => ({
    web: { edge: true, calls: [['slow', 'fast']] },
    slow: { latencyMs: 100 },
    fast: { latencyMs: 10, faults: [{ type: 'latency', at: 'before', args: { delay }, id: 'late' }] },
  });
  const hidden = await oneLabel(services(50));
  t.is(hidden.addedMs, 0);
  t.true(hidden.faulted);
  t.false(hidden.anomalous);
  t.deepEqual(hidden.causes, []);
  t.like(of(hidden, 'fast')[0], { anomalous: true, addedMs: 50, basis: 'drawn' });
  t.like(of(hidden, 'web')[0], { anomalous: false, addedMs: 0 });
  const shown = await oneLabel(services(150));
  const [web, fast] = [of(shown, 'web')[0] as SpanLabel, of(shown, 'fast')[0] as SpanLabel];
  t.true(Math.abs((shown.addedMs as number) - 60) < 1);
  t.is(fast.addedMs, 150);
  t.is(web.effects.length, 1);
  t.like(web.effects[0], { injection: `${fast.requestId}#1`, kinds: ['slowed'], via: [fast.requestId, web.requestId] });
  t.deepEqual(shown.causes, [`${fast.requestId}#1`]);
  t.like(of(shown, 'slow')[0], { anomalous: false, effects: [], basis: 'measured' });
});

test('an error names the ancestors that failed by it, the retry that it caused and the calls that were left out', async (t) => {
  const retried = await oneLabel({
    web: { edge: true, calls: [{ call: 'data', retries: 1, faults: [{ type: 'error', probability: 0.5 }] }] },
    data: { latencyMs: 20 },
  });
  t.is(retried.counterfactualStatus, 200);
  const failed = await oneLabel({
    web: { edge: true, calls: ['mid', 'last'] },
    mid: { calls: ['end'] },
    end: { latencyMs: 30, faults: [{ type: 'error', at: 'before', id: 'broken' }] },
    last: { latencyMs: 40 },
  });
  t.like(failed, { status: 502, counterfactualStatus: 200, basis: 'modelled' });
  const [web, mid, end] = ['web', 'mid', 'end'].map((service) => of(failed, service)[0] as SpanLabel);
  t.deepEqual(web?.effects[0]?.kinds, ['shortened', 'failed', 'absent']);
  t.deepEqual(web?.effects[0]?.absent, ['last GET /']);
  t.deepEqual(mid?.effects[0]?.kinds, ['shortened', 'failed']);
  t.deepEqual(web?.effects[0]?.via, [end?.requestId, mid?.requestId, web?.requestId]);
  t.like(end?.faults[0], { id: 'broken', type: 'error', at: 'before', args: { status: 500 } });
  t.true(Math.abs((failed.counterfactualMs as number) - 70) < 5);
});

test('what would not have been without a fault is an effect of it too', async (t) => {
  const label = await oneLabel({
    web: { edge: true, calls: [{ call: 'data', retries: { max: 2, backoffMs: 10, jitter: 0 }, timeoutMs: 50 }] },
    data: { latencyMs: 5, faults: [{ type: 'latency', at: 'before', args: { delay: 100 }, id: 'slow' }] },
  });
  t.like(label, { status: 502, counterfactualStatus: 200 });
  const data = of(label, 'data');
  t.is(data.length, 3);
  // Any of the three attempts would have done.
  const [web] = of(label, 'web');
  t.deepEqual(
    web?.effects.map(({ injection, kinds }) => [injection, kinds.join(' ')]),
    data.map(({ requestId }, index) => [`${requestId}#1`, index < 2 ? 'slowed failed retried' : 'slowed failed']),
  );
  t.deepEqual(data[2]?.effects.map(({ kinds }) => kinds.join(' ')).sort(), ['extra', 'extra', 'slowed']);
  t.deepEqual(
    data.map(({ counterfactualMs }) => counterfactualMs !== null),
    [true, false, false],
  );
});

test('a hedge that only a delay brought about is extra, and its caller was slowed by what the hedge took', async (t) => {
  const data = { replicas: 2, latencyMs: 30 };
  const web = { edge: true, calls: [{ call: 'data', hedge: { afterMs: 40 } }] };
  const late = { type: 'latency', at: 'before', probability: 0.5, args: { delay: 200 }, id: 'late' };
  const labels = await labelsOf({ web, data: { ...data, faults: [late] } }, { requests: 40, rate: 1 });
  const won = labels.filter((label) => of(label, 'data').length === 2 && (label.durationMs as number) < 100);
  t.true(won.length > 0);
  for (const label of won) {
    const [struck, hedge] = of(label, 'data');
    // The first attempt was called off after 70 ms, and its callee's log says what it would have taken.
    t.true(Math.abs((label.addedMs as number) - 40) < 1, `${label.addedMs}`);
    t.like(struck, { addedMs: 200, counterfactualStatus: 200 });
    t.deepEqual(of(label, 'web')[0]?.effects[0]?.kinds, ['slowed', 'hedged']);
    t.like(hedge, { counterfactualMs: null, anomalous: true });
    t.deepEqual(hedge?.effects[0]?.kinds, ['extra']);
    t.deepEqual(hedge?.effects[0]?.via, [struck?.requestId, label.spans[0]?.requestId, hedge?.requestId]);
  }
});

test('two faults that each would have failed a request share the effect', async (t) => {
  const broken = { faults: [{ type: 'error', at: 'before' }] };
  const label = await oneLabel({ web: { edge: true, calls: [['a', 'b']] }, a: broken, b: broken });
  const [web] = of(label, 'web');
  t.is(web?.effects.length, 2);
  for (const effect of web?.effects ?? []) t.like(effect, { shared: true, kinds: ['failed'] });
  t.is(label.causes.length, 2);
});

test('the formats have a flow a line, and a row a span', async (t) => {
  const labels = await labelsOf(
    { web: { edge: true, calls: ['a'] }, a: { faults: [{ type: 'latency', at: 'after', args: { delay: 5 } }] } },
    { requests: 3 },
  );
  const lines = [...labelLines(labels)];
  t.deepEqual(
    lines.map((line) => JSON.parse(line).traceId),
    labels.map(({ traceId }) => traceId),
  );
  const [header = '', ...rows] = [...labelsCsv(labels)];
  t.true(header.startsWith('trace_id,request_id,'));
  t.is(rows.length, 6);
  t.true(rows[1]?.includes(',latency,slowed,'));
});
