import test from 'ava';
import { reportRun } from '../../../../lib/flows/run-report';
import { reportText } from '../../../../lib/flows/text/report-text';
import { spark } from '../../../../lib/flows/text/spark';
import { wrapped } from '../../../../lib/flows/text/style';
import { loadTopology } from '../../../../lib/model/load-topology';
import type { Files } from '../../../support/distort';
import type { Simulation } from '../../../support/simulate';
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

test('a warning is told to its end, however narrow the terminal; one flow lacks, two lack', async (t) => {
  const lose = (from: number, to: number) => (simulation: Simulation) => {
    const lines = simulation.files.get('web-1.log') ?? [];
    return new Map([...simulation.files, ['web-1.log', [...lines.slice(0, from), ...lines.slice(to)]]]);
  };
  const topology = loadTopology('shop');
  const told = async (distort: (simulation: Simulation) => Files, width: number) => {
    const lines = [
      ...reportText(reportRun(await simulatedRun({ topology, requests: 40 }, distort)), { ...style, width }),
    ];
    t.deepEqual(
      lines.slice(5, lines.indexOf('')).filter((line) => line.length > width),
      [],
    );
    return lines.join('\n').replaceAll(/\n {4}/g, ' ');
  };
  const times = String.raw`between \d\d:\d\d:\d\d\.\d{3} and \d\d:\d\d:\d\d\.\d{3}`;
  for (const width of [40, 80, 200]) {
    const text = await told(lose(30, 31), width);
    t.regex(text, new RegExp(`! web-1 \\(process \\w+\\): 1 event lost ${times}`));
    t.regex(text, /! 1 flow lacks events of a request/);
  }
  t.regex(await told(lose(30, 120), 80), /! \d+ flows lack events of a request/);
});

test('words that are longer than a line are cut, and nothing is left out', (t) => {
  t.deepEqual(wrapped('  ! one two', 7, '    '), ['  ! one', '    two']);
  t.deepEqual(wrapped('abcdefghij', 6, '  '), ['abcdef', '  ghij']);
  t.deepEqual(wrapped('short', 10, '  '), ['short']);
});

test('bars reach from 0 to the largest value; too many values share columns', (t) => {
  t.is(spark([0, 1, 4, 8], 10, style), ' ▁▄█');
  t.is(spark([0, 2, 8, 8], 2, style), '▁█');
  t.is(spark([0, 1, 8], 3, { ...style, unicode: false }), ' _#');
  t.is(spark([0, 0], 5, style), '  ');
});
