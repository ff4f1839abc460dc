import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { trafficPlan } from '../../../lib/load/phases';
import { type LoadOptions, type LoadRun, runLoad } from '../../../lib/load/run-load';
import { edgeTargets, externalTarget } from '../../../lib/load/targets';
import { type Event, FIELD_ORDER } from '../../../lib/model/event';
import type { ManifestEnd, ManifestRecord, ManifestStart } from '../../../lib/model/manifest';
import { resolve } from '../../../lib/model/resolve';
import { parseRunId } from '../../../lib/model/run-id';
import { hashValue } from '../../../lib/model/slice';
import { topology } from '../../../lib/model/spec';
import { parseBaggage, parseTraceparent } from '../../../lib/model/trace-context';

const shop = resolve(
  topology({
    services: {
      web: {
        edge: true,
        endpoints: { 'GET /products/:id': { weight: 3 }, 'POST /cart': { requestBytes: { uniform: [5, 90] } } },
      },
    },
  }),
  'shop',
);

async function serve(t: ExecutionContext, listener: RequestListener): Promise<{ url: URL; server: Server }> {
  const server = createServer(listener).listen({ port: 0, host: '127.0.0.1', backlog: 2048 });
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), server };
}

function workFolder(t: ExecutionContext): string {
  const cwd = mkdtempSync(join(tmpdir(), 'microcosm-load-'));
  t.teardown(() => rmSync(cwd, { recursive: true, force: true }));
  return cwd;
}

function startRun(t: ExecutionContext, url: URL, options: Partial<LoadOptions> = {}): Promise<LoadRun> {
  return runLoad({
    target: {
      url,
      targets: externalTarget('/', undefined),
      topology: null,
      name: 'external',
      deployment: null,
      sameMachine: true,
    },
    plan: trafficPlan({ rate: '400', requests: 40 }),
    seed: 'fixed',
    timeoutMs: 60_000,
    cwd: workFolder(t),
    ...options,
  });
}

const shopTarget = (url: URL): LoadOptions['target'] => ({
  url,
  targets: edgeTargets(shop, ''),
  topology: shop,
  name: 'shop',
  deployment: null,
  sameMachine: true,
});

function lines<T>(path: string): T[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
}

const eventsOf = (folder: string) => lines<Event>(join(folder, 'client.log'));

function manifestOf(folder: string): { start: ManifestStart; end: ManifestEnd | undefined } {
  const records = lines<ManifestRecord>(join(folder, 'manifest.jsonl'));
  return { start: records[0] as ManifestStart, end: records[1] as ManifestEnd | undefined };
}

test('a run leaves a manifest, and two events a request that say what was sent and what came back', async (t) => {
  const seen: { method?: string; url?: string; headers: Record<string, unknown>; bytes: number }[] = [];
  const { url } = await serve(t, (request, response) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('end', () => {
      seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, bytes });
      response.setHeader('x-request-id', '00000000000000ab');
      response.statusCode = seen.length === 7 ? 503 : 200;
      response.end('{"service":"web"}');
    });
  });
  const load = await startRun(t, url, { target: shopTarget(url) });
  const result = await load.done;
  t.is(result.run, load.run);
  t.is(parseRunId(result.run)?.topology, 'shop');

  const { start, end } = manifestOf(result.folder);
  t.like(start, { run: result.run, seed: 'fixed', url: url.href.slice(0, -1), deployment: null });
  t.deepEqual(start.topology, shop);
  t.is(start.topologyHash, hashValue(shop));
  t.like(end, { run: result.run, sent: 40, answered: 40, failed: 1, finished: true, lastSeq: 80 });
  t.deepEqual(end?.errors, { HTTP_503: 1 });

  const events = eventsOf(result.folder);
  t.is(events[0]?.event, 'SERVICE_UP');
  t.is(events.at(-1)?.event, 'SERVICE_DOWN');
  t.deepEqual(events.at(-1)?.runs, { [result.run]: 80 });
  const own = events.filter(({ run }) => run === result.run);
  t.deepEqual(
    own.map(({ seq }) => seq),
    Array.from({ length: 80 }, (_, i) => i + 1),
  );
  for (const event of events) {
    t.like(event, { service: 'client', instance: 'client-1', topology: 'shop', process: start.process });
    const order = Object.keys(event).map((name) => FIELD_ORDER.indexOf(name as (typeof FIELD_ORDER)[number]));
    t.deepEqual(
      order,
      [...order].sort((a, b) => a - b),
    );
  }
  t.deepEqual(
    own.map(({ hlc }) => hlc),
    own.map(({ hlc }) => hlc).sort(),
  );

  const sent = new Map(own.filter(({ event }) => event === 'REQUEST_SENT').map((event) => [event.requestId, event]));
  t.is(sent.size, 40);
  for (const { method, url: path, headers, bytes } of seen) {
    const parent = parseTraceparent(String(headers.traceparent));
    const event = sent.get(parent?.parentId);
    const baggage = parseBaggage(String(headers.baggage));
    t.is(event?.traceId, parent?.traceId);
    t.is(baggage.get('microcosm-run'), result.run);
    t.is(baggage.get('microcosm-key'), event?.key);
    t.is(headers['x-microcosm-clock'], event?.hlc);
    t.is(event?.callee, method === 'GET' ? 'web GET /products/:id' : 'web POST /cart');
    t.regex(`${method} ${path}`, /^(GET \/products\/\d+|POST \/cart)$/);
    t.is(bytes > 0, method === 'POST');
    t.true(Number(event?.latenessMs) >= 0);
  }
  const received = own.filter(({ event }) => event === 'RESPONSE_RECEIVED');
  t.is(received.length, 40);
  for (const event of received) {
    t.like(event, { bytes: 17, peerRequestId: '00000000000000ab', spanEvents: 2 });
    t.is(sent.get(event.requestId)?.traceId, event.traceId);
    t.true(Number(event.durationMs) > 0);
  }
});

test('a seed replays the requests of another run: keys, endpoints, paths and sizes, with new trace ids', async (t) => {
  const seen: string[] = [];
  const traces = new Set<unknown>();
  const { url } = await serve(t, (request, response) => {
    const key = parseBaggage(String(request.headers.baggage)).get('microcosm-key');
    seen.push(`${key} ${request.method} ${request.url} ${request.headers['content-length']}`);
    traces.add(request.headers.traceparent);
    request.resume();
    response.end();
  });
  await (await startRun(t, url, { target: shopTarget(url) })).done;
  const first = seen.splice(0).sort();
  await (await startRun(t, url, { target: shopTarget(url) })).done;
  t.deepEqual(seen.splice(0).sort(), first);
  t.is(traces.size, 80);
  await (await startRun(t, url, { target: shopTarget(url), seed: 'other' })).done;
  t.notDeepEqual(seen.sort(), first);
});

test('a stall of the server slows no sending, and counts from the planned moment for each request behind it', async (t) => {
  const held: (() => void)[] = [];
  let arrived = 0;
  const { url } = await serve(t, (_request, response) => {
    arrived += 1;
    held.push(() => response.end());
    // Nothing is answered before all are there: a closed loop would wait for ever.
    if (arrived === 200) for (const answer of held) answer();
  });
  const load = await startRun(t, url, { plan: trafficPlan({ rate: '200', requests: 200 }) });
  const { figures } = await load.done;
  t.is(figures.answered, 200);
  // The n-th of 200 waits for those behind it: from 0 to 995 ms, evenly; delays of the machine only add to that.
  t.true(figures.responseTime.p50 >= 490, `${figures.responseTime.p50}`);
  t.true(figures.responseTime.p90 >= 890, `${figures.responseTime.p90}`);
  t.true(figures.responseTime.max >= 990, `${figures.responseTime.max}`);
});

test('lateness of the driver itself is part of the response time and not of the service time', async (t) => {
  const { url } = await serve(t, (_request, response) => response.end());
  const load = await startRun(t, url, { plan: trafficPlan({ rate: '100', requests: 30 }) });
  // The event loop stands still, as in a long pause of the garbage collector.
  const until = performance.now() + 400;
  while (performance.now() < until);
  const { figures } = await load.done;
  t.is(figures.sent, 30);
  t.true(figures.sendLag.max >= 300, `${figures.sendLag.max}`);
  t.true(figures.responseTime.max >= figures.sendLag.max);
  t.true(figures.serviceTime.p50 < figures.responseTime.max);
});

test('the bound on requests in flight holds requests back, counts them and logs nothing of them', async (t) => {
  const { url, server } = await serve(t, () => undefined);
  const load = await startRun(t, url, { plan: trafficPlan({ rate: '400', requests: 50 }), maxInFlight: 5 });
  const reached = new Promise<void>((settle) => {
    let requests = 0;
    server.on('request', () => {
      requests += 1;
      if (requests === 5) settle();
    });
  });
  await reached;
  while (load.progress().counts.notSent < 45) await new Promise((settle) => setTimeout(settle, 10));
  server.closeAllConnections();
  const { figures, folder } = await load.done;
  t.like(figures, { sent: 5, notSent: 45, answered: 0, failed: 5, errors: { RESET: 5 } });
  t.is(eventsOf(folder).filter(({ event }) => event === 'REQUEST_SENT').length, 5);
  t.like(manifestOf(folder).end, { sent: 5, notSent: 45, answered: 0, failed: 5 });
});

test('a stop sends no more, fails what is still unanswered and writes the end record', async (t) => {
  const { url, server } = await serve(t, (_request, response) => {
    if (requests++ < 10) response.end();
  });
  let requests = 0;
  const load = await startRun(t, url, { plan: trafficPlan({ rate: '100', duration: '1h' }), timeoutMs: 300 });
  await new Promise<void>((settle) => {
    server.on('request', () => {
      if (requests === 12) settle();
    });
  });
  load.stop();
  load.stop();
  const { figures, finished, folder, total } = await load.done;
  t.false(finished);
  t.true(figures.sent >= 12);
  t.is(figures.answered + Object.values(figures.errors).reduce((a, b) => a + b, 0), figures.sent);
  const { end } = manifestOf(folder);
  t.like(end, { finished: false, sent: total.sent, lastSeq: 2 * total.sent });
  t.is(eventsOf(folder).filter(({ event }) => event === 'ERROR').length, figures.sent - figures.answered);
});

test('the warm-up is sent and logged, and left out of the figures', async (t) => {
  const { url } = await serve(t, (_request, response) => response.end());
  const plan = trafficPlan({ rate: '200', requests: 30, warmup: '100ms' });
  const { figures, total, folder } = await (await startRun(t, url, { plan })).done;
  t.is(figures.sent, 30);
  t.is(total.sent, 50);
  t.is(manifestOf(folder).end?.sent, 50);
  t.is(eventsOf(folder).filter(({ event }) => event === 'REQUEST_SENT').length, 50);
});

test("the nodes' logs are linked at the start, and those of later instances at the end", async (t) => {
  const cwd = workFolder(t);
  const deployment = join(cwd, '.microcosm', 'deployments', 'd');
  mkdirSync(join(deployment, 'logs'), { recursive: true });
  writeFileSync(join(deployment, 'logs', 'web-1.log'), 'one\n');
  let answered = 0;
  const { url } = await serve(t, (_request, response) => {
    if (answered++ === 20) writeFileSync(join(deployment, 'logs', 'web-2.log'), 'two\n');
    response.end();
  });
  const target = { ...shopTarget(url), deployment: { id: 'd', folder: deployment } };
  const load = await startRun(t, url, { target, cwd });
  const { folder } = await load.done;
  t.deepEqual(readdirSync(folder).sort(), ['client.log', 'manifest.jsonl', 'web-1.log', 'web-2.log']);
  // A link, not a copy: what a node logs after the end is there too.
  writeFileSync(join(deployment, 'logs', 'web-1.log'), 'late\n', { flag: 'a' });
  t.is(readFileSync(join(folder, 'web-1.log'), 'utf8'), 'one\nlate\n');
  t.is(manifestOf(folder).start.deployment, 'd');
});

test('a clock far ahead in an answer does not drag the events along', async (t) => {
  const { url } = await serve(t, (_request, response) =>
    response.setHeader('x-microcosm-clock', 'ffffffffffff0000').end(),
  );
  const { folder } = await (await startRun(t, url)).done;
  t.true(eventsOf(folder).every(({ hlc }) => hlc < 'f'));
});

test('a host that does not exist is a clear error before anything is written', async (t) => {
  const cwd = workFolder(t);
  await t.throwsAsync(startRun(t, new URL('http://no..host'), { cwd }), { name: 'UserError' });
  t.deepEqual(readdirSync(cwd), []);
});
