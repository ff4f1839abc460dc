import test from 'ava';
import type { TopologySpec } from '../../../lib/model/spec';
import { kinds, STACKS, spanEvents, startMesh } from '../mesh';

const delay = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A callee that fails its first requests of a process. */
function failing(breaker: object, stack: object, forMs = 100_000): TopologySpec {
  return {
    name: 'test',
    defaults: stack,
    services: {
      web: { edge: true, calls: [{ call: 'data', retries: 5, breaker }] },
      data: { faults: [{ type: 'error', at: 'before', args: { status: 500 }, forMs }] },
    },
  } as TopologySpec;
}

for (const stack of STACKS) {
  test(`${stack.server} with ${stack.client}: an open breaker lets nothing through to the callee`, async (t) => {
    const mesh = await startMesh(t, failing({ consecutiveFailures: 3, openMs: 60_000 }, stack));
    const first = await mesh.ask('web');
    // Its third failure opened the breaker, which rejected the fourth attempt; a rejected one is not repeated.
    t.is(first.status, 502);
    t.is(first.json.responses[0].error.kind, 'BREAKER_OPEN');
    for (let i = 0; i < 5; i++) t.is((await mesh.ask('web')).json.error.kind, 'STEP_FAILED');
    const events = await mesh.events();
    t.is(events.filter(({ service, event }) => service === 'data' && event === 'REQUEST_RECEIVED').length, 3);
    const own = spanEvents(events, first.json.requestId);
    t.is(
      kinds(own),
      'REQUEST_RECEIVED REQUEST_SENT RESPONSE_RECEIVED REQUEST_SENT RESPONSE_RECEIVED REQUEST_SENT RESPONSE_RECEIVED ' +
        'BREAKER_OPENED ERROR RESULT_PRODUCED RESPONSE_SENT',
    );
    const opened = own.find(({ event }) => event === 'BREAKER_OPENED');
    t.like(opened, { attempt: 3, callee: 'data GET /', decision: { callee: 'data', failures: 3 } });
    t.like(
      own.find(({ event }) => event === 'ERROR'),
      { attempt: 4, error: { kind: 'BREAKER_OPEN' } },
    );
  });
}

test('after its time a probe goes through, and its success closes the breaker', async (t) => {
  const mesh = await startMesh(t, failing({ consecutiveFailures: 2, openMs: 2_500 }, {}, 2_400));
  t.is((await mesh.ask('web')).status, 502);
  t.is((await mesh.ask('web')).json.responses[0].error.kind, 'BREAKER_OPEN');
  await delay(2_600);
  t.is((await mesh.ask('web')).status, 200);
  t.is((await mesh.ask('web')).status, 200);
  const changes = (await mesh.events()).filter(({ event }) => event.startsWith('BREAKER_'));
  t.is(kinds(changes), 'BREAKER_OPENED BREAKER_HALF_OPENED BREAKER_CLOSED');
  t.is(changes[1]?.requestId, changes[2]?.requestId);
});

test('a failed probe opens it again', async (t) => {
  const mesh = await startMesh(t, failing({ consecutiveFailures: 1, openMs: 2_500 }, {}));
  await mesh.ask('web');
  await delay(2_600);
  await mesh.ask('web');
  t.is((await mesh.ask('web')).json.responses[0].error.kind, 'BREAKER_OPEN');
  const changes = (await mesh.events()).filter(({ event }) => event.startsWith('BREAKER_'));
  t.is(kinds(changes), 'BREAKER_OPENED BREAKER_HALF_OPENED BREAKER_OPENED');
});

test('calls of several steps to one service share its breaker; other services have their own', async (t) => {
  const breaker = { consecutiveFailures: 1, openMs: 60_000 };
  const mesh = await startMesh(t, {
    services: {
      web: {
        edge: true,
        steps: [
          { call: 'data', optional: true, breaker },
          { call: 'data', optional: true, breaker },
          { call: 'other', breaker },
        ],
      },
      data: { faults: [{ type: 'error', at: 'before' }] },
      other: {},
    },
  } as TopologySpec);
  const { status, json } = await mesh.ask('web');
  t.is(status, 200);
  t.is(json.responses[1].error.kind, 'BREAKER_OPEN');
  t.is(json.responses[2].service, 'other');
});

test("a callee's refusal (4xx) leaves the breaker closed", async (t) => {
  const mesh = await startMesh(t, {
    services: {
      web: { edge: true, calls: [{ call: 'data', breaker: { consecutiveFailures: 1 }, optional: true }] },
      data: { faults: [{ type: 'error', at: 'before', args: { status: 429 } }] },
    },
  } as TopologySpec);
  for (let i = 0; i < 3; i++) t.is((await mesh.ask('web')).json.responses[0].error.message, 'answered 429');
  t.false((await mesh.events()).some(({ event }) => event.startsWith('BREAKER_')));
});
