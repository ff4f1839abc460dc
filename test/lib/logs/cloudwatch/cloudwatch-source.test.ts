import test from 'ava';
import { openCloudWatchRun } from '../../../../lib/logs/cloudwatch/cloudwatch-source';
import type { LogSource } from '../../../../lib/logs/log-source';
import { UserError } from '../../../../lib/model/user-error';
import { type FakeRow, fakeCloudWatch } from '../../../support/fake-cloudwatch';

const RUN = 'shop-20261121t054429z-k3qa';
const START_MS = Date.parse('2026-11-21T05:44:29.000Z');
const now = () => START_MS + 60 * 60_000;

function event(run: string, seq: number, timestampMs: number): FakeRow {
  return {
    timestampMs,
    message: JSON.stringify({ timestamp: new Date(timestampMs).toISOString(), event: 'X', run, seq }),
  };
}

function record(kind: 'start' | 'end', timestampMs: number, run = RUN): FakeRow {
  const timestamp = new Date(timestampMs).toISOString();
  const end = { sent: 1, answered: 1, failed: 0, errors: {}, lastSeq: 2, finished: true };
  return { timestampMs, message: JSON.stringify({ record: kind, timestamp, run, ...(kind === 'end' && end) }) };
}

/** A run of `count` events over half a minute, with events of processes and of another run between them. */
function rowsOf(count: number): FakeRow[] {
  const rows = [record('start', START_MS)];
  for (let seq = 1; seq <= count; seq++) {
    const timestampMs = START_MS + Math.floor((seq * 30_000) / count);
    rows.push(event(RUN, seq, timestampMs));
    if (seq % 10 === 0) rows.push(event('-', seq, timestampMs), event('shop-20261121t054430z-aaaa', seq, timestampMs));
  }
  rows.push(record('end', START_MS + 31_000));
  return rows;
}

async function linesOf(source: LogSource): Promise<{ run: string; seq: number }[]> {
  let text = '';
  for await (const stream of source.streams()) for await (const chunk of stream.chunks()) text += chunk.toString();
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

function seqs(lines: readonly { run: string; seq: number }[], run: string): number[] {
  return lines.filter((line) => line.run === run).map(({ seq }) => seq);
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

test('a run is read with the events of its processes and nothing else', async (t) => {
  const { client } = await fakeCloudWatch(t, { rows: rowsOf(100) });
  const source = await openCloudWatchRun(RUN, { client, now });
  const lines = await linesOf(source);
  t.deepEqual(seqs(lines, RUN), upTo(100));
  t.deepEqual(
    seqs(lines, '-'),
    upTo(10).map((n) => n * 10),
  );
  t.is(lines.length, 110);
  t.true(source.manifest.end?.finished);
});

test('beyond the result limit the range is halved and no event is lost or doubled', async (t) => {
  const { client, calls } = await fakeCloudWatch(t, { rows: rowsOf(1_000), pageSize: 37 });
  const source = await openCloudWatchRun(RUN, { client, now, queryLimit: 90 });
  const lines = await linesOf(source);
  t.deepEqual(seqs(lines, RUN), upTo(1_000));
  t.true((calls.StartQuery ?? 0) > 10);
});

test('a second with more events than a query returns is read with FilterLogEvents', async (t) => {
  const rows = [
    record('start', START_MS),
    ...upTo(200).map((seq) => event(RUN, seq, START_MS + 2_000 + Math.floor(seq / 20))),
  ];
  const notices: string[] = [];
  const { client } = await fakeCloudWatch(t, { rows, pageSize: 50 });
  const source = await openCloudWatchRun(RUN, {
    client,
    now,
    queryLimit: 60,
    onNotice: (notice) => notices.push(notice),
  });
  t.deepEqual(seqs(await linesOf(source), RUN), upTo(200));
  t.regex(notices.join(), /too many events/);
});

test('without permission for Insights the events come by FilterLogEvents, empty and repeating pages included', async (t) => {
  const notices: string[] = [];
  const { client } = await fakeCloudWatch(t, { rows: rowsOf(100), pageSize: 7, refuse: ['StartQuery'] });
  const source = await openCloudWatchRun(RUN, { client, now, onNotice: (notice) => notices.push(notice) });
  t.deepEqual(seqs(await linesOf(source), RUN), upTo(100));
  t.regex(notices.join(), /not permitted \(logs:StartQuery\)/);
});

test('throttled calls are made again', async (t) => {
  const { client } = await fakeCloudWatch(t, { rows: rowsOf(300), pageSize: 100, throttleEvery: 3 });
  const source = await openCloudWatchRun(RUN, { client, now });
  t.deepEqual(seqs(await linesOf(source), RUN), upTo(300));
});

test('an unknown run is answered with the runs that exist', async (t) => {
  const { client } = await fakeCloudWatch(t, { rows: rowsOf(5) });
  const error = await t.throwsAsync(openCloudWatchRun('shop-20261121t054429z-zzzz', { client, now }), {
    instanceOf: UserError,
  });
  t.regex(error.message, new RegExp(RUN));
});

test('a missing log group and a missing permission are named', async (t) => {
  const gone = await fakeCloudWatch(t, { rows: [], missing: true });
  const missing = await t.throwsAsync(openCloudWatchRun(RUN, { client: gone.client, now }), { instanceOf: UserError });
  t.regex(missing.message, /\/microcosm\/shop: there is no such log group/);
  const closed = await fakeCloudWatch(t, { rows: [], refuse: ['StartQuery', 'FilterLogEvents'] });
  const refused = await t.throwsAsync(openCloudWatchRun(RUN, { client: closed.client, now }), {
    instanceOf: UserError,
  });
  t.regex(refused.message, /not permitted: logs:FilterLogEvents/);
});
