import test from 'ava';
import type { Flow } from '../../../../lib/flows/flow';
import { chrome } from '../../../../lib/flows/formats/chrome';
import { jaeger } from '../../../../lib/flows/formats/jaeger';
import { mermaid } from '../../../../lib/flows/formats/mermaid';
import { otlp } from '../../../../lib/flows/formats/otlp';
import type { Run } from '../../../../lib/flows/read-run';
import { reportRun } from '../../../../lib/flows/run-report';
import { reportText } from '../../../../lib/flows/text/report-text';
import { loadTopology } from '../../../../lib/model/load-topology';
import { hostileFlow } from '../../../support/sample-flows';
import { simulatedRun } from '../../../support/simulated-run';

/** Hosts of unknown clocks: many orders are proved, some are not, of beginnings and of ends. */
const skewed = (): Promise<Run> =>
  simulatedRun({
    topology: loadTopology('shop'),
    requests: 40,
    hostOf: (instance) => instance,
    clocks: { 'inventory-1': { offsetMs: 40, source: 'unknown' }, 'orders-1': { offsetMs: -3_000 } },
  });

const openOf = ({ orderings }: Flow) => orderings.filter(({ proof }) => proof === null);
const style = { width: 80, colour: false, unicode: true };

test('a sequence diagram notes each order within clock error over both instances', async (t) => {
  const flows = [...(await skewed()).flows()];
  t.true(flows.some((flow) => openOf(flow).some(({ second }) => second.at === 'end')));
  for (const flow of flows) {
    const notes = mermaid(flow)
      .split('\n')
      .filter((line) => line.includes('not proved'));
    t.is(notes.length, openOf(flow).length);
    for (const [index, { first, second }] of openOf(flow).entries()) {
      const pair = first.instance === second.instance ? /^ {2}Note over p\d+: / : /^ {2}Note over p\d+,p\d+: /;
      t.regex(notes[index] ?? '', pair);
    }
  }
});

test('Perfetto has an instant for each order within clock error, at its event', async (t) => {
  const run = await skewed();
  const { traceEvents } = JSON.parse([...chrome(run.flows(), run)].join(''));
  const instants = traceEvents.filter(({ cat }: { cat?: string }) => cat === 'order');
  t.is(instants.length, [...run.flows()].flatMap(openOf).length);
  for (const { pid, tid, ts, args } of instants) {
    t.regex(args.what, /^its (start|end) after the (start|end) of \S+ is not proved: .*clocks known to ±/);
    t.true(
      traceEvents.some(
        (event: { ph: string; pid: number; tid: number; ts: number; dur: number }) =>
          event.ph === 'X' &&
          event.pid === pid &&
          event.tid === tid &&
          (event.ts === ts || Math.abs(event.ts + event.dur - ts) < 0.01),
      ),
    );
  }
});

test("Jaeger warns of each order within clock error on its span, a proved one's span has no such warning", async (t) => {
  const run = await skewed();
  const { data } = JSON.parse([...jaeger(run.flows(), run)].join(''));
  for (const [index, flow] of [...run.flows()].entries()) {
    const warned = data[index].spans.flatMap(({ spanID, warnings }: { spanID: string; warnings: string[] | null }) =>
      (warnings ?? []).filter((text) => text.includes('is not proved')).map(() => spanID),
    );
    t.deepEqual(
      warned.sort(),
      openOf(flow)
        .map(({ second }) => second.requestId)
        .sort(),
    );
  }
});

test('OTLP has an event for each order within clock error on its span, with distance and bound', async (t) => {
  const run = await skewed();
  const told = [...otlp(run.flows(), run)].flatMap((line) =>
    JSON.parse(line).resourceSpans.flatMap((resource: { scopeSpans: { spans: OtlpSpan[] }[] }) =>
      (resource.scopeSpans[0]?.spans ?? []).flatMap(({ spanId, events = [] }) =>
        events
          .filter(({ name }) => name === 'microcosm.order_within_clock_error')
          .map(({ attributes }) => {
            const value = (key: string) => attributes.find((each) => each.key === `microcosm.order.${key}`)?.value;
            return `${value('with')?.stringValue} ${spanId} ${value('apart_ms')?.doubleValue ?? value('apart_ms')?.intValue}`;
          }),
      ),
    ),
  );
  const open = [...run.flows()].flatMap(openOf);
  t.deepEqual(
    told.sort(),
    open.map(({ first, second, apartMs }) => `${first.requestId} ${second.requestId} ${apartMs + 0}`).sort(),
  );
});

interface OtlpSpan {
  readonly spanId: string;
  readonly events?: readonly {
    readonly name: string;
    readonly attributes: readonly {
      readonly key: string;
      readonly value: { readonly stringValue?: string; readonly doubleValue?: number; readonly intValue?: string };
    }[];
  }[];
}

test('the text counts the orders within clock error of a flow, and names them where the flow is asked for', async (t) => {
  const run = await skewed();
  const flow = [...run.flows()].find((each) => openOf(each).length > 1);
  if (!flow) return t.fail('the run has no such flow');
  const count = `≈ ${openOf(flow).length} of ${flow.orderings.length} orders between hosts are within clock error`;
  const all = [...reportText(reportRun(run, { slowest: 40 }), style)];
  t.true(all.includes(`  ${count}: see --flow ${flow.traceId.slice(0, 8)}`));
  const lines = [...reportText(reportRun(run, { slowest: 0, failed: 0, traceId: flow.traceId }), style)];
  const at = lines.indexOf(`  ${count}:`);
  const told = lines.slice(at + 1).join('\n');
  const pairs = Array.from(
    told.matchAll(/^ {4}(\S+) .*? before (\S+) [\s\S]*? -?[\d.]+ ms apart, clocks ±[\d.]+ ms$/gm),
  );
  t.deepEqual(
    pairs.map(([, first, second]) => `${first} ${second}`),
    openOf(flow).map(({ first, second }) => `${first.instance} ${second.instance}`),
  );
  for (const width of [60, 80]) {
    const narrow = [
      ...reportText(reportRun(run, { slowest: 0, failed: 0, traceId: flow.traceId }), { ...style, width }),
    ];
    t.deepEqual(
      narrow.slice(narrow.indexOf(`  ${count}:`)).filter((line) => line.length > width),
      [],
    );
  }
});

test('an unknown clock is said to be unknown, the likelier order to be the other one', (t) => {
  const flow = hostileFlow();
  const [ordering] = flow.orderings;
  if (!ordering) return t.fail('the flow has no ordering');
  const told = (fields: object) => mermaid({ ...flow, orderings: [{ ...ordering, ...fields }] });
  t.true(told({ boundMs: null }).includes('clock#39;s error is not known'));
  t.true(told({ apartMs: -0.25 }).includes('0.25 ms the other way round by the best guess<br/>clocks known to ±3 ms'));
  t.false(told({ proof: 'apart' }).includes('not proved'));
});
