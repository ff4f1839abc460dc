import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { CONNECTIONS } from '../../../service/call/client-answer';
import { createGotClient } from '../../../service/call/client-got';
import { createUndiciClient } from '../../../service/call/client-undici';
import { CallError, type CallErrorKind, type HttpClient, type OutgoingRequest } from '../../../service/call/outgoing';
import { refusedPort } from '../../support/refused-port';

const CLIENTS: Readonly<Record<string, () => HttpClient>> = { got: createGotClient, undici: createUndiciClient };

/** A request to a port of this machine with generous limits. */
function to(port: number, more: Partial<OutgoingRequest> = {}): OutgoingRequest {
  return {
    instance: { name: 'callee-1', address: '127.0.0.1', port },
    method: 'GET',
    path: '/',
    headers: {},
    body: null,
    timeoutMs: 30_000,
    maxAnswerBytes: 1_000_000,
    ...more,
  };
}

async function http(t: ExecutionContext, listener: RequestListener) {
  const server = createHttpServer({ keepAliveTimeout: 60_000 }, listener);
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  let connections = 0;
  server.on('connection', () => {
    connections += 1;
  });
  // Room for all connections of a test: those that overflow the queue are tried again by the system a second later.
  server.listen({ port: 0, host: '127.0.0.1', backlog: 2_048 });
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, port: (server.address() as AddressInfo).port, connections: () => connections, sockets };
}

/** A server of raw connections, for what no HTTP server would do. */
async function raw(t: ExecutionContext, onConnection: (socket: Socket, nth: number) => void) {
  let connections = 0;
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => {});
    connections += 1;
    onConnection(socket, connections);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, connections: () => connections, open };
}

/** Something that happens once. */
function signal() {
  let happen = () => {};
  const happened = new Promise<void>((resolve) => {
    happen = resolve;
  });
  return { happened, happen: () => happen() };
}

async function fails(t: ExecutionContext, promise: Promise<unknown>, kind: CallErrorKind) {
  const error = await t.throwsAsync(promise, { instanceOf: CallError });
  t.is((error as CallError).kind, kind, error?.message);
  t.notRegex(error?.message ?? '', /[\r\n]/);
}

for (const [name, create] of Object.entries(CLIENTS)) {
  const open = (t: ExecutionContext): HttpClient => {
    const client = create();
    t.teardown(() => client.close());
    return client;
  };

  test(`${name}: method, path, headers and body arrive as given, and status, headers and body come back`, async (t) => {
    const { port } = await http(t, async (request, response) => {
      const body = Buffer.concat(await request.toArray());
      const seen = { method: request.method, url: request.url, headers: request.headers, body: body.toString() };
      response.writeHead(418, { 'content-type': 'application/json', 'X-Request-Id': 'abc', 'x-microcosm-clock': '01' });
      response.end(JSON.stringify(seen));
    });
    const client = open(t);
    const body = Buffer.from('{"a":"ä"}');
    const answer = await client.request(
      to(port, { method: 'PUT', path: '/a/b?c=%20d&e', headers: { 'x-microcosm-place': 'p', baggage: 'k=v' }, body }),
    );
    t.is(answer.status, 418);
    t.deepEqual(
      { ...answer.headers },
      { 'content-type': 'application/json', 'x-request-id': 'abc', 'x-microcosm-clock': '01' },
    );
    const seen = JSON.parse(answer.body.toString());
    t.like(seen, { method: 'PUT', url: '/a/b?c=%20d&e', body: '{"a":"ä"}' });
    t.like(seen.headers, {
      host: `127.0.0.1:${port}`,
      'x-microcosm-place': 'p',
      baggage: 'k=v',
      'content-length': String(body.length),
    });
    t.is(seen.headers['accept-encoding'], undefined);
  });

  test(`${name}: every method with and without a body reaches the callee whole`, async (t) => {
    const { port } = await http(t, async (request, response) => {
      const body = Buffer.concat(await request.toArray());
      response.end(`${request.method} ${body.length}`);
    });
    const client = open(t);
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      for (const size of [0, 1, 300_000]) {
        const body = size === 0 ? null : Buffer.alloc(size, 'x');
        const answer = await client.request(to(port, { method, body }));
        t.is(answer.body.toString(), `${method} ${size}`);
      }
    }
    t.is((await client.request(to(port, { method: 'HEAD' }))).body.length, 0);
  });

  test(`${name}: redirects, cookies and compressed answers are handed on untouched`, async (t) => {
    const { port } = await http(t, (request, response) => {
      if (request.url === '/there') return void response.end('followed');
      if (request.headers.cookie) return void response.end('cookie kept');
      response.writeHead(302, { location: '/there', 'set-cookie': 'a=b', 'content-encoding': 'gzip' });
      response.end('not gzip at all');
    });
    const client = open(t);
    for (let i = 0; i < 2; i++) {
      const answer = await client.request(to(port));
      t.is(answer.status, 302);
      t.is(answer.body.toString(), 'not gzip at all');
    }
  });

  test(`${name}: answers without a body, in pieces, and after an interim response are read whole`, async (t) => {
    const { port } = await http(t, (request, response) => {
      if (request.url === '/empty') return void response.writeHead(204).end();
      if (request.url === '/early') {
        response.writeProcessing();
        response.writeEarlyHints({ link: '</style.css>; rel=preload' });
        return void response.end('late');
      }
      for (let i = 0; i < 50; i++) response.write(`${i} `.repeat(1_000));
      response.end();
    });
    const client = open(t);
    t.like(await client.request(to(port, { path: '/empty' })), { status: 204 });
    t.is((await client.request(to(port, { path: '/early' }))).body.toString(), 'late');
    const whole = (await client.request(to(port, { path: '/pieces' }))).body.toString();
    t.is(whole, Array.from({ length: 50 }, (_, i) => `${i} `.repeat(1_000)).join(''));
  });

  test(`${name}: requests one after the other share connections`, async (t) => {
    const { port, connections } = await http(t, (_request, response) => response.end('ok'));
    const client = open(t);
    for (let i = 0; i < 20; i++) await client.request(to(port));
    // undici frees a connection just after it has handed on the answer, so that it takes turns with two.
    t.true(connections() <= 2);
  });

  test(`${name}: a refused connection is CONNECT`, async (t) => {
    await fails(t, open(t).request(to(await refusedPort(t))), 'CONNECT');
  });

  test(`${name}: an address that no route leads to is CONNECT`, async (t) => {
    // Linux and macOS refuse to connect to the broadcast address at once.
    const instance = { name: 'callee-1', address: '255.255.255.255', port: 9 };
    await fails(t, open(t).request(to(9, { instance })), 'CONNECT');
  });

  test(`${name}: a connection reset or closed after the request is RESET, and the request is not repeated`, async (t) => {
    for (const end of [(s: Socket) => s.resetAndDestroy(), (s: Socket) => s.destroy(), (s: Socket) => s.end()]) {
      const { port, connections } = await raw(t, (socket) => socket.once('data', () => end(socket)));
      await fails(t, open(t).request(to(port)), 'RESET');
      t.is(connections(), 1);
    }
  });

  test(`${name}: a kept connection that breaks under its second request is RESET, and the request is not repeated`, async (t) => {
    let requests = 0;
    const { port } = await raw(t, (socket) =>
      socket.on('data', () => {
        requests += 1;
        if (requests === 2) socket.resetAndDestroy();
        else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
      }),
    );
    const client = open(t);
    await client.request(to(port));
    await fails(t, client.request(to(port, { method: 'POST', body: Buffer.from('x') })), 'RESET');
    t.is(requests, 2);
    t.is((await client.request(to(port))).status, 200);
  });

  test(`${name}: a connection that the callee closed while it was idle is not used again`, async (t) => {
    const {
      port,
      connections,
      open: serverSide,
    } = await raw(t, (socket) =>
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')),
    );
    const client = open(t);
    await client.request(to(port));
    for (const socket of serverSide) {
      socket.end();
      await once(socket, 'close');
    }
    t.is((await client.request(to(port))).status, 200);
    t.is(connections(), 2);
  });

  test(`${name}: no answer in time is TIMEOUT and closes the connection`, async (t) => {
    const gone = signal();
    const { port } = await raw(t, (socket) => socket.resume().on('close', () => gone.happen()));
    await fails(t, open(t).request(to(port, { timeoutMs: 2_000 })), 'TIMEOUT');
    await t.notThrowsAsync(gone.happened);
  });

  test(`${name}: an answer that begins and does not end in time is TIMEOUT and closes the connection`, async (t) => {
    const gone = signal();
    const { port } = await raw(t, (socket) => {
      socket.on('close', () => gone.happen());
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf'));
    });
    await fails(t, open(t).request(to(port, { timeoutMs: 2_000 })), 'TIMEOUT');
    await t.notThrowsAsync(gone.happened);
  });

  test(`${name}: an answer longer than allowed is BODY and closes the connection`, async (t) => {
    const gone = signal();
    const { port } = await http(t, (_request, response) => {
      response.on('close', () => gone.happen());
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(10_000)));
      };
      response.on('drain', more);
      more();
    });
    await fails(t, open(t).request(to(port, { maxAnswerBytes: 50_000 })), 'BODY');
    await t.notThrowsAsync(gone.happened);
  });

  test(`${name}: an answer of exactly the length allowed is taken`, async (t) => {
    const { port } = await http(t, (_request, response) => response.end(Buffer.alloc(50_000)));
    t.is((await open(t).request(to(port, { maxAnswerBytes: 50_000 }))).body.length, 50_000);
  });

  const BROKEN: Readonly<Record<string, string>> = {
    'fewer bytes than announced': 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf',
    'a chunk without an end': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel',
    'a malformed chunk': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
    'a malformed status line': 'HTTX 200\r\n\r\n',
    'headers past all bounds': `HTTP/1.1 200 OK\r\nx: ${'x'.repeat(100_000)}\r\n\r\n`,
  };
  for (const [what, bytes] of Object.entries(BROKEN)) {
    test(`${name}: ${what} is BODY`, async (t) => {
      const { port } = await raw(t, (socket) => socket.once('data', () => socket.end(bytes, 'latin1')));
      await fails(t, open(t).request(to(port)), 'BODY');
    });
  }

  test(`${name}: header values and paths that would break the request are refused before anything is sent`, async (t) => {
    const { port, connections } = await http(t, (_request, response) => response.end());
    const client = open(t);
    await fails(t, client.request(to(port, { headers: { baggage: 'a\r\nx-evil: 1' } })), 'CONNECT');
    await fails(t, client.request(to(port, { headers: { 'bad name': 'a' } })), 'CONNECT');
    await fails(t, client.request(to(port, { path: '/a b\r\nx-evil: 1' })), 'CONNECT');
    t.true(connections() <= 1);
    t.is((await client.request(to(port))).status, 200);
  });

  test.serial(`${name}: a thousand requests at once are all answered, each with its own answer`, async (t) => {
    const { port } = await http(t, (request, response) => setImmediate(() => response.end(request.url)));
    const client = open(t);
    const paths = Array.from({ length: 1_000 }, (_, i) => `/${i}`);
    const answers = await Promise.all(paths.map((path) => client.request(to(port, { path }))));
    t.deepEqual(
      answers.map(({ body }) => body.toString()),
      paths,
    );
  });

  test.serial(`${name}: requests beyond the connections of an instance wait for a free one`, async (t) => {
    const held: (() => void)[] = [];
    const arrived = signal();
    const { port, connections } = await http(t, (_request, response) => {
      held.push(() => response.end('ok'));
      if (held.length === CONNECTIONS.perInstance) arrived.happen();
    });
    const client = open(t);
    const all = Array.from({ length: CONNECTIONS.perInstance + 20 }, () => client.request(to(port)));
    await arrived.happened;
    for (const release of held.splice(0)) release();
    while (held.length < 20) await new Promise(setImmediate);
    for (const release of held) release();
    t.true((await Promise.all(all)).every(({ status }) => status === 200));
    t.true(connections() <= CONNECTIONS.perInstance);
  });

  test(`${name}: a connection used again and again gathers no listeners`, async (t) => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    t.teardown(() => process.off('warning', onWarning));
    const { port } = await http(t, (_request, response) => response.end('ok'));
    const client = open(t);
    for (let i = 0; i < 200; i++) await client.request(to(port, { timeoutMs: 60_000 }));
    await new Promise(setImmediate);
    t.deepEqual(
      warnings.filter(({ name: kind }) => kind === 'MaxListenersExceededWarning'),
      [],
    );
  });

  test(`${name}: closing ends idle connections, and a closed client refuses`, async (t) => {
    const { port, sockets } = await http(t, (_request, response) => response.end('ok'));
    const client = create();
    await client.request(to(port));
    const ended = Promise.all([...sockets].map((socket) => once(socket, 'close')));
    await client.close();
    await ended;
    await fails(t, client.request(to(port)), 'CONNECT');
  });
}
