import test from 'ava';
import type { TopologySpec } from '../../../lib/model/spec';
import { kinds, STACKS, spanEvents, startMesh } from '../mesh';

const down = (call: object, stack: object = {}): TopologySpec =>
  ({
    defaults: stack,
    services: {
      web: { edge: true, calls: [{ call: 'data', ...call }] },
      data: { faults: [{ type: 'error', at: 'before' }] },
    },
  }) as TopologySpec;

for (const stack of STACKS) {
  test(`${stack.server} with ${stack.client}: a fallback answers in the place of a call that failed`, async (t) => {
    const body = { service: 'data', items: ['none "today"'] };
    const mesh = await startMesh(t, down({ retries: { max: 1, backoffMs: 1 }, fallback: { body } }, stack));
    const { status, json } = await mesh.ask('web');
    t.is(status, 200);
    t.deepEqual(json.responses, [body]);
    const own = spanEvents(await mesh.events(), json.requestId);
    t.is(
      kinds(own),
      'REQUEST_RECEIVED REQUEST_SENT RESPONSE_RECEIVED REQUEST_SENT RESPONSE_RECEIVED FALLBACK_USED RESULT_PRODUCED RESPONSE_SENT',
    );
    t.like(own[5], { attempt: 2, callee: 'data GET /', decision: { bytes: JSON.stringify(body).length } });
  });
}

test('a fallback of bytes is filler with the name of the service', async (t) => {
  const mesh = await startMesh(t, down({ fallback: { bytes: 7 } }));
  t.deepEqual((await mesh.ask('web')).json.responses, [{ service: 'data', fallback: true, payload: 'xxxxxxx' }]);
  const bare = await startMesh(t, down({ fallback: {} }));
  t.deepEqual((await bare.ask('web')).json.responses, [{ service: 'data', fallback: true }]);
});

test('a call that succeeds has its own answer', async (t) => {
  const mesh = await startMesh(t, {
    services: { web: { edge: true, calls: [{ call: 'data', fallback: { bytes: 7 } }] }, data: {} },
  } as TopologySpec);
  t.is((await mesh.ask('web')).json.responses[0].instance, 'data-1');
});

test("no fallback stands in for the request's own deadline", async (t) => {
  const mesh = await startMesh(t, {
    services: {
      web: { edge: true, deadlineMs: 60, calls: [{ call: 'data', fallback: {} }] },
      data: { latencyMs: 300 },
    },
  } as TopologySpec);
  t.is((await mesh.ask('web')).status, 504);
  t.false((await mesh.events()).some(({ event }) => event === 'FALLBACK_USED'));
});

test('an open breaker is answered by the fallback at once', async (t) => {
  const mesh = await startMesh(t, down({ breaker: { consecutiveFailures: 1, openMs: 60_000 }, fallback: {} }));
  for (let i = 0; i < 4; i++) t.is((await mesh.ask('web')).status, 200);
  const received = (await mesh.events()).filter(
    ({ event, service }) => event === 'REQUEST_RECEIVED' && service === 'data',
  );
  t.is(received.length, 1);
});
