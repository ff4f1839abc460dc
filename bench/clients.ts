import { fork } from 'node:child_process';
import { Agent, createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';
import { createGotClient } from '../service/call/client-got';
import { createUndiciClient } from '../service/call/client-undici';
import type { HttpClient } from '../service/call/outgoing';

/**
 * CPU of one call, from asking to the whole answer, in microseconds of the caller's process: the node's clients beside
 * what they stand on, in interleaved rounds against one server in a process of its own. Medians.
 *
 *   npx ts-node bench/clients.ts [calls a round] [rounds] [calls at once]
 */
const [calls = 4_000, rounds = 7, atOnce = 8] = process.argv.slice(2).map(Number);
const ANSWER = JSON.stringify({
  service: 'catalog',
  instance: 'catalog-1',
  requestId: '0'.repeat(16),
  payload: 'x'.repeat(120),
});
const HEADERS = {
  traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
  baggage: 'microcosm-run=shop-20261121t054429z-abcd',
  'x-microcosm-clock': '0'.repeat(16),
  'x-microcosm-place': '0'.repeat(16),
  'x-microcosm-deadline': '1000',
  'x-microcosm-caller': 'web-1',
};

if (process.send) serve();
else void run();

function serve(): void {
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    request.resume();
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': ANSWER.length,
      'x-request-id': '0'.repeat(16),
      'x-microcosm-clock': '0'.repeat(16),
    });
    response.end(ANSWER);
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
  process.on('disconnect', () => process.exit());
}

async function run(): Promise<void> {
  const server = fork(__filename, { execArgv: ['-r', 'ts-node/register'] });
  const port = await new Promise<number>((resolve) => server.once('message', (message) => resolve(Number(message))));
  const pool = new Pool(`http://127.0.0.1:${port}`);
  const agent = new Agent({ keepAlive: true });
  const got = createGotClient();
  const undici = createUndiciClient();

  const ways: Readonly<Record<string, () => Promise<unknown>>> = {
    'undici.request, bare': async () => {
      const { body } = await pool.request({ path: '/items', method: 'GET', headers: HEADERS });
      return body.arrayBuffer();
    },
    'http.request, bare': () => bareHttp(agent, port),
    'client undici': () => call(undici, port),
    'client got': () => call(got, port),
  };
  const names = Object.keys(ways);
  const costs = new Map<string, number[]>(names.map((name) => [name, []]));
  for (const way of Object.values(ways)) await batch(way, calls);
  for (let round = 0; round < rounds; round++) {
    for (const name of names) costs.get(name)?.push(await batch(ways[name] as () => Promise<unknown>, calls));
  }
  const median = (name: string) => (costs.get(name) ?? []).sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN;
  const baseline = median('undici.request, bare');
  process.stdout.write(`${'way'.padEnd(24)}CPU us a call   ratio\n`);
  for (const name of names) {
    const cost = median(name);
    process.stdout.write(
      `${name.padEnd(24)}${cost.toFixed(1).padStart(13)}${(cost / baseline).toFixed(2).padStart(8)}\n`,
    );
  }
  await Promise.all([got.close(), undici.close(), pool.destroy()]);
  agent.destroy();
  server.disconnect();
}

function call(client: HttpClient, port: number): Promise<unknown> {
  return client.request({
    instance: { name: 'catalog-1', address: '127.0.0.1', port },
    method: 'GET',
    path: '/items',
    headers: HEADERS,
    body: null,
    timeoutMs: 10_000,
    maxAnswerBytes: 1_000_000,
  });
}

function bareHttp(agent: Agent, port: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ agent, host: '127.0.0.1', port, path: '/items', headers: HEADERS }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve(Buffer.concat(chunks)));
    });
    request.on('error', reject);
    request.end();
  });
}

/** Microseconds of user and system time a call. */
async function batch(way: () => Promise<unknown>, count: number): Promise<number> {
  const before = process.cpuUsage();
  let left = count;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (left-- > 0) await way();
    }),
  );
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}
