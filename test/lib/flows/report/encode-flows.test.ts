import test from 'ava';
import fc from 'fast-check';
import type { Call, Flow, OrderedEvent, Span } from '../../../../lib/flows/flow';
import { byteColumn } from '../../../../lib/flows/report/byte-column';
import { encodeFlows } from '../../../../lib/flows/report/encode-flows';
import type { ReportCall, ReportFlow, ReportSpan } from '../../../../lib/flows/report/flow-fields';
import { decodeFlows } from '../../../../lib/flows/report/page/decode-flows';
import { loadTopology } from '../../../../lib/model/load-topology';
import { hostileFlow, troubledShop } from '../../../support/sample-flows';
import { simulatedRun } from '../../../support/simulated-run';

const asCall = (call: Call): ReportCall => {
  const { callee, step, repetition, attempt, reconnect, peer, offsetMs, durationMs, status, bytes, critical } = call;
  const { kind = null, message = null } = call.error ?? {};
  return {
    ...{ callee, step, repetition, attempt, peer, offsetMs, durationMs, status, bytes, critical },
    reconnect: attempt === null ? 0 : reconnect,
    sent: call.sent !== false,
    error: kind,
    message,
    child: call.child && asSpan(call.child),
  };
};

const asSpan = (span: Span): ReportSpan => {
  const { service, instance, process, endpoint, requestId, via, offsetMs, correctionMs, durationMs, selfMs } = span;
  const { status, complete, inferred, critical } = span;
  const { kind = null, message = null } = span.error ?? {};
  return {
    ...{ service, instance, process, endpoint, requestId, via, offsetMs, correctionMs, durationMs, selfMs },
    ...{ status, complete, inferred, critical },
    inferredFrom: span.inferredFrom ?? null,
    rawAt: Date.parse(span.startTime),
    error: kind,
    message,
    order: span.order ?? null,
    uncertaintyMs: span.uncertaintyMs ?? null,
    faults: span.faults.map((fault) => JSON.stringify(fault)),
    decisions: span.decisions.map(({ event, callee }) => (callee === null ? event : `${event} ${callee}`)),
    calls: span.calls.map(asCall),
    queued: span.queued.map(asSpan),
  };
};

const asReport = ({
  traceId,
  key,
  startTime,
  durationMs,
  status,
  complete,
  warnings,
  client,
  root,
  orphans,
  orderings,
}: Flow): ReportFlow => {
  const all = [root, ...orphans].flatMap(spansOf);
  const event = ({ requestId, at }: OrderedEvent) => ({
    span: asSpan(all.find((span) => span.requestId === requestId) as Span),
    at,
  });
  return {
    ...{ traceId, key, durationMs, status, complete, warnings },
    startAt: Date.parse(startTime),
    client: client && asCall(client),
    root: asSpan(root),
    orphans: orphans.map(asSpan),
    orderings: orderings.length,
    open: orderings
      .filter(({ proof }) => proof === null)
      .map(({ first, second, apartMs, boundMs }) => ({
        first: event(first),
        second: event(second),
        apartMs: apartMs + 0,
        boundMs,
      })),
  };
};

const spansOf = (span: Span): readonly Span[] => [
  span,
  ...span.calls.flatMap(({ child }) => (child ? spansOf(child) : [])),
  ...span.queued.flatMap(spansOf),
];

test('the page reads back exactly what was written', async (t) => {
  const skewed = await simulatedRun({
    topology: loadTopology('shop'),
    requests: 60,
    hostOf: (instance) => instance,
    clocks: { 'catalog-1': { offsetMs: 50, source: 'unknown' } },
  });
  const flows = [...(await troubledShop(200)).flows(), ...skewed.flows(), hostileFlow()];
  t.true(flows.some(({ orderings }) => orderings.some(({ proof, second }) => proof === null && second.at === 'end')));
  const encoder = encodeFlows();
  for (const flow of flows) encoder.add(flow);
  const { head, bytes } = encoder.finish();
  const decoded = decodeFlows(JSON.parse(JSON.stringify(head)), bytes);
  t.is(decoded.length, flows.length);
  for (const [index, flow] of flows.entries()) t.deepEqual(decoded[index], asReport(flow));
});

test('marks of order and clock uncertainty reach the page', (t) => {
  const encoder = encodeFlows();
  const flow = hostileFlow();
  const root: Span = { ...flow.root, order: 'within-clock-error', uncertaintyMs: 1.25 };
  encoder.add({ ...flow, root, orphans: [{ ...root, order: 'proved' }] });
  const { head, bytes } = encoder.finish();
  const [back] = decodeFlows(head, bytes);
  t.deepEqual([back?.root.order, back?.root.uncertaintyMs], ['within-clock-error', 1.25]);
  t.is(back?.orphans[0]?.order, 'proved');
});

test('whole numbers of any size keep their value', (t) => {
  const result = fc.check(
    fc.property(fc.maxSafeNat(), (value) => {
      const column = byteColumn();
      column.unsigned(value);
      let back = 0;
      for (const [index, byte] of [...column.bytes()].entries()) back += (byte & 0x7f) * 2 ** (7 * index);
      return back === value;
    }),
  );
  t.false(result.failed, `${result.counterexample}`);
});
