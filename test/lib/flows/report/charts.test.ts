import test from 'ava';
import { latencyChart } from '../../../../lib/flows/report/charts';
import { runSeries } from '../../../../lib/flows/report/run-series';

test('what was done to a run is marked at its moment, and nothing outside of the run is', (t) => {
  const startAt = Date.parse('2026-11-21T05:44:30.000Z');
  const chart = latencyChart(runSeries(startAt, startAt + 10_000), [
    { atMs: 2_500, text: 'slow: delay={"uniform":[1,2]} & <more>' },
    { atMs: 60_000, text: 'long after' },
  ]);
  t.is(chart.match(/class="mark"/g)?.length, 1);
  t.regex(chart, /<title>2\.5 s: slow: delay=[^<>]*&amp; &lt;more&gt;<\/title>/);
  t.false(chart.includes('long after'));
});
