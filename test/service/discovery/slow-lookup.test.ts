import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { Event } from '../../../lib/model/event';
import { resolve } from '../../../lib/model/resolve';
import { sliceOf } from '../../../lib/model/slice';
import { createUndiciClient } from '../../../service/call/client-undici';
import { startNode } from '../../../service/node';
import { kinds, send, tableDiscovery } from '../mesh';

test('a look-up that does not end is cut by the deadline', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'microcosm-test-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const spec = { services: { web: { edge: true, deadlineMs: 100, calls: ['data'] }, data: {} } };
  const log = join(folder, 'web-1.log');
  const node = await startNode({
    slice: sliceOf(resolve(spec, 'slow'), 'web'),
    instance: 'web-1',
    log,
    address: '127.0.0.1',
    meshPort: 0,
    edgePort: 0,
    clock: 'machine',
    discovery: { ...tableDiscovery(new Map()), choose: () => new Promise(() => {}) },
    client: createUndiciClient(),
  });
  t.teardown(() => node.stop('test'));

  const answer = await send(node.edgePort as number);

  t.is(answer.status, 504);
  t.is(answer.json.error.kind, 'DEADLINE');
  await node.stop('test');
  const events = (await readFile(log, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Event);
  const own = events.filter(({ requestId }) => requestId !== undefined);
  t.is(kinds(own), 'REQUEST_RECEIVED ERROR RESULT_PRODUCED RESPONSE_SENT');
  t.is(own[1]?.error?.kind, 'DEADLINE');
});
