import Ajv from 'ajv';
import test from 'ava';
import { jaeger } from '../../../../lib/flows/formats/jaeger';
import { hostileFlow, troubledShop } from '../../../support/sample-flows';

/** After the Go types that Jaeger's query service answers with, `internal/uimodel/model.go`. */
const tag = {
  type: 'object',
  required: ['key', 'type', 'value'],
  additionalProperties: false,
  properties: { key: { type: 'string' }, type: { type: 'string' }, value: {} },
  oneOf: [
    { properties: { type: { const: 'string' }, value: { type: 'string' } } },
    { properties: { type: { const: 'bool' }, value: { type: 'boolean' } } },
    { properties: { type: { const: 'int64' }, value: { type: 'integer' } } },
    { properties: { type: { const: 'float64' }, value: { type: 'number', not: { type: 'integer' } } } },
  ],
};
const tags = { type: 'array', items: tag };
const traceID = { type: 'string', pattern: '^[0-9a-f]{32}$' };
const spanID = { type: 'string', pattern: '^[0-9a-f]{16}$' };
const whole = { type: 'integer', minimum: 0 };
const warnings = { anyOf: [{ type: 'null' }, { type: 'array', items: { type: 'string' }, minItems: 1 }] };
const strict = (properties: object) => ({
  type: 'object',
  required: Object.keys(properties),
  additionalProperties: false,
  properties,
});
const reference = strict({ refType: { enum: ['CHILD_OF', 'FOLLOWS_FROM'] }, traceID, spanID });
const span = strict({
  traceID,
  spanID,
  operationName: { type: 'string' },
  references: { type: 'array', items: reference },
  startTime: whole,
  duration: whole,
  tags,
  logs: { type: 'array', items: strict({ timestamp: whole, fields: tags }) },
  processID: { type: 'string' },
  warnings,
});
const process = strict({ serviceName: { type: 'string', minLength: 1 }, tags });
const trace = strict({
  traceID,
  spans: { type: 'array', minItems: 1, items: span },
  processes: { type: 'object', additionalProperties: process },
  warnings,
});
const valid = new Ajv({ strict: false }).compile(strict({ data: { type: 'array', items: trace } }));

test("the export has the shape of Jaeger's own answers, and all references lead somewhere", async (t) => {
  const run = await troubledShop();
  const flows = [...run.flows(), hostileFlow()];
  const document = JSON.parse([...jaeger(flows, run)].join(''));
  t.true(valid(document), JSON.stringify(valid.errors?.slice(0, 3)));
  t.is(document.data.length, flows.length);
  for (const { spans, processes } of document.data) {
    const ids = new Set(spans.map(({ spanID: id }: { spanID: string }) => id));
    t.is(ids.size, spans.length);
    for (const { references, processID } of spans) {
      t.true(processID in processes);
      for (const { spanID: parent } of references) t.true(ids.has(parent));
    }
  }
});

test('no flows are an empty list', async (t) => {
  const run = await troubledShop(1);
  t.deepEqual(JSON.parse([...jaeger([], run)].join('')), { data: [] });
});
