import test from 'ava';
import { parse } from 'csv-parse/sync';
import { csv, spansOf } from '../../../../lib/flows/formats/csv';
import { HOSTILE, hostileFlow, troubledShop } from '../../../support/sample-flows';

const read = (text: string): Record<string, string>[] => parse(text, { columns: true, record_delimiter: '\r\n' });

test('a row a span, which another parser reads back', async (t) => {
  const run = await troubledShop();
  const rows = read([...csv(run.flows())].join(''));
  const spans = [...run.flows()].flatMap((flow) => [...spansOf(flow)]);
  t.is(rows.length, spans.length);
  for (const [index, span] of spans.entries()) {
    const row = rows[index] as Record<string, string>;
    t.is(row.request_id, span.requestId);
    t.is(row.service, span.service);
    t.is(row.duration_ms, span.durationMs === null ? '' : `${span.durationMs}`);
    t.is(row.complete, `${span.complete}`);
  }
});

test('quotes, commas and line ends in texts survive', (t) => {
  const [row] = read([...csv([hostileFlow()])].join(''));
  t.is(row?.service, HOSTILE);
  t.is(row?.error_message, HOSTILE);
  t.deepEqual(JSON.parse(row?.faults ?? ''), hostileFlow().root.faults);
});
