import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';
import { startBalancer } from '../lib/local/balancer';

/**
 * What the edge balancer costs a request: CPU microseconds of its process, beside the shortest proxy that node:http
 * allows (`pipe` both ways) and a server that answers by itself. Interleaved rounds, medians.
 *
 *     npx ts-node bench/balancer.ts [requests a round] [rounds] [requests at once]
 */
const [requests = 5_000, rounds = 7, atOnce = 16] = process.argv.slice(2).map(Number);
const ANSWER = JSON.stringify({ service: 'web', instance: 'web-1', responses: [], payload: 'x'.repeat(400) });
const HEADERS = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, baggage: 'microcosm-run=adhoc' };
const KINDS = ['answers by itself', 'shortest proxy', 'balancer'] as const;

if (process.send) void serve(process.env.KIND as (typeof KINDS)[number], Number(process.env.BACKEND));
else void run();

async function serve(kind: (typeof KINDS)[number], backend: number): Promise<void> {
  process.on('message', () => process.send?.(process.cpuUsage()));
  process.send?.(await listen(kind, backend));
}

/** Resolves to the port. */
async function listen(kind: (typeof KINDS)[number], backend: number): Promise<number> {
  if (kind === 'balancer') {
    return new Promise((resolve) => {
      const started = startBalancer({
        services: [{ service: 'web', prefix: '' }],
        onHealth: () => void started.then(({ url }) => resolve(Number(new URL(url).port))),
      });
      void started.then((balancer) => balancer.register('web-1', 'web', '127.0.0.1', backend));
    });
  }
  const agent = new Agent({ keepAlive: true });
  const server = createServer((incoming, outgoing) => {
    if (kind === 'answers by itself') {
      outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': ANSWER.length }).end(ANSWER);
      return;
    }
    const { url, method, headers } = incoming;
    const onward = request({ agent, host: '127.0.0.1', port: backend, path: url, method, headers }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    incoming.pipe(onward);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function run(): Promise<void> {
  const backend = createServer((_incoming, outgoing) => {
    outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': ANSWER.length }).end(ANSWER);
  }).listen(0, '127.0.0.1');
  await once(backend, 'listening');
  const { port } = backend.address() as AddressInfo;

  const servers = await Promise.all(
    KINDS.map(async (kind) => {
      const child = fork(__filename, { env: { ...process.env, KIND: kind, BACKEND: String(port) } });
      const [own] = (await once(child, 'message')) as [number];
      return { kind, child, pool: new Pool(`http://127.0.0.1:${own}`, { connections: atOnce }), costs: [] as number[] };
    }),
  );
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const { child, pool, costs } of servers) {
      const before = await cpu(child);
      await send(pool);
      const cost = ((await cpu(child)) - before) / requests;
      if (round > 0) costs.push(cost);
    }
  }
  const base = median(servers[1]?.costs ?? []);
  for (const { kind, costs, child, pool } of servers) {
    const cost = median(costs);
    process.stdout.write(`${kind.padEnd(18)} ${cost.toFixed(1).padStart(6)} us  ${(cost / base).toFixed(2)}\n`);
    child.kill();
    await pool.destroy();
  }
  backend.close();
  backend.closeAllConnections();
}

async function send(pool: Pool): Promise<void> {
  let left = requests;
  const worker = async () => {
    while (left-- > 0) await (await pool.request({ path: '/cart/7', method: 'GET', headers: HEADERS })).body.dump();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

async function cpu(child: ReturnType<typeof fork>): Promise<number> {
  child.send('cpu');
  const [usage] = (await once(child, 'message')) as [NodeJS.CpuUsage];
  return usage.user + usage.system;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
