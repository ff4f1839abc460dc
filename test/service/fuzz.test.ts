import { connect } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { startBalancer } from '../../lib/local/balancer';
import { BAGGAGE, HEADERS, ITINERARY } from '../../lib/model/contract';
import { parseItinerary } from '../../lib/model/itinerary';
import { signToken } from '../../lib/model/token';
import { UserError } from '../../lib/model/user-error';
import { send, startMesh } from './mesh';

const KEY = 'f0'.repeat(32);
const SPEC = { name: 'duo', services: { web: { edge: true, calls: ['back'] }, back: {} } };
const GRAPH = { web: ['back'], back: [] };
const access = { key: KEY, publicFaults: true };

/** First status line of what comes back for these bytes; empty where the connection is closed without one. */
function exchange(port: number, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(text.split('\r\n')[0] ?? ''));
  });
}

const requestLine = fc.tuple(
  fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'CONNECT', 'TRACE', 'BREW', ''),
  fc.oneof(fc.constantFrom('/', '/state', '/slice', '/itinerary', '/healthz', '*', 'http://x/'), fc.string()),
  fc.constantFrom('HTTP/1.1', 'HTTP/1.0', 'HTTP/9', ''),
);
const header = fc.tuple(
  fc.oneof(
    fc.constantFrom('host', 'content-length', 'transfer-encoding', 'connection', 'upgrade', 'authorization', 'expect'),
    fc.constantFrom(...Object.values(HEADERS)),
  ),
  fc.oneof(
    fc.string(),
    fc.constantFrom(
      'upgrade',
      'websocket',
      '-1',
      '99999999999',
      'chunked',
      'Microcosm 1.a',
      'respond-async',
      `${BAGGAGE.overlay}=x.1.y`,
    ),
  ),
);
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 400 }).map((array) => Buffer.from(array)),
  fc
    .tuple(requestLine, fc.array(header, { maxLength: 8 }), fc.string())
    .map(([line, headers, body]) =>
      Buffer.from(
        `${line.join(' ')}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`,
        'latin1',
      ),
    ),
);

/** The port of a balancer in front of a node, once it has found it healthy. */
async function balanced(t: ExecutionContext, edgePort: number): Promise<number> {
  let healthy = () => {};
  const found = new Promise<void>((resolve) => {
    healthy = resolve;
  });
  const services = [{ service: 'web', prefix: '' }];
  const balancer = await startBalancer({ services, onHealth: healthy, idleTimeoutMs: 5_000 });
  t.teardown(() => balancer.close(0));
  balancer.register('web-1', 'web', '127.0.0.1', edgePort);
  await found;
  return Number(new URL(balancer.url).port);
}

test('whatever bytes come to its ports or its balancer, there is no 5xx, the exchange ends, and the node goes on', async (t) => {
  const mesh = await startMesh(t, SPEC, [], access);
  const web = mesh.nodes.get('web-1');
  const ports = [web?.meshPort, web?.edgePort, web?.controlPort] as number[];
  ports.push(await balanced(t, web?.edgePort as number));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...ports), bytes, async (port, sent) => {
      t.notRegex(await exchange(port, sent), /^HTTP\/1\.1 5/);
    }),
    { numRuns: 600 },
  );
  t.is((await mesh.ask('web')).status, 200);
});

const fault = fc.oneof(
  fc.record({
    type: fc.constantFrom('latency', 'error', 'crash', 'partition', 'x'),
    args: fc.dictionary(fc.string(), fc.jsonValue()),
  }),
  fc.jsonValue(),
);
const { stop } = fc.letrec((tie) => ({
  stop: fc.record(
    {
      designation: fc.oneof(
        fc.constantFrom('web', 'back', 'http://localhost:1/', 'http://back/', '[', 'http://['),
        fc.jsonValue(),
      ),
      faults: fc.oneof(fc.record({ before: fc.array(fault, { maxLength: 2 }) }), fc.jsonValue()),
      payload: fc.oneof({ maxDepth: 4 }, fc.constant(null), tie('stop'), fc.jsonValue()),
      routes: fc.oneof({ maxDepth: 4 }, fc.array(tie('stop'), { maxLength: 2 }), fc.jsonValue()),
      probability: fc.jsonValue(),
    },
    { requiredKeys: [] },
  ),
}));

test('an itinerary is read, or refused with its mistakes; nothing else is thrown', (t) => {
  fc.assert(
    fc.property(fc.oneof(stop, fc.jsonValue()), (value) => {
      try {
        t.is(parseItinerary(value, 'web', GRAPH).service, 'web');
      } catch (error) {
        t.true(error instanceof UserError && error.faults.length > 0);
      }
    }),
    { numRuns: 1_000 },
  );
});

test('a signed itinerary that is none is answered 400', async (t) => {
  const mesh = await startMesh(t, SPEC, [], access);
  const port = mesh.nodes.get('web-1')?.edgePort as number;
  const bad = fc.oneof(
    fc.string(),
    fc.jsonValue().map((value) => JSON.stringify(value)),
    fc.string().map((key) => `{"${'['.repeat(50)}${key}`),
  );
  await fc.assert(
    fc.asyncProperty(bad, async (body) => {
      const token = signToken(KEY, { purpose: 'itinerary', topology: 'duo', body }, Date.now() + 60_000);
      const headers = { 'content-type': ITINERARY.contentType, [HEADERS.token]: token };
      t.is((await send(port, { method: 'POST', path: '/', headers, body })).status, 400);
    }),
    { numRuns: 100 },
  );
  const nested = `${'{"designation":"web","payload":'.repeat(20_000)}null${'}'.repeat(20_000)}`;
  const token = signToken(KEY, { purpose: 'itinerary', topology: 'duo', body: nested }, Date.now() + 60_000);
  const headers = { 'content-type': ITINERARY.contentType, [HEADERS.token]: token };
  t.is((await send(port, { method: 'POST', headers, body: nested })).status, 400);
});
