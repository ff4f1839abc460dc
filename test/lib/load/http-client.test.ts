import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { httpClient } from '../../../lib/load/http-client';
import { refusedPort } from '../../support/refused-port';

type Outcome =
  | { readonly status: number; readonly bytes: number }
  | { readonly kind: string; readonly message: string };

interface Sender {
  get(path?: string, method?: string): Promise<Outcome>;
  close(reason: string): void;
}

function sender(t: ExecutionContext, port: number, timeoutMs = 20_000): Sender {
  const client = httpClient<(outcome: Outcome) => void>({
    origin: new URL(`http://127.0.0.1:${port}`),
    addresses: { next: () => '127.0.0.1', stop: () => undefined },
    timeoutMs,
    onAnswer: (settle, { status }, bytes) => settle({ status, bytes }),
    onFailure: (settle, kind, message) => settle({ kind, message }),
  });
  t.teardown(() => client.close('the test is over'));
  return {
    get: (path = '/', method = 'GET') =>
      new Promise((settle) => client.send(`${method} ${path} HTTP/1.1\r\nhost: x\r\n\r\n`, method, settle)),
    close: client.close,
  };
}

/** A server that answers by hand; counts its connections. */
async function tcpServer(t: ExecutionContext, onRequest: (socket: Socket) => void) {
  const sockets = new Set<Socket>();
  const state = { connections: 0 };
  const server = createTcpServer((socket) => {
    state.connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', () => onRequest(socket));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, state, sockets };
}

async function httpServer(t: ExecutionContext, listener: RequestListener) {
  const server = createHttpServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, server };
}

test("every way in which Node's server frames an answer is read", async (t) => {
  const { port } = await httpServer(t, (request, response) => {
    const size = Number(request.url?.slice(2));
    if (request.url?.startsWith('/l')) response.end('x'.repeat(size));
    else if (request.url?.startsWith('/c')) {
      response.write('x'.repeat(size));
      response.write('y'.repeat(size));
      response.end();
    } else if (request.url?.startsWith('/e')) response.writeHead(204).end();
    else response.writeHead(200, { connection: 'close' }).end('x'.repeat(size));
  });
  const { get } = sender(t, port);
  for (const size of [1, 100, 70_000, 1_000_000]) {
    t.deepEqual(await get(`/l${size}`), { status: 200, bytes: size });
    t.deepEqual(await get(`/c${size}`), { status: 200, bytes: 2 * size });
    t.deepEqual(await get(`/z${size}`), { status: 200, bytes: size });
    t.deepEqual(await get(`/l${size}`, 'HEAD'), { status: 200, bytes: 0 });
    t.deepEqual(await get('/e'), { status: 204, bytes: 0 });
  }
});

test('one request at a time uses one connection, many at a time many', async (t) => {
  let connections = 0;
  const { port, server } = await httpServer(t, (_request, response) => setImmediate(() => response.end('ok')));
  server.on('connection', () => {
    connections += 1;
  });
  const { get } = sender(t, port);
  for (let i = 0; i < 20; i++) t.deepEqual(await get(), { status: 200, bytes: 2 });
  t.is(connections, 1);
  await Promise.all(Array.from({ length: 10 }, () => get()));
  t.is(connections, 10);
});

test('answers of many connections at once are not mixed up', async (t) => {
  const { port } = await httpServer(t, (request, response) => {
    const size = Number(request.url?.slice(1));
    setTimeout(() => response.end('x'.repeat(size)), size % 7);
  });
  const { get } = sender(t, port);
  const sizes = Array.from({ length: 300 }, (_, i) => 1 + i * 997);
  const answers = await Promise.all(sizes.map((size) => get(`/${size}`)));
  t.deepEqual(
    answers,
    sizes.map((bytes) => ({ status: 200, bytes })),
  );
});

test('a refused connection is CONNECT', async (t) => {
  const refused = await refusedPort(t);
  const outcome = await sender(t, refused).get();
  t.like(outcome, { kind: 'CONNECT', message: `ECONNREFUSED at 127.0.0.1:${refused}` });
});

test('a connection that breaks before the answer is RESET, closed or reset', async (t) => {
  const closing = await tcpServer(t, (socket) => socket.end());
  t.like(await sender(t, closing.port).get(), { kind: 'RESET' });
  const resetting = await tcpServer(t, (socket) => socket.resetAndDestroy());
  t.like(await sender(t, resetting.port).get(), { kind: 'RESET' });
});

test('an answer cut short, or no HTTP at all, is BODY', async (t) => {
  const cut = await tcpServer(t, (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc'));
  t.deepEqual(await sender(t, cut.port).get(), {
    kind: 'BODY',
    message: 'the connection was closed after 3 bytes of the body',
  });
  const foreign = await tcpServer(t, (socket) => socket.write('SSH-2.0-x\r\n\r\n'));
  t.deepEqual(await sender(t, foreign.port).get(), { kind: 'BODY', message: 'the status line is malformed' });
});

test('no answer in time is TIMEOUT, and the late answer meets no later request', async (t) => {
  let requests = 0;
  const { port, state } = await tcpServer(t, (socket) => {
    requests += 1;
    if (requests > 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  });
  const { get } = sender(t, port, 3000);
  t.deepEqual(await get(), { kind: 'TIMEOUT', message: 'no answer within 3000 ms' });
  t.deepEqual(await get(), { status: 200, bytes: 0 });
  t.is(state.connections, 2);
});

test('a connection that the server closed while idle is not used again', async (t) => {
  const { port, state, sockets } = await tcpServer(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
  });
  const { get } = sender(t, port);
  await get();
  for (const socket of sockets) {
    const closed = once(socket, 'close');
    socket.end();
    await closed;
  }
  t.deepEqual(await get(), { status: 200, bytes: 0 });
  t.is(state.connections, 2);
});

test('bytes that no request asked for end the connection', async (t) => {
  const { port, state } = await tcpServer(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 500 Smuggled\r\ncontent-length: 0\r\n\r\n');
  });
  const { get } = sender(t, port);
  t.deepEqual(await get(), { status: 200, bytes: 0 });
  t.deepEqual(await get(), { status: 200, bytes: 0 });
  t.is(state.connections, 2);
});

test('closing fails what is under way, each once', async (t) => {
  const { port } = await tcpServer(t, () => undefined);
  const { get, close } = sender(t, port);
  const pending = [get(), get(), get()];
  close('the run was ended');
  t.deepEqual(
    await Promise.all(pending),
    Array.from({ length: 3 }, () => ({ kind: 'CLIENT_GONE', message: 'the run was ended' })),
  );
});
