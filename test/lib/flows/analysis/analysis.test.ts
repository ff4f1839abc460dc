import test from 'ava';
import { bootstrapInterval, resampledQuantile, seededUniform } from '../../../../lib/flows/analysis/bootstrap';
import { compareRuns } from '../../../../lib/flows/analysis/compare-runs';
import { explainTail } from '../../../../lib/flows/analysis/explain-tail';
import { runSamples } from '../../../../lib/flows/analysis/run-samples';
import type { Run } from '../../../../lib/flows/read-run';
import { reportRun } from '../../../../lib/flows/run-report';
import { resolve } from '../../../../lib/model/resolve';
import type { Topology } from '../../../../lib/model/topology';
import { simulatedRun } from '../../../support/simulated-run';

function shop(latencyMs: unknown, seed = 'shop'): Topology {
  const services = {
    web: { edge: true, steps: [{ call: 'slow' }, { call: 'quick' }] },
    slow: { latencyMs },
    quick: { latencyMs: { uniform: [1, 2] } },
  };
  return resolve({ name: 'small', seed, services } as never, 'small');
}

const side = (run: Run) => ({ run: run.run, samples: runSamples(run) });

test('what got slower is told with an interval that holds the truth, and nothing else is', async (t) => {
  const before = await simulatedRun({ topology: shop({ uniform: [5, 9] }, 'a'), requests: 600, seed: 1 });
  const after = await simulatedRun({ topology: shop({ uniform: [8, 12] }, 'b'), requests: 600, seed: 2 });
  const { series, paired } = compareRuns(side(after), side(before));
  const of = (name: string) => series.find((one) => one.name === name);
  t.is(paired, null);
  t.is(of('slow GET /')?.verdict, 'slower');
  const { low = 0, high = 0 } = of('slow GET /')?.median?.interval ?? {};
  t.true(low <= 3 && high >= 3 && high - low < 1.5);
  t.is(of('web -> slow GET /')?.verdict, 'slower');
  t.is(of('quick GET /')?.verdict, 'no difference told');
  t.deepEqual(compareRuns(side(after), side(before)), compareRuns(side(after), side(before)), 'the same each time');
});

test('runs with the same keys are compared request by request', async (t) => {
  const keys = Array.from({ length: 300 }, (_, i) => `k${i}`);
  const topology = shop({ uniform: [1, 80] });
  const before = await simulatedRun({ topology, requests: 300, seed: 1, keys });
  const after = await simulatedRun({ topology, requests: 300, seed: 2, keys, networkMs: () => 1.25 });
  const { paired } = compareRuns(side(after), side(before));
  t.is(paired?.flows, 300);
  // Four messages of 1.25 ms in place of 0.25 ms on average.
  t.true((paired?.interval.low ?? 0) <= 4.05 && (paired?.interval.high ?? 0) >= 3.95, JSON.stringify(paired));
});

test('the interval of a median holds the truth about as often as it says', (t) => {
  const uniform = seededUniform(7);
  let held = 0;
  for (let round = 0; round < 300; round++) {
    const values = Float64Array.from({ length: 60 }, uniform).sort();
    const { low, high } = bootstrapInterval(() => resampledQuantile(values, 0.5, uniform), 0.95, 500);
    if (low <= 0.5 && high >= 0.5) held += 1;
  }
  t.true(held >= 270 && held < 300, String(held));
});

test('a tail of calls that were never answered is laid to them', async (t) => {
  const topology = shop({ uniform: [2, 3] });
  const run = await simulatedRun({ topology, requests: 1_000, failures: { lost: 0.004 } });
  const tail = explainTail(run, reportRun(run).report.statistics.duration.percentile(0.995));
  t.true((tail?.tail ?? 0) >= 5);
  t.is(tail?.places[0]?.kind, 'unanswered');
  t.true(
    tail?.marks.some(({ kind, name, lift }) => kind === 'error' && /TIMEOUT|DEADLINE/.test(name) && lift > 5),
    JSON.stringify(tail),
  );
});

test('what a callee goes on with, once its caller has given it up, is on no critical path', async (t) => {
  const services = {
    web: { edge: true, steps: [{ call: 'middle', timeoutMs: 20, optional: true }], latencyMs: 1 },
    middle: { steps: [{ call: 'deep' }, { call: 'last' }] },
    deep: { latencyMs: { uniform: [1, 40] } },
    last: { latencyMs: { uniform: [1, 40] } },
  };
  const topology = resolve({ name: 'small', seed: 'a', services } as never, 'small');
  const run = await simulatedRun({ topology, requests: 600, rate: 20 });
  const { statistics } = reportRun(run).report;
  const critical = [...statistics.endpoints.values()].map(({ service, criticalMs }) => [service, criticalMs] as const);
  const sum = critical.reduce((total, [, ms]) => total + ms, 0);
  const { sum: durations } = statistics.duration;
  t.true(sum <= durations && sum > 0.5 * durations, `${sum} of ${durations}: ${critical}`);
  const tail = explainTail(run, statistics.duration.percentile(0.9));
  const spent = tail?.places.reduce((total, { tailMs }) => total + tailMs, 0) ?? Number.NaN;
  t.true(spent <= statistics.duration.max, JSON.stringify(tail));
});

test('failures are counted alike by a comparison and by the statistics', async (t) => {
  const topology = shop({ uniform: [2, 3] });
  const failures = { connect: 0.02, reset: 0.03, lost: 0.02, internal: 0.02, balancer: 0.02 };
  const run = await simulatedRun({ topology, requests: 800, failures });
  const { statistics } = reportRun(run).report;
  const { series } = runSamples(run);
  t.is(series.get('flows all flows')?.errors, statistics.failed);
  for (const { service, endpoint, errors } of statistics.endpoints.values()) {
    t.is(series.get(`endpoint ${service} ${endpoint}`)?.errors, errors);
  }
});
