import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { type Balancer, type BalancerOptions, startBalancer } from '../../../lib/local/balancer';
import { UserError } from '../../../lib/model/user-error';
import { keepRefused } from '../../support/refused-port';

const FAST = { healthIntervalMs: 10, healthTimeoutMs: 20_000, drainMs: 60_000 };

/** A backend that is ready, unless `ready` says no, and answers the rest by `listener`. */
async function startBackend(t: ExecutionContext, listener: RequestListener, ready = () => true) {
  const server = createServer((incoming, outgoing) => {
    if (incoming.url !== '/readyz') return listener(incoming, outgoing);
    outgoing.writeHead(ready() ? 200 : 503).end();
  });
  await listening(server);
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return { server, port: (server.address() as AddressInfo).port };
}

async function listening(server: Server | ReturnType<typeof createTcpServer>) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

/** A balancer for the service `web`, and a way to wait for a state of its targets. */
async function start(t: ExecutionContext, options: Partial<BalancerOptions> = {}) {
  const waiting = new Set<() => void>();
  const balancer = await startBalancer({
    ...FAST,
    services: [{ service: 'web', prefix: '' }],
    onHealth: () => {
      for (const check of waiting) check();
    },
    ...options,
  });
  t.teardown(() => balancer.close(0));
  const until = (condition: (states: ReturnType<Balancer['states']>) => boolean) =>
    new Promise<void>((resolve) => {
      const check = () => {
        if (!condition(balancer.states())) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  return { balancer, until };
}

async function oneBackend(t: ExecutionContext, listener: RequestListener, options: Partial<BalancerOptions> = {}) {
  const backend = await startBackend(t, listener);
  const { balancer, until } = await start(t, options);
  balancer.register('web-1', 'web', '127.0.0.1', backend.port);
  await until((states) => states['web-1'] === 'healthy');
  return { ...backend, balancer, until };
}

const named =
  (name: string): RequestListener =>
  (_request, response) =>
    void response.end(name);

async function read(incoming: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of incoming) text += chunk;
  return text;
}

/** Sends raw text and returns all that comes back until the other side closes, which may leave some of it unread. */
async function sendRaw(url: string, text: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  socket.on('error', () => {});
  socket.write(text);
  await new Promise((resolve) => socket.once('close', resolve));
  return answer;
}

test('requests go to the healthy instances in turn', async (t) => {
  // One check each: on a busy machine a check may come late, and the order would change.
  const { balancer, until } = await start(t, { healthIntervalMs: 60_000 });
  for (const name of ['web-1', 'web-2', 'web-3']) {
    const { port } = await startBackend(t, named(name));
    balancer.register(name, 'web', '127.0.0.1', port);
  }
  await until((states) => Object.values(states).every((state) => state === 'healthy'));
  const served: string[] = [];
  for (let i = 0; i < 9; i++) served.push(await (await fetch(balancer.url)).text());
  t.is(new Set(served.slice(0, 3)).size, 3);
  t.deepEqual(served.slice(3, 6), served.slice(0, 3));
  t.deepEqual(served.slice(6), served.slice(0, 3));
});

test('an instance that fails its checks gets no requests until it passes again', async (t) => {
  let ready = true;
  const sick = await startBackend(t, named('sick'), () => ready);
  const well = await startBackend(t, named('well'));
  const { balancer, until } = await start(t);
  balancer.register('web-1', 'web', '127.0.0.1', sick.port);
  balancer.register('web-2', 'web', '127.0.0.1', well.port);
  await until((states) => states['web-1'] === 'healthy' && states['web-2'] === 'healthy');
  ready = false;
  await until((states) => states['web-1'] === 'unhealthy');
  for (let i = 0; i < 4; i++) t.is(await (await fetch(balancer.url)).text(), 'well');
  ready = true;
  await until((states) => states['web-1'] === 'healthy');
  const served = [await (await fetch(balancer.url)).text(), await (await fetch(balancer.url)).text()];
  t.deepEqual(served.sort(), ['sick', 'well']);
});

test('with no healthy instance the unhealthy ones get the requests', async (t) => {
  let ready = true;
  const backend = await startBackend(t, named('only'), () => ready);
  const { balancer, until } = await start(t);
  balancer.register('web-1', 'web', '127.0.0.1', backend.port);
  await until((states) => states['web-1'] === 'healthy');
  ready = false;
  await until((states) => states['web-1'] === 'unhealthy');
  t.is(await (await fetch(balancer.url)).text(), 'only');
});

test('503 where no instance is registered, or none has passed a check yet', async (t) => {
  const { balancer } = await start(t);
  t.is((await fetch(balancer.url)).status, 503);
  const backend = await startBackend(t, named('never ready'), () => false);
  balancer.register('web-1', 'web', '127.0.0.1', backend.port);
  const response = await fetch(balancer.url);
  t.is(response.status, 503);
  t.regex(((await response.json()) as { error: string }).error, /web has no instance/);
});

test('502 where the instance is gone, and where it breaks the connection', async (t) => {
  const { balancer, server, port } = await oneBackend(t, (_request, response) => void response.destroy(), {
    healthIntervalMs: 60_000,
  });
  t.is((await fetch(balancer.url)).status, 502);
  server.close();
  server.closeAllConnections();
  await keepRefused(t, port);
  t.is((await fetch(balancer.url)).status, 502);
});

test('502 where the answer is no HTTP', async (t) => {
  let checks = 0;
  const nonsense = createTcpServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (data) => {
      if (!data.toString().includes('/readyz')) return void socket.end('nonsense\r\n\r\n');
      checks += 1;
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    });
  });
  await listening(nonsense);
  t.teardown(() => void nonsense.close());
  const { balancer, until } = await start(t, { healthIntervalMs: 60_000 });
  balancer.register('web-1', 'web', '127.0.0.1', (nonsense.address() as AddressInfo).port);
  await until((states) => states['web-1'] === 'healthy');
  t.is((await fetch(balancer.url)).status, 502);
  t.true(checks > 0);
});

test('504 where the instance does not answer in time, and its request is broken off', async (t) => {
  const aborted = deferred();
  const { balancer } = await oneBackend(t, (_request, response) => void response.on('close', () => aborted.resolve()), {
    idleTimeoutMs: 2_000,
  });
  t.is((await fetch(balancer.url)).status, 504);
  await aborted.promise;
});

test('408 where a request stops arriving', async (t) => {
  const { balancer } = await oneBackend(t, (incoming, response) => incoming.on('end', () => response.end()).resume(), {
    idleTimeoutMs: 200,
  });
  const outgoing = request(balancer.url, { method: 'POST', headers: { 'content-length': 10 } });
  outgoing.on('error', () => {}).write('half');
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  t.is(answer.statusCode, 408);
});

test('an answer that stops half-way breaks, and one that moves may take longer than the idle time', async (t) => {
  const idleTimeoutMs = 4_000;
  const pieces = 12;
  const { balancer } = await oneBackend(
    t,
    (incoming, response) => {
      response.write('a piece');
      if (incoming.url !== '/moves') return;
      let left = pieces - 1;
      const timer = setInterval(() => {
        response.write('a piece');
        left -= 1;
        if (left > 0) return;
        clearInterval(timer);
        response.end();
      }, 400);
    },
    { idleTimeoutMs },
  );
  const startedAt = performance.now();
  const moving = fetch(`${balancer.url}/moves`).then((response) => response.text());
  await t.throwsAsync(fetch(`${balancer.url}/stops`).then((response) => response.text()));
  t.is((await moving).length, pieces * 'a piece'.length);
  t.true(performance.now() - startedAt > idleTimeoutMs);
});

test('a client that goes away ends its request at the instance', async (t) => {
  const began = deferred();
  const aborted = deferred();
  const { balancer } = await oneBackend(t, (_request, response) => {
    began.resolve();
    response.on('close', () => aborted.resolve());
  });
  const controller = new AbortController();
  const failed = t.throwsAsync(fetch(balancer.url, { signal: controller.signal }), { any: true });
  await began.promise;
  controller.abort();
  await failed;
  await aborted.promise;
  t.pass();
});

test('an instance that dies within an answer breaks the answer to the client', async (t) => {
  const { balancer } = await oneBackend(t, (_request, response) => {
    response.writeHead(200, { 'content-length': 1000 });
    response.write('half', () => response.destroy());
  });
  const response = await fetch(balancer.url);
  t.is(response.status, 200);
  await t.throwsAsync(response.text());
});

test('large bodies stream both ways without being held', async (t) => {
  const { balancer } = await oneBackend(t, (incoming, response) => {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    incoming.pipe(response);
  });
  const chunk = Buffer.alloc(65_536, 'x');
  const chunks = 800;
  const outgoing = request(balancer.url, { method: 'POST' });
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
  outgoing.write(chunk);
  // The answer begins before the request ends: nothing waits for a whole body.
  const [response] = await answered;
  const received = (async () => {
    let bytes = 0;
    for await (const part of response) bytes += (part as Buffer).length;
    return bytes;
  })();
  for (let i = 1; i < chunks; i++) if (!outgoing.write(chunk)) await once(outgoing, 'drain');
  outgoing.end();
  t.is(await received, chunks * chunk.length);
});

test('headers arrive as they were sent, those of one connection removed, the client named', async (t) => {
  const { balancer } = await oneBackend(t, (incoming, response) => {
    response.writeHead(200, ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'X-Hop', 'gone', 'Connection', 'x-hop']);
    response.end(JSON.stringify({ raw: incoming.rawHeaders, url: incoming.url, method: incoming.method }));
  });
  const outgoing = request(`${balancer.url}/a%20b?c=d`, {
    method: 'PUT',
    headers: {
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      'X-Mixed-Case': 'kept',
      'X-Forwarded-For': '203.0.113.7',
      'X-Forwarded-Proto': 'https',
      'Keep-Alive': 'timeout=5',
      TE: 'trailers',
      'X-Private': 'gone',
      Connection: 'X-Private',
    },
  }).end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  const { raw, url, method } = JSON.parse(await read(response));
  const sent = new Map<string, string>();
  for (let i = 0; i < raw.length; i += 2) sent.set(raw[i], raw[i + 1]);
  t.is(`${method} ${url}`, 'PUT /a%20b?c=d');
  t.is(sent.get('Host') ?? sent.get('host'), new URL(balancer.url).host);
  t.is(sent.get('X-Mixed-Case'), 'kept');
  t.true(sent.has('traceparent'));
  t.is(sent.get('X-Forwarded-For'), '203.0.113.7, 127.0.0.1');
  t.is(sent.get('X-Forwarded-Proto'), 'http');
  t.is(sent.get('X-Forwarded-Port'), new URL(balancer.url).port);
  for (const gone of ['TE', 'X-Private', 'Keep-Alive']) t.false(sent.has(gone), gone);
  t.deepEqual(response.headers['set-cookie'], ['a=1', 'b=2']);
  t.is(response.headers['x-hop'], undefined);
});

test('a request without a body stays without, whatever its method', async (t) => {
  const { balancer } = await oneBackend(t, async (incoming, response) => {
    const body = await read(incoming);
    response.end(JSON.stringify({ method: incoming.method, body, encoding: incoming.headers['transfer-encoding'] }));
  });
  for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    t.deepEqual(await (await fetch(balancer.url, { method })).json(), { method, body: '' });
  }
  t.is((await fetch(balancer.url, { method: 'HEAD' })).status, 200);
});

test('a body of unknown length arrives whole with any method', async (t) => {
  const { balancer } = await oneBackend(t, async (incoming, response) => void response.end(await read(incoming)));
  for (const method of ['GET', 'POST', 'DELETE']) {
    const outgoing = request(balancer.url, { method, headers: { 'transfer-encoding': 'chunked' } });
    outgoing.write('one, ');
    outgoing.end('two');
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    t.is(await read(response), 'one, two', method);
  }
});

test('several edge services are told apart by the first segment of the path, which is passed on', async (t) => {
  const { balancer, until } = await start(t, {
    services: [
      { service: 'web', prefix: '/web' },
      { service: 'web-admin', prefix: '/web-admin' },
    ],
  });
  for (const service of ['web', 'web-admin']) {
    const { port } = await startBackend(t, (incoming, response) => void response.end(`${service} ${incoming.url}`));
    balancer.register(`${service}-1`, service, '127.0.0.1', port);
  }
  await until((states) => Object.values(states).every((state) => state === 'healthy'));
  const get = async (path: string) => (await fetch(`${balancer.url}${path}`)).text();
  t.is(await get('/web/cart?x=1'), 'web /web/cart?x=1');
  t.is(await get('/web'), 'web /web');
  t.is(await get('/web?x'), 'web /web?x');
  t.is(await get('/web-admin/a'), 'web-admin /web-admin/a');
  const response = await fetch(`${balancer.url}/website`);
  t.is(response.status, 404);
  t.regex(await response.text(), /\/web\/, \/web-admin\//);
});

test('a deregistered instance ends what it has and gets nothing new', async (t) => {
  const release = deferred();
  const began = deferred();
  const { balancer, until } = await oneBackend(t, async (_request, response) => {
    began.resolve();
    await release.promise;
    response.end('old');
  });
  const slow = fetch(balancer.url);
  await began.promise;
  const other = await startBackend(t, named('new'));
  balancer.register('web-2', 'web', '127.0.0.1', other.port);
  await until((states) => states['web-2'] === 'healthy');
  const drained = balancer.deregister('web-1');
  t.is(await (await fetch(balancer.url)).text(), 'new');
  t.is(await (await fetch(balancer.url)).text(), 'new');
  release.resolve();
  t.is(await (await slow).text(), 'old');
  await drained;
  t.deepEqual(Object.keys(balancer.states()), ['web-2']);
});

test('closing waits for the requests under way', async (t) => {
  const release = deferred();
  const began = deferred();
  const { balancer } = await oneBackend(t, async (_request, response) => {
    began.resolve();
    await release.promise;
    response.end('done');
  });
  const slow = fetch(balancer.url);
  await began.promise;
  const closed = balancer.close(60_000);
  await t.throwsAsync(fetch(balancer.url));
  release.resolve();
  t.is(await (await slow).text(), 'done');
  await closed;
});

test('a request that is no HTTP, or has too large headers, is refused and harms nobody', async (t) => {
  const { balancer } = await oneBackend(t, named('web-1'));
  t.regex(await sendRaw(balancer.url, 'nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /);
  const big = `GET / HTTP/1.1\r\nHost: a\r\nX-Big: ${'x'.repeat(70_000)}\r\n\r\n`;
  t.regex(await sendRaw(balancer.url, big), /^HTTP\/1\.1 431 /);
  const two = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
  t.regex(await sendRaw(balancer.url, two), /^HTTP\/1\.1 400 /);
  t.is(await (await fetch(balancer.url)).text(), 'web-1');
});

test('a taken port is a fault that names it', async (t) => {
  const { balancer } = await start(t);
  const port = Number(new URL(balancer.url).port);
  const error = await t.throwsAsync(startBalancer({ port, services: [] }), { instanceOf: UserError });
  t.regex(
    error.message,
    new RegExp(`^port ${port}: another program listens on 127.0.0.1:${port}; give another --port`),
  );
});

function deferred() {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
