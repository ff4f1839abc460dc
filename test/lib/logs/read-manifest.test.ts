import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { manifestReader } from '../../../lib/logs/read-manifest';

const run = 'shop-20261121t054429z-k3qa';
const timestamp = '2026-11-21T05:44:29.000Z';

test('a manifest that grows is read again when it did, and only then', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'microcosm-manifest-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'manifest.jsonl');
  const read = manifestReader(path, run);
  t.is((await read()).start, null);
  appendFileSync(path, `${JSON.stringify({ record: 'start', run, timestamp })}\n`);
  const started = await read();
  t.like(started.start, { run });
  t.is(await read(), started);
  appendFileSync(path, `${JSON.stringify({ record: 'end', run, timestamp, sent: 3, lastSeq: 6 })}\n`);
  t.like((await read()).end, { sent: 3 });
  rmSync(path);
  t.is((await read()).start, null);
});
