import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { FlowLabel } from '../../lib/flows/labels/label';
import { launch } from '../../lib/local/launch';
import { loadTopology } from '../../lib/model/load-topology';
import { outcome, toolsIn } from '../support/tool';

const cwd = mkdtempSync(join(tmpdir(), 'microcosm-labels-'));
test.after.always(() => rmSync(cwd, { recursive: true, force: true }));
mkdirSync(join(cwd, 'topologies'));
const tool = toolsIn(cwd);

function write(name: string, late: readonly object[], broken: readonly object[]): void {
  const services = {
    web: { edge: true, calls: ['mid', ['slow', 'fast']] },
    mid: { calls: ['end'] },
    end: { latencyMs: 30, faults: broken },
    slow: { latencyMs: 60 },
    fast: { latencyMs: { uniform: [5, 20] }, faults: late },
  };
  writeFileSync(join(cwd, 'topologies', `${name}.json`), JSON.stringify({ seed: 'same', services }));
}

write('plain', [], []);
write(
  'broken',
  // Long enough that the call beside it, on a busy machine too, has ended before.
  [{ type: 'latency', at: 'before', args: { delay: 500 }, probability: 0.5, id: 'late' }],
  [{ type: 'error', at: 'before', probability: 0.3, id: 'no' }],
);

/** The flows of a run of 40 requests, which every run repeats, by key. */
async function labelsOf(t: ExecutionContext, topology: string): Promise<ReadonlyMap<string, FlowLabel>> {
  const deployed = await launch(loadTopology(topology, { cwd }), { cwd });
  t.teardown(() => deployed.kill());
  const { stdout } = await outcome(
    tool(t, 'load', topology, '--requests', '40', '--rate', '20', '--seed', 'again', '--json'),
  );
  await deployed.stop();
  const { run } = JSON.parse(stdout) as { readonly run: string };
  const labels = await outcome(tool(t, 'timeline', run, '--format', 'labels'));
  const flows = labels.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as FlowLabel);
  return new Map(flows.map((flow) => [flow.key, flow]));
}

test('labels of a real run agree with the same run without its faults, and name the ancestors that failed', async (t) => {
  const plain = await labelsOf(t, 'plain');
  const broken = await labelsOf(t, 'broken');
  t.is(broken.size, 40);
  const off: Record<'struck' | 'spared', number[]> = { struck: [], spared: [] };
  let [failed, late] = [0, 0];
  for (const [key, label] of broken) {
    const without = plain.get(key) as FlowLabel;
    t.false(without.faulted);
    t.is(label.counterfactualStatus, without.status);
    const struck = label.spans.flatMap(({ faults }) => faults);
    const truly = (label.durationMs as number) - (without.durationMs as number);
    off[struck.length > 0 ? 'struck' : 'spared'].push(Math.abs((label.addedMs as number) - truly));
    if (label.status === 200) {
      t.deepEqual(
        label.causes,
        struck.map(({ injection }) => injection),
      );
      late += struck.length;
      continue;
    }
    failed += 1;
    const [end, mid, web] = ['end', 'mid', 'web'].map((name) => label.spans.find(({ service }) => service === name));
    const via = [end?.requestId, mid?.requestId, web?.requestId];
    t.is(struck[0]?.id, 'no');
    t.deepEqual(mid?.effects[0]?.via, via.slice(0, 2));
    t.deepEqual(web?.effects[0]?.via, via);
    for (const span of [mid, web]) t.true(span?.effects[0]?.kinds.includes('failed'));
    t.deepEqual(web?.effects[0]?.absent?.toSorted(), ['fast GET /', 'slow GET /']);
  }
  t.true(failed > 2 && failed < 30 && late > 2, `${failed} failed, ${late} late`);
  // What a busy machine adds to one run and not to the other is no label's fault: those that nothing struck tell how much.
  const [struck, spared] = [off.struck, off.spared].map(median) as [number, number];
  t.true(
    struck < 40 + 3 * spared,
    `half of the labels are off by ${struck} ms, and by ${spared} ms where nothing struck`,
  );
  t.log(`off by ${struck} ms at the median, by ${spared} ms where nothing struck`);
});

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
