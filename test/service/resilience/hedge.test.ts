import { createServer, type Socket } from 'node:net';
import test from 'ava';
import { type Conformance, runCheck } from '../../../lib/flows/conformance/check-run';
import type { Event } from '../../../lib/model/event';
import { resolve } from '../../../lib/model/resolve';
import { ADHOC_RUN } from '../../../lib/model/run-id';
import type { TopologySpec } from '../../../lib/model/spec';
import { createGotClient } from '../../../service/call/client-got';
import { createUndiciClient } from '../../../service/call/client-undici';
import { CallError } from '../../../service/call/outgoing';
import { kinds, STACKS, spanEvents, startMesh } from '../mesh';

/** One of two instances is slow. */
const tailed = (
  stack: object,
  call: object,
  slow: object = { type: 'latency', args: { delay: 3_000 } },
): TopologySpec =>
  ({
    name: 'test',
    defaults: stack,
    services: {
      web: { edge: true, calls: [{ call: 'data', ...call }] },
      data: { replicas: 2, faults: [{ at: 'before', instances: ['data-1'], ...slow }] },
    },
  }) as unknown as TopologySpec;

function checked(events: readonly Event[], spec: TopologySpec): Conformance {
  const checking = runCheck({ run: ADHOC_RUN, topology: resolve(spec, 'test'), end: null });
  for (const event of events) checking.add(event);
  return checking.finish();
}

for (const stack of STACKS) {
  test(`${stack.server} with ${stack.client}: a hedge cuts the tail, and the loser is called off`, async (t) => {
    const spec = tailed(stack, { hedge: { afterMs: 50 } });
    const mesh = await startMesh(t, spec);
    const replies = [];
    for (let i = 0; i < 6; i++) replies.push(await mesh.ask('web'));
    t.true(replies.every(({ status, json }) => status === 200 && json.responses[0].instance === 'data-2'));
    const events = await mesh.events();
    // On a busy machine the quick instance may take so long, too, that a hedge is sent.
    const own = events.find(({ event, attempt, peer }) => event === 'ERROR' && attempt === 1 && peer === 'data-1');
    const span = spanEvents(events, own?.requestId);
    t.is(
      kinds(span),
      'REQUEST_RECEIVED REQUEST_SENT HEDGE_SENT REQUEST_SENT RESPONSE_RECEIVED ERROR RESULT_PRODUCED RESPONSE_SENT',
    );
    const [, first, hedge, second, answer, calledOff] = span;
    t.like(hedge, { attempt: 2, decision: { afterMs: 50 }, callPlace: second?.callPlace });
    t.deepEqual([first?.peer, second?.peer, answer?.attempt, calledOff?.attempt], ['data-1', 'data-2', 2, 1]);
    t.is(calledOff?.error?.kind, 'CANCELLED');
    // The slow instance saw its caller go.
    t.true(events.some(({ instance, error }) => instance === 'data-1' && error?.kind === 'CLIENT_GONE'));

    const well = checked(events, spec);
    t.deepEqual(well.departures, []);
    t.true((well.explained.HEDGE_SENT ?? 0) > 0 && (well.explained.CANCELLED ?? 0) > 0);
    const found = checked(events, tailed(stack, {})).departures;
    t.true(found.some(({ kind, actual }) => kind === 'extra-decision' && actual === 'HEDGE_SENT'));
    t.true(found.some(({ message }) => message.includes('CANCELLED without a hedge')));
  });
}

test('where both fail the call is retried as if there had been no hedge', async (t) => {
  const slow = { type: 'latency', args: { delay: 200 }, instances: undefined };
  const spec = tailed({}, { hedge: { afterMs: 30 }, timeoutMs: 100, retries: { max: 1, backoffMs: 1 } }, slow);
  const mesh = await startMesh(t, spec);
  const { status, json } = await mesh.ask('web');
  t.is(status, 502);
  const events = await mesh.events();
  const sent = spanEvents(events, json.requestId).filter(({ event }) => event === 'REQUEST_SENT');
  t.deepEqual(
    sent.map(({ attempt }) => attempt),
    [1, 2, 3],
  );
  t.deepEqual(checked(events, spec).departures, []);
});

test('latency on the call itself is hedged too', async (t) => {
  const fault = { type: 'latency', args: { delay: 3_000 }, probability: 0.5 };
  const spec = tailed({}, { hedge: { afterMs: 40 }, faults: [fault] }, { type: 'latency', args: { delay: 1 } });
  const mesh = await startMesh(t, spec);
  const replies = await Promise.all(Array.from({ length: 12 }, () => mesh.ask('web')));
  t.true(replies.every(({ status }) => status === 200));
  const events = await mesh.events();
  t.true(
    events.some(({ error, event, peer }) => event === 'ERROR' && error?.kind === 'CANCELLED' && peer === undefined),
  );
  t.deepEqual(checked(events, spec).departures, []);
});

test('without another instance nothing is hedged', async (t) => {
  const mesh = await startMesh(t, {
    services: { web: { edge: true, calls: [{ call: 'data', hedge: { afterMs: 10 } }] }, data: { latencyMs: 80 } },
  } as TopologySpec);
  t.is((await mesh.ask('web')).status, 200);
  t.false((await mesh.events()).some(({ event }) => event === 'HEDGE_SENT'));
});

for (const [name, create] of Object.entries({ got: createGotClient, undici: createUndiciClient })) {
  test(`${name}: an attempt that is called off fails as CANCELLED and closes its connection`, async (t) => {
    const client = create();
    t.teardown(() => client.close());
    const control = new AbortController();
    const closed = new Promise<void>((done) => {
      const server = createServer((socket: Socket) => {
        socket.on('error', () => {});
        // Once it is there: one that never left would have no connection to close.
        socket.on('data', () => control.abort());
        socket.on('close', () => done());
      });
      server.listen(0, '127.0.0.1', () => ask((server.address() as { port: number }).port));
      t.teardown(() => server.close());
    });
    let failed: Promise<unknown> = Promise.resolve();
    function ask(port: number): void {
      const instance = { name: 'data-1', address: '127.0.0.1', port };
      const common = { method: 'GET', path: '/', headers: {}, body: null, timeoutMs: 60_000, maxAnswerBytes: 100 };
      failed = client.request({ ...common, instance, signal: control.signal }).catch((error) => error);
    }
    await closed;
    const error = await failed;
    t.true(error instanceof CallError && error.kind === 'CANCELLED');
  });
}
