import test from 'ava';
import type { Flow } from '../../../../lib/flows/flow';
import { otlp } from '../../../../lib/flows/formats/otlp';
import { traceItems } from '../../../../lib/flows/formats/trace-item';
import { HOSTILE, hostileFlow, troubledShop } from '../../../support/sample-flows';

/** Generated from OpenTelemetry's published protobuf definitions. */
const { TracesData } = require('@opentelemetry/otlp-proto-exporter-base/build/src/generated/root').opentelemetry.proto
  .trace.v1;

const NAME = { run: 'shop-20261121t054429z-simu', topology: 'shop' };

const lines = (flows: Iterable<Flow>) => [...otlp(flows, NAME)].map((line) => JSON.parse(line));
interface OtlpSpan {
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string }[];
  readonly status: { readonly code?: number };
}
interface OtlpDocument {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[] }[];
}
const spansOf = ({ resourceSpans }: OtlpDocument): readonly OtlpSpan[] =>
  resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));

/** OTLP/JSON writes ids in hexadecimal, where protobuf's JSON has base64: what else differs is a mistake. */
function toProtobufJson(value: unknown, key = ''): unknown {
  if (Array.isArray(value)) return value.map((each) => toProtobufJson(each));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, toProtobufJson(each, name)]));
  }
  return ['traceId', 'spanId', 'parentSpanId'].includes(key)
    ? Buffer.from(`${value}`, 'hex').toString('base64')
    : value;
}

test("every line is a TracesData of OpenTelemetry's definitions, and nothing in it is unknown to them", async (t) => {
  const flows = [...(await troubledShop()).flows(), hostileFlow()];
  const documents = lines(flows);
  t.true(documents.length > 1);
  for (const document of documents) {
    const expected = toProtobufJson(document);
    const message = TracesData.fromObject(expected as object);
    t.is(TracesData.verify(message), null);
    const decoded = TracesData.decode(TracesData.encode(message).finish());
    const back = TracesData.toObject(decoded, { longs: String, bytes: String });
    t.deepEqual(JSON.parse(JSON.stringify(back)), expected);
  }
});

test('a span keeps its request id, hangs below the attempt that led to it, and ids are never used twice', async (t) => {
  const run = await troubledShop();
  for (const flow of run.flows()) {
    const items = traceItems(flow);
    const byId = new Map(items.map((item) => [item.spanId, item]));
    t.is(byId.size, items.length);
    for (const { span, kind, parentSpanId } of items) {
      if (!span) continue;
      const parent = byId.get(parentSpanId ?? '');
      if (!span.inferred) t.true(byId.has(span.requestId));
      if (parent && !flow.orphans.includes(span)) t.is(parent.kind === 'server', kind === 'consumer');
    }
  }
});

test('servers, clients, sends and queued work have the kinds and attributes of the semantic conventions', async (t) => {
  const run = await troubledShop();
  const spans = lines(run.flows()).flatMap(spansOf);
  const withKind = (kind: number) => spans.filter((span) => span.kind === kind);
  const has = (key: string) => (span: (typeof spans)[number]) => span.attributes.some((each) => each.key === key);
  const [server, client, producer, consumer] = [2, 3, 4, 5].map(withKind) as [
    typeof spans,
    typeof spans,
    typeof spans,
    typeof spans,
  ];
  t.true(server.length > 500 && client.length > 500 && producer.length > 10 && consumer.length > 10);
  t.true(server.filter(({ name }) => name !== '?').every(has('http.route')));
  t.true(client.every(has('server.address')));
  t.true(client.some(has('http.request.resend_count')));
  t.true(consumer.every(has('messaging.destination.name')));
  const failed = spans.filter(({ status }) => status.code === 2);
  t.true(failed.length > 20);
  t.true(failed.every(has('error.type')));
  t.true(
    spans.every(
      ({ startTimeUnixNano, endTimeUnixNano }) => BigInt(`${endTimeUnixNano}`) >= BigInt(`${startTimeUnixNano}`),
    ),
  );
});

test('what a log says reaches an attribute as it stands', (t) => {
  const [document] = lines([hostileFlow()]);
  t.true(JSON.stringify(document).includes(JSON.stringify(HOSTILE).slice(1, -1)));
});
