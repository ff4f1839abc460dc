import test from 'ava';
import type { Event } from '../../../lib/model/event';
import type { TopologySpec } from '../../../lib/model/spec';
import { STACKS, startMesh } from '../mesh';

const guarded = (bulkhead: object, stack: object = {}): TopologySpec =>
  ({
    defaults: stack,
    services: {
      web: { edge: true, calls: [{ call: 'data', optional: true, bulkhead, retries: 3 }] },
      data: { latencyMs: 1_000 },
    },
  }) as TopologySpec;

/** The most requests that a service had under way at once. */
function mostAtOnce(events: readonly Event[], service: string): number {
  let [inside, most] = [0, 0];
  for (const { event } of events.filter((each) => each.service === service && each.requestId !== undefined)) {
    if (event === 'REQUEST_RECEIVED') inside += 1;
    if (event === 'RESULT_PRODUCED') inside -= 1;
    most = Math.max(most, inside);
  }
  return most;
}

for (const stack of STACKS) {
  test(`${stack.server} with ${stack.client}: a callee never has more at once than its bulkhead lets through`, async (t) => {
    const mesh = await startMesh(t, guarded({ limit: 2, queue: 3 }, stack));
    const replies = await Promise.all(Array.from({ length: 9 }, () => mesh.ask('web')));
    const answers = replies.map(({ json }) => json.responses[0].error?.kind ?? 'well');
    t.deepEqual(answers.sort(), [...Array(4).fill('BULKHEAD_FULL'), ...Array(5).fill('well')]);
    const events = await mesh.events();
    t.is(mostAtOnce(events, 'data'), 2);
    // A rejected attempt is not repeated, and nothing of it was sent.
    t.is(events.filter(({ error }) => error?.kind === 'BULKHEAD_FULL').length, 4);
    t.is(events.filter(({ event, service }) => event === 'REQUEST_SENT' && service === 'web').length, 5);
  });
}

test('an attempt that waits until the deadline of its request ends by it', async (t) => {
  const calls = [{ call: 'data', bulkhead: { limit: 1, queue: 10 } }];
  const mesh = await startMesh(t, {
    services: {
      web: { edge: true, endpoints: { 'GET /slow': { calls }, 'GET /quick': { deadlineMs: 100, calls } } },
      data: { latencyMs: 2_500 },
    },
  } as TopologySpec);
  const slow = mesh.ask('web', { path: '/slow' });
  await new Promise((resolve) => setTimeout(resolve, 50));
  const late = await Promise.all(Array.from({ length: 3 }, () => mesh.ask('web', { path: '/quick' })));
  for (const { status, json } of late) {
    t.is(status, 504);
    t.like(json.responses[0].error, { kind: 'DEADLINE', message: 'the deadline passed before its turn' });
  }
  t.is((await slow).status, 200);
});
