import test from 'ava';
import { FIELD_ORDER } from '../../../lib/model/event';
import { kinds, STACKS, spanEvents, startMesh } from '../mesh';

for (const stack of STACKS) {
  const name = `${stack.server} with ${stack.client}`;

  test(`${name}: answers of callees stand in the order of the steps, and each event is logged`, async (t) => {
    const mesh = await startMesh(t, {
      defaults: stack,
      services: {
        web: { edge: true, calls: ['catalog', ['cart', 'reviews']] },
        catalog: {},
        cart: { latencyMs: 20, calls: ['catalog'] },
        reviews: {},
      },
    });
    const reply = await mesh.ask('web');
    t.is(reply.status, 200);
    t.is(reply.json.service, 'web');
    t.is(reply.json.instance, 'web-1');
    t.is(reply.headers['x-request-id'], reply.json.requestId);
    t.deepEqual(
      reply.json.responses.map((response: { service: string }) => response.service),
      ['catalog', 'cart', 'reviews'],
    );
    t.is(reply.json.responses[1].responses[0].service, 'catalog');
    t.is(reply.json.responses[0].responses, undefined);

    const events = await mesh.events();
    const root = spanEvents(events, reply.json.requestId);
    t.is(root[0]?.event, 'REQUEST_RECEIVED');
    t.is(root[0]?.via, 'edge');
    t.deepEqual(
      root.slice(-2).map(({ event }) => event),
      ['RESULT_PRODUCED', 'RESPONSE_SENT'],
    );
    t.is(root.length, 3 + 3 * 2);
    t.is(root.at(-1)?.spanEvents, root.length);
    t.is(root.at(-1)?.bytes, reply.text.length);
    for (const response of [...reply.json.responses, reply.json.responses[1].responses[0]]) {
      const span = spanEvents(events, response.requestId);
      t.is(span[0]?.event, 'REQUEST_RECEIVED');
      t.is(span[0]?.traceId, root[0]?.traceId);
      const sent = events.find(({ event, callPlace }) => event === 'REQUEST_SENT' && callPlace === span[0]?.place);
      t.is(sent?.requestId, span[0]?.parentRequestId);
      t.is(sent?.instance, span[0]?.peer);
      t.is(sent?.peer, span[0]?.instance);
      t.is(sent?.callee, `${span[0]?.service} ${span[0]?.endpoint}`);
      const received = events.find(
        ({ event, callPlace }) => event === 'RESPONSE_RECEIVED' && callPlace === span[0]?.place,
      );
      t.is(received?.peerRequestId, response.requestId);
      t.is(received?.status, 200);
      // The hybrid clock puts each sending before its receipt.
      t.true((sent?.hlc ?? '') < (span[0]?.hlc ?? ''));
      t.true((span.at(-1)?.hlc ?? '') < (received?.hlc ?? ''));
    }
  });
}

test('every line has its fields in the agreed order', async (t) => {
  const mesh = await startMesh(
    t,
    {
      services: {
        web: { edge: true, steps: [{ call: 'a', retries: 1 }, { send: 'a' }, { call: 'gone', optional: true }] },
        a: {},
        gone: {},
      },
    },
    ['gone'],
  );
  await mesh.ask('web', { headers: { baggage: 'microcosm-key=k1' } });
  const order: readonly string[] = FIELD_ORDER;
  for (const event of await mesh.events()) {
    const keys = Object.keys(event);
    t.deepEqual(
      keys,
      order.filter((field) => keys.includes(field)),
      kinds([event]),
    );
  }
});
