import test from 'ava';
import { reportRun } from '../../../../lib/flows/run-report';
import { reportText } from '../../../../lib/flows/text/report-text';
import { spark } from '../../../../lib/flows/text/spark';
import { loadTopology } from '../../../../lib/model/load-topology';
import { simulatedRun } from '../../../support/simulated-run';

const style = { width: 80, colour: false, unicode: true };

test('rates and requests in progress stand in tables that fit 80 columns', async (t) => {
  const run = await simulatedRun({ topology: loadTopology('shop'), requests: 400, rate: 200 });
  const result = reportRun(run);
  const lines = [...reportText(result, style)];
  t.deepEqual(
    lines.filter((line) => [...line].length > 80),
    [],
  );
  const web = [...result.report.statistics.endpoints.values()].find(({ endpoint }) => endpoint === 'GET /search');
  const row = lines.find((line) => line.startsWith('web GET /search ')) ?? '';
  const [, calls, rate] = /(\d+) +([\d.]+) +\d+ +[\d.]+ +[\d.]+/.exec(row.slice(20)) ?? [];
  t.is(Number(calls), web?.calls ?? Number.NaN);
  t.true(Math.abs(Number(rate) - (web?.calls ?? 0) / 2) < 0.1 * Number(rate), row);
  const start = lines.findIndex((line) => /^REQUESTS IN PROGRESS +MEAN +PEAK +OVER THE RUN$/.test(line));
  t.is(lines[start + 1]?.split(' ')[0], 'web', 'the busiest comes first');
  t.regex(lines[start + 1] ?? '', /^web +\d\.\d\d +\d+(-\d+)? +[ ▁▂▃▄▅▆▇█]{20,30}$/);
});

test('bars reach from 0 to the largest value; too many values share columns', (t) => {
  t.is(spark([0, 1, 4, 8], 10, style), ' ▁▄█');
  t.is(spark([0, 2, 8, 8], 2, style), '▁█');
  t.is(spark([0, 1, 8], 3, { ...style, unicode: false }), ' _#');
  t.is(spark([0, 0], 5, style), '  ');
});
