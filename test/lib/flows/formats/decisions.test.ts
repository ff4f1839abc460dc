import test from 'ava';
import type { Flow, SpanDecision } from '../../../../lib/flows/flow';
import { chrome } from '../../../../lib/flows/formats/chrome';
import { spansOf } from '../../../../lib/flows/formats/csv';
import { dot } from '../../../../lib/flows/formats/dot';
import { mermaid } from '../../../../lib/flows/formats/mermaid';
import { mapServices } from '../../../../lib/flows/formats/service-map';
import { shiviz } from '../../../../lib/flows/formats/shiviz';
import { svg } from '../../../../lib/flows/formats/svg';
import { resolve } from '../../../../lib/model/resolve';
import type { TopologySpec } from '../../../../lib/model/spec';
import { simulatedRun } from '../../../support/simulated-run';

const SERVICES = {
  web: {
    edge: true,
    calls: [
      { call: 'data', hedge: { afterMs: 20 } },
      { call: 'ads', breaker: { consecutiveFailures: 2, openMs: 50_000 }, fallback: { bytes: 1 } },
    ],
  },
  data: { replicas: 2, latencyMs: { uniform: [1, 60] } },
  ads: {},
};

async function decidedFlows(): Promise<readonly Flow[]> {
  const topology = resolve({ services: SERVICES } as unknown as TopologySpec, 'guarded');
  const run = await simulatedRun({ topology, requests: 30, rate: 1, breakers: true, failures: { internal: 0.3 } });
  return [...run.flows()];
}

const decisionsOf = (flow: Flow): readonly SpanDecision[] => [...spansOf(flow)].flatMap(({ decisions }) => decisions);

test('every decision of a policy is drawn in each picture of its flow, and counted in the map', async (t) => {
  const flows = await decidedFlows();
  const all = flows.flatMap(decisionsOf);
  const kinds = new Map<string, number>();
  for (const { event } of all) kinds.set(event, (kinds.get(event) ?? 0) + 1);
  t.deepEqual([...kinds.keys()].sort(), ['BREAKER_OPENED', 'FALLBACK_USED', 'HEDGE_SENT']);

  for (const flow of flows) {
    const own = decisionsOf(flow);
    const notes = mermaid(flow)
      .split('\n')
      .filter((line) => /Note over \w+: [A-Z]+_[A-Z]+ (data|ads)/.test(line));
    t.is(notes.length, own.length);
    const log = [...shiviz([flow])].join('');
    for (const { event } of own) t.regex(log, new RegExp(`^${event} (data|ads) GET /`, 'm'));
  }
  t.regex(flows.map(mermaid).join(''), /HEDGE_SENT data GET \/, attempt 2#58; afterMs 20/);

  const { traceEvents } = JSON.parse([...chrome(flows, { run: 'r', topology: 'guarded' })].join(''));
  const marks = traceEvents.filter(({ cat }: { cat: string }) => cat === 'decision');
  t.is(marks.length, all.length);
  for (const { ph, pid, tid, ts } of marks) {
    const around = traceEvents.filter(
      (event: { ph: string; pid: number; tid: number; ts: number; dur: number }) =>
        event.ph === 'X' && event.pid === pid && event.tid === tid && event.ts <= ts && ts <= event.ts + event.dur,
    );
    t.is(ph, 'i');
    t.true(around.length > 0, 'it lies within its span');
  }
  const hedge = marks.find(({ name }: { name: string }) => name === 'HEDGE_SENT');
  t.like(hedge.args, { callee: 'data GET /', attempt: 2, afterMs: 20 });

  const map = mapServices(flows);
  for (const picture of [dot(map, 'guarded'), svg(map, 'guarded')]) {
    t.true(picture.includes(`hedge sent ${kinds.get('HEDGE_SENT')}`));
    t.true(
      picture.includes(`breaker opened ${kinds.get('BREAKER_OPENED')}, fallback used ${kinds.get('FALLBACK_USED')}`),
    );
  }
});
