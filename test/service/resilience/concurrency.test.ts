import test from 'ava';
import type { TopologySpec } from '../../../lib/model/spec';
import { kinds, type Reply, STACKS, spanEvents, startMesh } from '../mesh';

const statuses = (replies: readonly Reply[]) => replies.map(({ status }) => status).sort();

for (const stack of STACKS.filter(({ client }) => client === 'undici')) {
  test(`${stack.server}: beyond limit and queue requests are shed at once, and the others succeed`, async (t) => {
    const mesh = await startMesh(t, {
      defaults: { ...stack, deadlineMs: 30_000 },
      services: { web: { edge: true, latencyMs: 3_000, concurrency: { limit: 2, queue: 3 } } },
    } as TopologySpec);
    const took: number[] = [];
    const replies = await Promise.all(
      Array.from({ length: 9 }, async () => {
        const startedAt = performance.now();
        const reply = await mesh.ask('web');
        if (reply.status === 503) took.push(performance.now() - startedAt);
        return reply;
      }),
    );
    t.deepEqual(statuses(replies), [200, 200, 200, 200, 200, 503, 503, 503, 503]);
    // Those that waited came later: a shed one that had waited too would have taken as long.
    t.true(Math.min(...took) < 3_000);
    const shed = replies.find(({ status }) => status === 503) as Reply;
    t.like(shed.json.error, { kind: 'OVERLOAD', message: '2 requests are worked on and 3 wait' });
    const own = spanEvents(await mesh.events(), shed.json.requestId);
    t.is(kinds(own), 'REQUEST_RECEIVED REQUEST_SHED RESULT_PRODUCED RESPONSE_SENT');
    t.deepEqual(own[1]?.decision, { limit: 2, queue: 3 });
  });
}

test('never more than the limit are worked on at once', async (t) => {
  const mesh = await startMesh(t, {
    services: {
      web: { edge: true, calls: ['data'], concurrency: { limit: 3, queue: 100 } },
      data: { latencyMs: 400 },
    },
  } as TopologySpec);
  const replies = await Promise.all(Array.from({ length: 12 }, () => mesh.ask('web')));
  t.true(replies.every(({ status }) => status === 200));
  const data = (await mesh.events()).filter(({ service, requestId }) => service === 'data' && requestId);
  let [inside, most] = [0, 0];
  for (const { event } of data.sort((a, b) => a.seq - b.seq)) {
    if (event === 'REQUEST_RECEIVED') inside += 1;
    if (event === 'RESULT_PRODUCED') inside -= 1;
    most = Math.max(most, inside);
  }
  t.is(most, 3);
});

test('a request that waits until its deadline is answered 504 and runs nothing', async (t) => {
  const mesh = await startMesh(t, {
    services: {
      web: {
        edge: true,
        concurrency: { limit: 1, queue: 5 },
        endpoints: { 'GET /slow': { latencyMs: 3_000 }, 'GET /quick': { deadlineMs: 1_000, calls: ['data'] } },
      },
      data: {},
    },
  } as TopologySpec);
  const slow = mesh.ask('web', { path: '/slow' });
  await new Promise((resolve) => setTimeout(resolve, 50));
  const late = await Promise.all(Array.from({ length: 3 }, () => mesh.ask('web', { path: '/quick' })));
  t.deepEqual(statuses(late), [504, 504, 504]);
  t.like(late[0]?.json.error, { kind: 'DEADLINE', message: 'the deadline passed before its turn' });
  t.is((await slow).status, 200);
  // Nobody holds a place any more.
  t.is((await mesh.ask('web', { path: '/quick' })).status, 200);
  const events = await mesh.events();
  t.is(events.filter(({ event, service }) => event === 'REQUEST_RECEIVED' && service === 'data').length, 1);
});

test("an endpoint's own limit stands in the place of the service's, and sheds nothing of the others", async (t) => {
  const mesh = await startMesh(t, {
    services: {
      web: {
        edge: true,
        concurrency: { limit: 20 },
        endpoints: { 'GET /slow': { latencyMs: 4_000, concurrency: { limit: 1 } }, 'GET /quick': { latencyMs: 50 } },
      },
    },
  } as TopologySpec);
  const ask = (path: string, count: number) =>
    Promise.all(Array.from({ length: count }, () => mesh.ask('web', { path })));
  const [slow, quick] = await Promise.all([ask('/slow', 5), ask('/quick', 15)]);
  t.deepEqual(statuses(slow), [200, 503, 503, 503, 503]);
  t.true(quick.every(({ status }) => status === 200));
});

test('an abandoned request gives its place back', async (t) => {
  const mesh = await startMesh(t, {
    services: {
      web: {
        edge: true,
        concurrency: { limit: 1 },
        faults: [{ type: 'reset', at: 'before', fromRequest: 1, forMs: 1 }],
      },
    },
  } as TopologySpec);
  await t.throwsAsync(mesh.ask('web'));
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.is((await mesh.ask('web')).status, 200);
});
