import test from 'ava';
import { spansOf } from '../../../../lib/flows/formats/csv';
import { jaeger } from '../../../../lib/flows/formats/jaeger';
import { otlp } from '../../../../lib/flows/formats/otlp';
import { reportRun } from '../../../../lib/flows/run-report';
import { reportText } from '../../../../lib/flows/text/report-text';
import { resolve } from '../../../../lib/model/resolve';
import type { TopologySpec } from '../../../../lib/model/spec';
import { simulatedRun } from '../../../support/simulated-run';

const SPEC = {
  services: { web: { edge: true, calls: [{ call: 'data', fallback: { bytes: 1 } }] }, data: {} },
} as TopologySpec;

test('what policies decided stands in the tree, the counts and the exports of a timeline', async (t) => {
  const run = await simulatedRun({ topology: resolve(SPEC, 'guarded'), requests: 20, failures: { internal: 0.5 } });
  const { report, slowest } = reportRun(run, { slowest: 20 });
  t.deepEqual(
    report.warnings.filter((warning) => warning.includes('unknown')),
    [],
  );
  const [flow] = slowest.filter(({ root }) => root.decisions.length > 0);
  if (!flow) return t.fail('no flow has a decision');
  const [decision] = flow.root.decisions;
  t.like(decision, { event: 'FALLBACK_USED', callee: 'data GET /', attempt: 1, figures: { bytes: 1 } });
  t.true((decision?.offsetMs ?? 0) > 0 && (decision?.offsetMs ?? 0) <= (flow.durationMs ?? 0));
  t.true(flow.complete);

  const times = [...run.flows()].flatMap((each) => [...spansOf(each)]).flatMap(({ decisions }) => decisions).length;
  t.true(times > 0);
  const edge = report.statistics.edges.get('web data GET /');
  t.deepEqual([...(edge?.decisions ?? [])], [['FALLBACK_USED', times]]);

  const style = { colour: false, unicode: true, width: 100 };
  const text = [...reportText({ report, slowest: [flow], failed: [], ofTrace: [] }, style)].join('\n');
  t.regex(text, /├ data-1 GET \/.*\n.*└ FALLBACK_USED data GET \//);
  t.true(text.includes(`FALLBACK_USED ${times}`));
  const name = { run: 'guarded', topology: 'guarded' };
  for (const lines of [otlp([flow], name), jaeger([flow], name)]) {
    const exported = [...lines].join('');
    t.true(exported.includes('FALLBACK_USED'));
    t.notThrows(() => JSON.parse(exported));
  }
});
