import test from 'ava';
import type { CallFaultSpec, TopologySpec } from '../../../lib/model/spec';
import { kinds, STACKS, startMesh } from '../mesh';

function calling(fault: CallFaultSpec, stack: object, call: object = {}): TopologySpec {
  return {
    defaults: stack,
    services: { web: { edge: true, steps: [{ call: 'data', faults: [fault], ...call }] }, data: {} },
  } as TopologySpec;
}

for (const stack of STACKS) {
  const name = `${stack.server} with ${stack.client}`;

  test(`${name}: an error on a call sends nothing and counts as the callee's answer`, async (t) => {
    const mesh = await startMesh(t, calling({ type: 'error', args: { status: 503 } }, stack));
    const { status, json } = await mesh.ask('web');
    t.is(status, 502);
    t.deepEqual(json.responses, [{ service: 'data', error: { kind: 'FAULT', message: 'answered 503' } }]);
    const events = (await mesh.events()).filter(({ requestId }) => requestId !== undefined);
    t.is(kinds(events), 'REQUEST_RECEIVED FAULT_INJECTED ERROR RESULT_PRODUCED RESPONSE_SENT');
    const [, fault, error] = events;
    t.is(error?.status, 503);
    for (const field of ['step', 'repetition', 'attempt', 'callPlace', 'callee'] as const) {
      t.is(fault?.[field], error?.[field]);
    }
  });

  test(`${name}: a reset call breaks its connection after sending`, async (t) => {
    const mesh = await startMesh(t, calling({ type: 'reset' }, stack));
    const { status, json } = await mesh.ask('web');
    t.is(status, 502);
    t.is(json.responses[0].error.kind, 'RESET');
    const own = (await mesh.events()).filter(({ requestId, service }) => requestId && service === 'web');
    t.is(kinds(own), 'REQUEST_RECEIVED FAULT_INJECTED REQUEST_SENT ERROR RESULT_PRODUCED RESPONSE_SENT');
  });

  test(`${name}: a partition lets nothing through until the call's time-out`, async (t) => {
    const mesh = await startMesh(t, calling({ type: 'partition' }, stack, { timeoutMs: 80 }));
    const startedAt = performance.now();
    const { status, json } = await mesh.ask('web');
    t.is(status, 502);
    t.is(json.responses[0].error.kind, 'TIMEOUT');
    t.true(performance.now() - startedAt >= 79);
    const events = (await mesh.events()).filter(({ requestId }) => requestId !== undefined);
    t.is(kinds(events), 'REQUEST_RECEIVED FAULT_INJECTED ERROR RESULT_PRODUCED RESPONSE_SENT');
  });

  test(`${name}: a DNS failure names no instance`, async (t) => {
    const mesh = await startMesh(t, calling({ type: 'dns-failure' }, stack));
    const { json } = await mesh.ask('web');
    t.is(json.responses[0].error.kind, 'NO_INSTANCE');
    t.false((await mesh.events()).some(({ event }) => event === 'REQUEST_SENT'));
  });

  test(`${name}: latency on a call comes before its request`, async (t) => {
    const mesh = await startMesh(t, calling({ type: 'latency', args: { delay: 50 } }, stack));
    t.is((await mesh.ask('web')).status, 200);
    const own = (await mesh.events()).filter(({ requestId, service }) => requestId && service === 'web');
    t.is(kinds(own), 'REQUEST_RECEIVED FAULT_INJECTED REQUEST_SENT RESPONSE_RECEIVED RESULT_PRODUCED RESPONSE_SENT');
    const [, fault, sent] = own;
    t.true((sent?.monotonicUs ?? 0) - (fault?.monotonicUs ?? 0) >= 48_000);
  });
}

test('a hanging call ends by its time-out, or breaks when the hang is over', async (t) => {
  const cut = await startMesh(t, calling({ type: 'hang' }, {}, { timeoutMs: 60 }));
  t.is((await cut.ask('web')).json.responses[0].error.kind, 'TIMEOUT');
  const broken = await startMesh(t, calling({ type: 'hang', args: { duration: 50 } }, {}));
  t.is((await broken.ask('web')).json.responses[0].error.kind, 'RESET');
});

test('latency beyond what a call may take ends it by the time-out or the deadline, and nothing is sent', async (t) => {
  const delay = { type: 'latency', args: { delay: 5_000 } } as const;
  const timed = await startMesh(t, calling(delay, {}, { timeoutMs: 60 }));
  t.is((await timed.ask('web')).json.responses[0].error.kind, 'TIMEOUT');
  t.false((await timed.events()).some(({ event }) => event === 'REQUEST_SENT'));
  const dead = await startMesh(t, calling(delay, { deadlineMs: 80 }));
  const { status, json } = await dead.ask('web');
  t.is(status, 504);
  t.is(json.responses[0].error.kind, 'DEADLINE');
});

test('each attempt of a call draws anew, and a 4xx is not tried again', async (t) => {
  const half = { type: 'error', args: { status: 503 }, probability: 0.5 } as const;
  const mesh = await startMesh(t, calling(half, {}, { retries: { max: 20, backoffMs: 0 } }));
  for (let i = 0; i < 20; i++) t.is((await mesh.ask('web')).status, 200);
  t.true((await mesh.events()).some(({ event, attempt = 1 }) => event === 'REQUEST_SENT' && attempt > 1));
  const refused = await startMesh(t, calling({ type: 'error', args: { status: 404 } }, {}, { retries: 3 }));
  t.is((await refused.ask('web')).status, 502);
  t.is((await refused.events()).filter(({ event }) => event === 'FAULT_INJECTED').length, 1);
});

test('a rule of the service strikes calls of the callee that it names', async (t) => {
  const mesh = await startMesh(t, {
    services: {
      web: {
        edge: true,
        calls: [
          { call: 'a', optional: true },
          { call: 'b', optional: true },
        ],
        faults: [{ type: 'dns-failure', at: 'call', callee: 'b' }],
      },
      a: {},
      b: {},
    },
  });
  const { json } = await mesh.ask('web');
  t.is(json.responses[0].service, 'a');
  t.is(json.responses[1].error.kind, 'NO_INSTANCE');
});
