import { connect } from 'node:net';
import test from 'ava';
import { HEADERS, LIMITS } from '../../lib/model/contract';
import { formatHash, hashText, rootPlace } from '../../lib/model/draw';
import type { Event } from '../../lib/model/event';
import { keepRefused } from '../support/refused-port';
import { kinds, type Mesh, STACKS, spanEvents, startMesh } from './mesh';

const TRACE = 'a1b2c3d4e5f60718293a4b5c6d7e8f90';
const PARENT = '00f067aa0ba902b7';

for (const stack of STACKS) {
  const name = `${stack.server} with ${stack.client}`;

  test(`${name}: a failed required call makes 502 with what there is; an optional one is tolerated`, async (t) => {
    const mesh = await startMesh(
      t,
      {
        defaults: stack,
        services: {
          web: {
            edge: true,
            endpoints: {
              'GET /required': { calls: ['ok', 'gone', 'ok'] },
              'GET /optional': { calls: [{ call: 'gone', optional: true }, 'ok'] },
              'GET /side-by-side': { calls: [['gone', 'ok']] },
            },
          },
          ok: {},
          gone: {},
        },
      },
      ['gone'],
    );
    const required = await mesh.ask('web', { path: '/required' });
    t.is(required.status, 502);
    t.is(required.json.responses.length, 2);
    t.is(required.json.responses[0].service, 'ok');
    t.is(required.json.responses[1].error.kind, 'NO_INSTANCE');
    t.is(required.json.error.kind, 'STEP_FAILED');
    t.is(required.json.error.step, 'call:gone GET /#1');

    const optional = await mesh.ask('web', { path: '/optional' });
    t.is(optional.status, 200);
    t.deepEqual(
      optional.json.responses.map((response: { service: string }) => response.service),
      ['gone', 'ok'],
    );
    const beside = await mesh.ask('web', { path: '/side-by-side' });
    t.is(beside.status, 502);
    t.is(beside.json.responses[1].service, 'ok');

    const span = spanEvents(await mesh.events(), required.json.requestId);
    t.is(kinds(span), 'REQUEST_RECEIVED REQUEST_SENT RESPONSE_RECEIVED ERROR RESULT_PRODUCED RESPONSE_SENT');
    t.is(span[3]?.error?.kind, 'NO_INSTANCE');
    t.is(span[4]?.error?.kind, 'STEP_FAILED');
    t.is(span[4]?.status, 502);
  });

  test(`${name}: failures of the moment are retried with a place each, refusals are not`, async (t) => {
    const mesh = await startMesh(
      t,
      {
        defaults: stack,
        services: {
          web: {
            edge: true,
            endpoints: {
              'GET /moment': { calls: [{ call: 'broken', retries: { max: 2, backoffMs: 1 } }] },
              'GET /refusal': { calls: [{ call: 'named GET /a', method: 'DELETE', retries: 2 }] },
            },
          },
          broken: { calls: ['gone'] },
          named: { endpoints: { 'GET /a': {} } },
          gone: {},
        },
      },
      ['gone'],
    );
    const moment = await mesh.ask('web', { path: '/moment' });
    t.is(moment.status, 502);
    const refusal = await mesh.ask('web', { path: '/refusal' });
    t.is(refusal.status, 502);
    const events = await mesh.events();
    const sent = spanEvents(events, moment.json.requestId).filter(({ event }) => event === 'REQUEST_SENT');
    t.deepEqual(
      sent.map(({ attempt }) => attempt),
      [1, 2, 3],
    );
    t.is(new Set(sent.map(({ callPlace }) => callPlace)).size, 3);
    const refused = spanEvents(events, refusal.json.requestId).filter(({ event }) => event === 'RESPONSE_RECEIVED');
    t.deepEqual(
      refused.map(({ status }) => status),
      [405],
    );
  });

  test(`${name}: a connection refused is tried again elsewhere within the same attempt`, async (t) => {
    const mesh = await startMesh(t, {
      defaults: stack,
      services: { web: { edge: true, calls: ['back'] }, back: { replicas: 2 } },
    });
    const gone = mesh.nodes.get('back-1');
    await gone?.stop('test');
    await keepRefused(t, gone?.meshPort as number);
    const replies = await Promise.all([mesh.ask('web'), mesh.ask('web'), mesh.ask('web')]);
    t.deepEqual(
      replies.map(({ status }) => status),
      [200, 200, 200],
    );
    const events = await mesh.events();
    const refused = events.filter(({ error }) => error?.kind === 'CONNECT');
    t.true(refused.length > 0);
    for (const { requestId, callPlace } of refused) {
      const attempt = spanEvents(events, requestId).filter((event) => event.callPlace === callPlace);
      t.is(kinds(attempt), 'REQUEST_SENT ERROR REQUEST_SENT RESPONSE_RECEIVED');
      t.deepEqual(
        attempt.map(({ reconnect }) => reconnect),
        [undefined, undefined, 1, 1],
      );
    }
  });

  test(`${name}: the deadline travels, cuts calls and work, and makes 504`, async (t) => {
    const mesh = await startMesh(t, {
      defaults: stack,
      services: {
        web: { edge: true, deadlineMs: 1_500, calls: [{ call: 'slow', retries: 3 }] },
        slow: { latencyMs: 60_000 },
      },
    });
    const reply = await mesh.ask('web');
    t.is(reply.status, 504);
    t.is(reply.json.error.kind, 'DEADLINE');
    const events = await mesh.events();
    t.is(events.filter(({ event, service }) => event === 'REQUEST_SENT' && service === 'web').length, 1);
    const slow = events.filter(({ event, service }) => event === 'RESULT_PRODUCED' && service === 'slow');
    t.deepEqual(
      slow.map(({ status, error }) => [status, error?.kind]),
      [[504, 'DEADLINE']],
    );
  });

  test(`${name}: a send is answered 202 and worked on as a request of its own`, async (t) => {
    const mesh = await startMesh(t, {
      defaults: stack,
      services: {
        web: { edge: true, steps: [{ send: 'mail POST /letters', requestBytes: 2000 }] },
        mail: { endpoints: { 'POST /letters': { latencyMs: 5, calls: ['store'] } } },
        store: {},
      },
    });
    const reply = await mesh.ask('web', { headers: { baggage: 'microcosm-key=letter-1' } });
    t.is(reply.status, 200);
    t.is(reply.json.responses, undefined);
    const events = await mesh.events();
    const accepted = events.find(({ service, via }) => service === 'mail' && via === 'mesh') as Event;
    t.is(kinds(spanEvents(events, accepted.requestId)), 'REQUEST_RECEIVED RESPONSE_SENT');
    const worked = events.find(({ service, via }) => service === 'mail' && via === 'queue') as Event;
    t.is(worked.parentRequestId, accepted.requestId);
    t.is(worked.place, accepted.place);
    t.is(worked.key, 'letter-1');
    const span = spanEvents(events, worked.requestId);
    t.is(kinds(span), 'REQUEST_RECEIVED REQUEST_SENT RESPONSE_RECEIVED RESULT_PRODUCED');
    t.is(span.at(-1)?.spanEvents, 4);
    t.is(events.filter(({ service, event }) => service === 'store' && event === 'RESPONSE_SENT').length, 1);
  });

  test(`${name}: the same key meets the same fate on any instance, whatever its trace`, async (t) => {
    const mesh = await startMesh(t, {
      defaults: stack,
      services: {
        web: {
          edge: true,
          replicas: 2,
          responseBytes: { uniform: [0, 500] },
          steps: [
            { call: 'a', probability: 0.5 },
            { parallel: [{ call: 'b', count: { uniform: [0, 4] } }, 'a'] },
            {
              oneOf: [
                { weight: 1, steps: ['a'] },
                { weight: 2, steps: ['b', 'b'] },
              ],
            },
          ],
        },
        a: { replicas: 2, responseBytes: { exponential: { mean: 100 } } },
        b: { responseBytes: { lognormal: { median: 80, sigma: 1 } } },
      },
    });
    const shape = (text: string) =>
      text.replaceAll(/"requestId":"[0-9a-f]+"/g, '').replaceAll(/"instance":"[a-z0-9-]+"/g, '');
    const shapes = new Set<string>();
    for (let key = 0; key < 12; key++) {
      const headers = { baggage: `microcosm-key=key-${key}` };
      const first = await mesh.ask('web', { headers, instance: 'web-1' });
      const second = await mesh.ask('web', { headers, instance: 'web-2' });
      t.is(shape(first.text), shape(second.text));
      shapes.add(shape(first.text));
    }
    t.true(shapes.size > 6);
  });

  test(`${name}: what no endpoint takes is refused and logged without place`, async (t) => {
    const mesh = await startMesh(t, {
      defaults: stack,
      services: { web: { edge: true, endpoints: { 'GET /items/:id': {}, 'POST /items': {}, 'GET /items/new': {} } } },
    });
    t.is((await mesh.ask('web', { path: '/items/7?x=1' })).status, 200);
    t.is((await mesh.ask('web', { path: '/items/7/more' })).status, 404);
    t.is((await mesh.ask('web', { path: '/Items/7' })).status, 404);
    t.is((await mesh.ask('web', { path: '/items' })).status, 405);
    const headed = await mesh.ask('web', { path: '/items/new', method: 'HEAD' });
    t.is(headed.status, 200);
    t.is(headed.text, '');
    const events = await mesh.events();
    const refused = events.filter(({ event, endpoint }) => event === 'REQUEST_RECEIVED' && endpoint === undefined);
    t.is(refused.length, 3);
    t.true(refused.every(({ place }) => place === undefined));
    t.is(spanEvents(events, headed.headers['x-request-id'] as string)[0]?.endpoint, 'GET /items/new');
  });

  test(`${name}: bodies beyond the limit are refused, headers beyond it too`, async (t) => {
    const mesh = await startMesh(t, { defaults: stack, services: { web: { edge: true } } });
    const small = await mesh.ask('web', { method: 'POST', body: Buffer.alloc(LIMITS.bodyBytes) });
    t.is(small.status, 200);
    const large = await mesh.ask('web', { method: 'POST', body: Buffer.alloc(LIMITS.bodyBytes + 1) });
    t.is(large.status, 413);
    const headers = { 'x-filler': 'x'.repeat(LIMITS.headerBytes) };
    t.is((await mesh.ask('web', { headers })).status, 431);
    const received = spanEvents(await mesh.events(), large.json.requestId)[0];
    t.is(received?.bytes, LIMITS.bodyBytes + 1);
  });

  test(`${name}: the edge ignores what only a declared caller may say`, async (t) => {
    const mesh = await startMesh(t, { defaults: stack, services: { web: { edge: true, latencyMs: 1 } } });
    const place = formatHash(hashText('elsewhere'));
    const headers = {
      [HEADERS.traceparent]: `00-${TRACE}-${PARENT}-01`,
      [HEADERS.place]: place,
      [HEADERS.deadline]: '0',
      [HEADERS.caller]: 'impostor-1',
      [HEADERS.prefer]: 'respond-async',
      [HEADERS.clock]: `${(Date.now() + 3_600_000).toString(16).padStart(12, '0')}0000`,
      baggage: 'microcosm-run=../../etc, microcosm-key=a b',
    };
    const edge = await mesh.ask('web', { headers });
    const inside = await mesh.ask('web', { headers, port: 'mesh' });
    t.is(edge.status, 200);
    t.is(inside.status, 202);
    const events = await mesh.events();
    const span = spanEvents(events, edge.json.requestId);
    t.is(kinds(span), 'REQUEST_RECEIVED ERROR RESULT_PRODUCED RESPONSE_SENT');
    t.is(span[0]?.place, formatHash(rootPlace(hashText('test'), 'web', 'GET /')));
    t.is(span[0]?.peer, undefined);
    t.is(span[0]?.traceId, TRACE);
    t.is(span[0]?.parentRequestId, PARENT);
    t.is(span[0]?.run, 'adhoc');
    t.is(span[0]?.key, undefined);
    t.is(span[1]?.error?.kind, 'CLOCK_AHEAD');
    t.is(spanEvents(events, inside.json.requestId)[0]?.place, place);
  });
}

test('what is logged as a duration is what the events of its span are apart', async (t) => {
  const mesh = await startMesh(t, {
    services: {
      web: { edge: true, calls: ['catalog'], latencyMs: 3 },
      catalog: { steps: [{ work: { cpuMs: 5 } }] },
    },
  });
  await Promise.all(Array.from({ length: 20 }, () => mesh.ask('web')));
  const events = await mesh.events();
  const begun = new Map<string, number>();
  let compared = 0;
  for (const { event, requestId, callPlace, durationMs, monotonicUs = Number.NaN } of events) {
    const span = `${requestId} ${callPlace ?? ''}`;
    if (event === 'REQUEST_RECEIVED' || event === 'REQUEST_SENT') begun.set(span, monotonicUs);
    if (durationMs === undefined) continue;
    compared += 1;
    t.true(Math.abs(durationMs * 1000 - (monotonicUs - (begun.get(span) ?? Number.NaN))) <= 1.5, `${event} of ${span}`);
  }
  t.is(compared, 20 * 5);
});

test('malformed trace headers are replaced, never echoed', async (t) => {
  const mesh = await startMesh(t, { services: { web: { edge: true, calls: ['back'] }, back: {} } });
  const hostile = '"},{"event":"FORGED';
  const reply = await mesh.ask('web', {
    headers: {
      traceparent: `00-${TRACE}-${hostile}-01`,
      baggage: `microcosm-key=${hostile},microcosm-run=${hostile},other=1`,
      tracestate: 'x=1',
    },
  });
  t.is(reply.status, 200);
  const events = await mesh.events();
  t.false(JSON.stringify(events).includes('FORGED'));
  const [received] = spanEvents(events, reply.json.requestId);
  t.regex(received?.traceId ?? '', /^[0-9a-f]{32}$/);
  t.not(received?.traceId, TRACE);
  t.is(received?.parentRequestId, undefined);
});

test('health checks answer without a trace in the log, and readiness names callees that do not resolve', async (t) => {
  const mesh = await startMesh(t, { services: { web: { edge: true, calls: ['gone'] }, gone: {} } }, ['gone']);
  for (const port of ['edge', 'mesh'] as const) {
    t.is((await mesh.ask('web', { path: '/healthz', port })).status, 200);
    const ready = await mesh.ask('web', { path: '/readyz', port });
    t.is(ready.status, 200);
    t.is(ready.json.unresolved.length, 1);
  }
  t.false((await mesh.events()).some(({ event }) => event === 'REQUEST_RECEIVED'));
});

test('with several edge services the edge port expects the prefix, the mesh port does not', async (t) => {
  for (const server of ['koa', 'http'] as const) {
    const mesh = await startMesh(t, {
      defaults: { server },
      services: { web: { edge: true, endpoints: { 'GET /': {}, 'GET /a': {} } }, admin: { edge: true } },
    });
    t.is((await mesh.ask('web', { path: '/web' })).status, 200);
    t.is((await mesh.ask('web', { path: '/web/a' })).status, 200);
    t.is((await mesh.ask('web', { path: '/a' })).status, 404);
    t.is((await mesh.ask('web', { path: '/a', port: 'mesh' })).status, 200);
    t.is((await mesh.ask('web', { path: '/readyz' })).status, 200);
  }
});

test('work burns CPU, writes to disk and holds memory', async (t) => {
  const mesh = await startMesh(t, {
    services: {
      web: {
        edge: true,
        steps: [{ work: { cpuMs: 30, diskBytes: 200_000, memoryBytes: 10_000_000, latencyMs: 20 } }],
      },
    },
  });
  const before = process.cpuUsage();
  const startedAt = performance.now();
  t.is((await mesh.ask('web')).status, 200);
  const { user, system } = process.cpuUsage(before);
  t.true((user + system) / 1000 >= 30);
  t.true(performance.now() - startedAt >= 49);
});

test('a caller that goes away leaves CLIENT_GONE as the last event of the request', async (t) => {
  const mesh = await startMesh(t, { services: { web: { edge: true, latencyMs: 1_500 } } });
  await hangUp(mesh);
  const events = await mesh.events();
  const received = events.find(({ event }) => event === 'REQUEST_RECEIVED');
  const span = spanEvents(events, received?.requestId);
  t.is(kinds(span), 'REQUEST_RECEIVED RESULT_PRODUCED ERROR');
  t.is(span[2]?.error?.kind, 'CLIENT_GONE');
  t.is(span[2]?.spanEvents, 3);
});

function hangUp(mesh: Mesh): Promise<void> {
  const port = mesh.nodes.get('web-1')?.edgePort as number;
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n', () => setTimeout(() => socket.destroy(), 20));
    });
    socket.on('close', () => resolve());
  });
}
