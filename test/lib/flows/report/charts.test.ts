import test from 'ava';
import { histogramChart, latencyChart } from '../../../../lib/flows/report/charts';
import { runSeries } from '../../../../lib/flows/report/run-series';
import { hostileFlow } from '../../../support/sample-flows';

test('what was done to a run is marked at its moment, and nothing outside of the run is', (t) => {
  const startAt = Date.parse('2026-11-21T05:44:30.000Z');
  const chart = latencyChart(runSeries(startAt, startAt + 10_000), [
    { atMs: 2_500, text: 'slow: delay={"uniform":[1,2]} & <more>' },
    { atMs: 60_000, text: 'long after' },
  ]);
  const [wide, narrow] = chart.split('class="chart narrow"');
  for (const picture of [wide, narrow]) t.is(picture?.match(/class="mark"/g)?.length, 1);
  t.regex(chart, /<title>2\.5 s: slow: delay=[^<>]*&amp; &lt;more&gt;<\/title>/);
  t.false(chart.includes('long after'));
});

test('failed requests stand in a strip below the lines, and cover none', (t) => {
  const startAt = Date.parse('2026-11-21T05:44:29.000Z');
  const series = runSeries(startAt, startAt + 10_000);
  series.add(hostileFlow());
  const [wide = ''] = latencyChart(series).split('class="chart narrow"');
  const [failed] = Array.from(wide.matchAll(/<rect class="failed" x="[\d.]+" y="([\d.]+)"/g), ([, y]) => Number(y));
  const grid = Array.from(wide.matchAll(/<line class="grid" [^>]*y1="([\d.]+)"/g), ([, y]) => Number(y));
  t.true(Number(failed) > Math.max(...grid), `${failed} below ${grid}`);
  t.true(wide.includes('>failed</text>'));
});

test('a run in which all took equally long has one bar among others, and times below it', (t) => {
  const startAt = Date.parse('2026-11-21T05:44:30.000Z');
  const series = runSeries(startAt, startAt + 1_000);
  series.add(hostileFlow());
  const chart = histogramChart(series);
  const widths = Array.from(
    chart.matchAll(/class="bar" x="[\d.]+" y="[\d.]+" width="([\d.]+)"/g),
    ([, width]) => width,
  );
  t.true(widths.length >= 12 && widths.every((width) => Number(width) < 40));
  t.is(chart.match(/1 request took/g)?.length, 1);
  t.true((chart.match(/class="tick/g) ?? []).length >= 4);
});
