import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { listRuns } from '../../../lib/logs/list-runs';
import { hasLocalRun, openLocalAdhoc, openLocalRun } from '../../../lib/logs/local-source';
import type { LogSource } from '../../../lib/logs/log-source';
import { UserError } from '../../../lib/model/user-error';

const RUN = 'shop-20261121t054429z-k3qa';
const start = JSON.stringify({ record: 'start', timestamp: '2026-11-21T05:44:29.000Z', run: RUN, seed: 'x' });
const end = (finished: boolean) =>
  JSON.stringify({ record: 'end', timestamp: '2026-11-21T05:45:29.000Z', run: RUN, sent: 3, lastSeq: 6, finished });

const of = (run: string, manifest: string) => manifest.replaceAll(RUN, run);

test('a run gives its manifest and each log file as a stream with every byte', async (t) => {
  const directory = await tree(t, {
    [`runs/${RUN}/manifest.jsonl`]: `${start}\n${end(true)}\n`,
    [`runs/${RUN}/client.log`]: 'a\nb',
    [`runs/${RUN}/web-1.log`]: 'x'.repeat(1_500_000),
    [`runs/${RUN}/notes.txt`]: 'no log',
  });
  const source = await openLocalRun(RUN, directory);
  t.is(source.topology, 'shop');
  t.is(source.manifest.start?.seed, 'x');
  t.is(source.manifest.end?.sent, 3);
  const streams = await contents(source);
  t.deepEqual([...streams.keys()], ['client', 'web-1']);
  t.is(streams.get('client'), 'a\nb');
  t.is(streams.get('web-1')?.length, 1_500_000);
  t.deepEqual([...(await contents(source)).keys()], ['client', 'web-1'], 'can be read again');
});

test('a manifest without end, with foreign and half-written lines, is read as far as it goes', async (t) => {
  const directory = await tree(t, { [`runs/${RUN}/manifest.jsonl`]: `${start}\nhello\n{"record":"en` });
  const { manifest } = await openLocalRun(RUN, directory);
  t.is(manifest.start?.run, RUN);
  t.is(manifest.end, null);
  t.is(manifest.foreign, 2);
});

test('records of another run are none of this one', async (t) => {
  const other = of('shop-20261121t064429z-aaaa', `${start}\n${end(true)}\n`);
  const directory = await tree(t, { [`runs/${RUN}/manifest.jsonl`]: other });
  const { manifest } = await openLocalRun(RUN, directory);
  t.like(manifest, { start: null, end: null, foreign: 2 });
});

test('a packed log is unpacked, as far as it goes; a folder is no log', async (t) => {
  const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i} ${(i * 7919) % 104729}\n`).join('');
  const packed = gzipSync(lines);
  const directory = await tree(t, {
    [`runs/${RUN}/web-1.log.gz`]: packed,
    [`runs/${RUN}/web-2.log`]: packed.subarray(0, packed.length >> 1),
    [`runs/${RUN}/folder.log/web-3.txt`]: '',
    [`runs/${RUN}/web-4.log`]: '',
  });
  const streams = await contents(await openLocalRun(RUN, directory));
  t.deepEqual([...streams.keys()], ['web-1', 'web-2', 'web-4']);
  t.is(streams.get('web-1'), lines);
  const half = streams.get('web-2') ?? '';
  t.true(lines.startsWith(half) && half.length > lines.length / 4, `${half.length} of ${lines.length}`);
});

test('what is there and cannot be read is an error that names the file', async (t) => {
  const directory = await tree(t, {
    [`runs/${RUN}/manifest.jsonl`]: `${start}\n`,
    [`runs/${RUN}/web-1.log`]: Buffer.from([0x1f, 0x8b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
  });
  const folder = join(directory, '.microcosm', 'runs', RUN);
  await t.throwsAsync(openLocalRun(RUN, directory).then(contents), {
    instanceOf: UserError,
    message: /web-1\.log: the file/,
  });
  await rm(join(folder, 'web-1.log'));
  await symlink(join(folder, 'gone'), join(folder, 'web-2.log'));
  await t.throwsAsync(openLocalRun(RUN, directory).then(contents), {
    instanceOf: UserError,
    message: /web-2\.log: .* gone/,
  });
  await rm(join(folder, 'manifest.jsonl'));
  await mkdir(join(folder, 'manifest.jsonl'));
  await t.throwsAsync(openLocalRun(RUN, directory), { instanceOf: UserError, message: /manifest\.jsonl: .* folder/ });
});

test('runs are listed with their state, newest first', async (t) => {
  const directory = await tree(t, {
    [`runs/${RUN}/manifest.jsonl`]: `${start}\n${end(true)}\n`,
    'runs/shop-20261121t064429z-aaaa/manifest.jsonl': of('shop-20261121t064429z-aaaa', `${start}\n${end(false)}\n`),
    'runs/shop-20261121t074429z-aaaa/manifest.jsonl': of('shop-20261121t074429z-aaaa', `${start}\n`),
    'runs/leftover/manifest.jsonl': '',
  });
  const runs = await listRuns(directory);
  t.deepEqual(
    runs.map(({ run, state }) => [run, state]),
    [
      ['shop-20261121t074429z-aaaa', 'unfinished'],
      ['shop-20261121t064429z-aaaa', 'stopped'],
      [RUN, 'finished'],
    ],
  );
});

test('an unknown run is an error that names the runs that exist, the most similar first', async (t) => {
  const directory = await tree(t, {
    [`runs/${RUN}/manifest.jsonl`]: `${start}\n${end(true)}\n`,
    'runs/chain-20260101t000000z-zzzz/manifest.jsonl': '',
  });
  const error = await t.throwsAsync(openLocalRun(`${RUN.slice(0, -1)}b`, directory), { instanceOf: UserError });
  t.regex(error.message, new RegExp(`there is no run ${RUN.slice(0, -1)}b; runs that exist: ${RUN}, chain-`));
  t.false(await hasLocalRun('../escape', directory));
  await t.throwsAsync(openLocalRun('../escape', directory), { instanceOf: UserError });
});

test('where there is no run at all, the error says how to make one', async (t) => {
  const error = await t.throwsAsync(openLocalRun(RUN, await tree(t, {})), { instanceOf: UserError });
  t.regex(error.message, /tools\/load\.ts/);
});

test('adhoc reads the logs of all deployments of one topology that were written since', async (t) => {
  const directory = await tree(t, {
    'deployments/shop-20261121t054429z-aaaa/logs/web-1.log': 'first',
    'deployments/shop-20261121t064429z-aaaa/logs/web-1.log': 'second',
    'deployments/shop-20261121t074429z-aaaa/logs/web-1.log': 'stale',
    'deployments/shop-two-20261121t074429z-aaaa/logs/web-1.log': 'other topology',
  });
  const stale = join(directory, '.microcosm/deployments/shop-20261121t074429z-aaaa/logs/web-1.log');
  await utimes(stale, 1000, 1000);
  const source = await openLocalAdhoc('shop', 2_000_000, directory);
  const texts: string[] = [];
  for await (const stream of source.streams()) texts.push(await contentOf(stream.chunks()));
  t.deepEqual(texts, ['first', 'second']);
  t.is(source.run, 'adhoc');
});

test('adhoc for a topology without logs is an error that names those with logs', async (t) => {
  const directory = await tree(t, { 'deployments/chain-20261121t054429z-aaaa/logs/web-1.log': '' });
  const error = await t.throwsAsync(openLocalAdhoc('shop', 0, directory), { instanceOf: UserError });
  t.is(error.message, '--topology: there are no logs of shop here; there are logs of chain');
});

async function tree(t: ExecutionContext, files: Readonly<Record<string, string | Buffer>>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'microcosm-logs-'));
  t.teardown(() => rm(directory, { recursive: true }));
  for (const [file, text] of Object.entries(files)) {
    const path = join(directory, '.microcosm', file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  return directory;
}

async function contents(source: LogSource): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for await (const { name, chunks } of source.streams()) texts.set(name, await contentOf(chunks()));
  return texts;
}

async function contentOf(chunks: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of chunks) text += chunk.toString();
  return text;
}
