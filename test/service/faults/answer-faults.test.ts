import { connect } from 'node:net';
import test from 'ava';
import type { Event } from '../../../lib/model/event';
import type { EndpointFaultSpec, TopologySpec } from '../../../lib/model/spec';
import { kinds, STACKS, startMesh } from '../mesh';

/** A service at the edge with this fault, and nothing else to do. */
function faulty(fault: EndpointFaultSpec, stack: object = {}): TopologySpec {
  return { services: { web: { edge: true, responseBytes: 2_000, faults: [fault], ...stack } } } as TopologySpec;
}

/** What a client reads of one request until the connection ends: the bytes, and the error that ended it. */
function readRaw(port: number): Promise<{ readonly text: string; readonly error: string | undefined }> {
  return new Promise((resolve) => {
    let text = '';
    let error: string | undefined;
    const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nhost: web\r\n\r\n'));
    socket.setEncoding('latin1');
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      error = code;
    });
    socket.on('close', () => resolve({ text, error }));
  });
}

function injected(events: readonly Event[]): readonly Event[] {
  return events.filter(({ event }) => event === 'FAULT_INJECTED');
}

const SERVERS = [STACKS[0], STACKS[2]] as const;

for (const stack of SERVERS) {
  const server = stack?.server;

  test(`${server}: an error fault answers with its status, and no step runs`, async (t) => {
    const spec = {
      services: {
        web: {
          edge: true,
          faults: [{ type: 'error', at: 'before', args: { status: 503 } }],
          calls: ['data'],
          ...stack,
        },
        data: {},
      },
    } as TopologySpec;
    const mesh = await startMesh(t, spec);
    const { status, json } = await mesh.ask('web');
    t.is(status, 503);
    t.deepEqual(json.error, { kind: 'FAULT', step: 'before error#1', message: 'before error#1' });
    const events = (await mesh.events()).filter(({ requestId }) => requestId !== undefined);
    t.is(kinds(events), 'REQUEST_RECEIVED FAULT_INJECTED RESULT_PRODUCED RESPONSE_SENT');
    t.deepEqual(events[1]?.fault, {
      id: 'before error#1',
      type: 'error',
      source: 'topology',
      at: 'before',
      args: { status: 503 },
    });
    t.deepEqual(events[2]?.error, { kind: 'FAULT', message: 'before error#1' });
  });

  test(`${server}: an error fault after the work hides what the steps came to`, async (t) => {
    const spec = {
      services: { web: { edge: true, faults: [{ type: 'error', at: 'after' }], calls: ['data'], ...stack }, data: {} },
    } as TopologySpec;
    const mesh = await startMesh(t, spec);
    const { status } = await mesh.ask('web');
    t.is(status, 500);
    const own = (await mesh.events()).filter(({ requestId, service }) => requestId && service === 'web');
    t.is(kinds(own), 'REQUEST_RECEIVED REQUEST_SENT RESPONSE_RECEIVED FAULT_INJECTED RESULT_PRODUCED RESPONSE_SENT');
  });

  test(`${server}: a reset fault resets the caller's connection`, async (t) => {
    const mesh = await startMesh(t, faulty({ type: 'reset', at: 'after' }, stack));
    const { text, error } = await readRaw(mesh.nodes.get('web-1')?.edgePort as number);
    t.is(text, '');
    t.is(error, 'ECONNRESET');
    const events = (await mesh.events()).filter(({ requestId }) => requestId !== undefined);
    t.is(kinds(events), 'REQUEST_RECEIVED FAULT_INJECTED ERROR');
    t.is(events[2]?.error?.kind, 'FAULT');
    t.is(events[2]?.spanEvents, 3);
  });

  test(`${server}: a hang fault never answers and drops the connection after its time`, async (t) => {
    const mesh = await startMesh(t, faulty({ type: 'hang', at: 'before', args: { duration: 300 } }, stack));
    const startedAt = performance.now();
    const { text, error } = await readRaw(mesh.nodes.get('web-1')?.edgePort as number);
    t.is(text, '');
    t.is(error, undefined);
    t.true(performance.now() - startedAt >= 295);
    t.is(kinds((await mesh.events()).filter(({ requestId }) => requestId)), 'REQUEST_RECEIVED FAULT_INJECTED ERROR');
  });

  test(`${server}: a slow body leaves at the pace asked for, whole`, async (t) => {
    const mesh = await startMesh(
      t,
      faulty({ type: 'slow-body', at: 'after', args: { bytesPerSecond: 10_000 } }, stack),
    );
    const startedAt = performance.now();
    const { status, text, json } = await mesh.ask('web');
    const tookMs = performance.now() - startedAt;
    t.is(status, 200);
    t.is(json.payload.length, 2_000);
    // Two thousand bytes and the envelope at ten thousand a second.
    t.true(tookMs >= (text.length / 10_000) * 1_000 * 0.9, `${text.length} bytes in ${tookMs} ms`);
  });

  test(`${server}: a truncated answer announces its length and ends in its middle`, async (t) => {
    const mesh = await startMesh(t, faulty({ type: 'truncate', at: 'after' }, stack));
    const { text, error } = await readRaw(mesh.nodes.get('web-1')?.edgePort as number);
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1]);
    const body = text.slice(text.indexOf('\r\n\r\n') + 4);
    t.true(length > 2_000);
    t.is(body.length, Math.floor(length / 2));
    t.is(error, undefined);
    const events = (await mesh.events()).filter(({ requestId }) => requestId !== undefined);
    t.is(kinds(events), 'REQUEST_RECEIVED FAULT_INJECTED RESULT_PRODUCED ERROR');
    t.is(events[3]?.error?.kind, 'FAULT');
  });

  test(`${server}: a corrupt answer has its length and is no JSON`, async (t) => {
    const mesh = await startMesh(t, faulty({ type: 'corrupt', at: 'after' }, stack));
    const { status, headers, text, json } = await mesh.ask('web');
    t.is(status, 200);
    t.is(Number(headers['content-length']), text.length);
    t.true(text.length > 2_000);
    t.is(json, undefined);
  });
}

test('a latency fault waits, and says how long', async (t) => {
  const delay = { uniform: [40, 60] } as const;
  const mesh = await startMesh(t, faulty({ type: 'latency', at: 'before', args: { delay } }));
  const startedAt = performance.now();
  const { status } = await mesh.ask('web');
  const tookMs = performance.now() - startedAt;
  t.is(status, 200);
  const drawn = Number(injected(await mesh.events())[0]?.fault?.args.delay);
  t.true(drawn >= 40 && drawn <= 60);
  t.true(tookMs >= drawn - 2, `${tookMs} ms for ${drawn}`);
});

test('the deadline cuts a latency fault', async (t) => {
  const mesh = await startMesh(
    t,
    faulty({ type: 'latency', at: 'before', args: { delay: 60_000 } }, { deadlineMs: 100 }),
  );
  const { status, json } = await mesh.ask('web');
  t.is(status, 504);
  t.is(json.error.kind, 'DEADLINE');
});

test('several faults of one request are carried out in order, and the one of highest priority decides', async (t) => {
  const spec: TopologySpec = {
    services: {
      web: {
        edge: true,
        faults: [
          { type: 'error', at: 'before', args: { status: 500 } },
          { type: 'error', at: 'before', args: { status: 503 }, priority: 1, id: 'winner' },
          { type: 'latency', at: 'before', args: { delay: 5 }, id: 'first' },
        ],
      },
    },
  };
  const mesh = await startMesh(t, spec);
  t.is((await mesh.ask('web')).status, 503);
  t.deepEqual(
    injected(await mesh.events()).map(({ fault }) => fault?.id),
    ['first', 'winner'],
  );
});

test('a fault among the steps strikes at its place', async (t) => {
  const spec: TopologySpec = {
    services: {
      web: { edge: true, steps: ['a', { fault: 'error', args: { status: 418 } }, 'b'] },
      a: {},
      b: {},
    },
  };
  const mesh = await startMesh(t, spec);
  const { status, json } = await mesh.ask('web');
  t.is(status, 418);
  t.deepEqual(
    json.responses.map(({ service }: { service: string }) => service),
    ['a'],
  );
  const events = await mesh.events();
  t.is(injected(events)[0]?.fault?.step, 'fault:error#1');
  t.false(events.some(({ service, event }) => service === 'b' && event === 'REQUEST_RECEIVED'));
});

test('a rule strikes from its n-th request on, and on its instance only', async (t) => {
  const spec: TopologySpec = {
    services: {
      web: { edge: true, replicas: 2, faults: [{ type: 'error', at: 'before', fromRequest: 3, instances: ['web-2'] }] },
    },
  };
  const mesh = await startMesh(t, spec);
  const statuses = async (instance: string) => {
    const all: number[] = [];
    for (let i = 0; i < 4; i++) all.push((await mesh.ask('web', { instance })).status);
    return all;
  };
  t.deepEqual(await statuses('web-1'), [200, 200, 200, 200]);
  t.deepEqual(await statuses('web-2'), [200, 200, 500, 500]);
});

test('a rule ends after its time', async (t) => {
  const spec: TopologySpec = {
    services: { web: { edge: true, faults: [{ type: 'error', at: 'before', fromRequest: 2, forMs: 300 }] } },
  };
  const mesh = await startMesh(t, spec);
  t.is((await mesh.ask('web')).status, 200);
  t.is((await mesh.ask('web')).status, 500);
  let last = 500;
  while (last === 500) last = (await mesh.ask('web')).status;
  t.is(last, 200);
});
