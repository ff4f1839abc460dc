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
