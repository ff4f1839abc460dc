import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the real service does to a reader and the emulator does not, put before the emulator. */
export interface ThrottlingProxy {
  readonly url: string;
  /** Calls by operation, and how many of them were throttled. */
  readonly calls: Record<string, number>;
  throttled(): number;
  readonly close: () => Promise<void>;
}

export interface ProxyOptions {
  /** Every n-th call is answered with a ThrottlingException. */
  readonly throttleEvery: number;
  /** Most rows of one GetQueryResults or FilterLogEvents. */
  readonly pageRows: number;
  /** Refuse Logs Insights, as a policy may. */
  readonly refuseInsights?: boolean;
}

type Body = Record<string, unknown>;

export async function throttlingProxy(target: string, options: ProxyOptions): Promise<ThrottlingProxy> {
  const calls: Record<string, number> = {};
  const results = new Map<string, unknown[]>();
  let [count, throttled] = [0, 0];

  const forward = async (request: IncomingMessage, body: string): Promise<[number, string]> => {
    const headers = new Headers();
    for (const [name, value] of Object.entries(request.headers)) {
      if (!['host', 'connection', 'content-length'].includes(name)) headers.set(name, String(value));
    }
    const answer = await fetch(target, { method: 'POST', headers, body });
    return [answer.status, await answer.text()];
  };

  const answer = async (request: IncomingMessage, body: string): Promise<[number, string]> => {
    const operation = String(request.headers['x-amz-target']).replace(/^.*\./, '');
    calls[operation] = (calls[operation] ?? 0) + 1;
    count += 1;
    if (count % options.throttleEvery === 0) {
      throttled += 1;
      return [400, JSON.stringify({ __type: 'ThrottlingException', message: 'Rate exceeded' })];
    }
    if (options.refuseInsights && operation === 'StartQuery') {
      return [400, JSON.stringify({ __type: 'AccessDeniedException', message: 'not authorized' })];
    }
    const input = JSON.parse(body) as Body;
    if (operation === 'GetQueryResults') {
      const id = String(input.queryId);
      if (!results.has(id)) {
        const { nextToken: _token, maxItems: _max, ...plain } = input;
        const [status, text] = await forward(request, JSON.stringify(plain));
        if (status !== 200) return [status, text];
        results.set(id, (JSON.parse(text) as { results: unknown[] }).results);
      }
      const all = results.get(id) ?? [];
      const from = Number(input.nextToken ?? 0);
      const to = from + options.pageRows;
      const next = to < all.length ? { nextToken: String(to) } : {};
      return [200, JSON.stringify({ status: 'Complete', results: all.slice(from, to), ...next })];
    }
    if (operation === 'FilterLogEvents') {
      // Every other page is empty and has a successor, as the service's may.
      const token = input.nextToken as string | undefined;
      if (token?.startsWith('empty:')) {
        return [200, JSON.stringify({ events: [], nextToken: token.slice('empty:'.length) })];
      }
      const [status, text] = await forward(request, JSON.stringify({ ...input, limit: options.pageRows }));
      if (status !== 200) return [status, text];
      const page = JSON.parse(text) as { events: unknown[]; nextToken?: string };
      // The last event comes twice.
      const events = [...page.events, ...page.events.slice(-1)];
      return [200, JSON.stringify({ events, ...(page.nextToken && { nextToken: `empty:${page.nextToken}` }) })];
    }
    return forward(request, body);
  };

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const [status, text] = await answer(request, Buffer.concat(chunks).toString());
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(text);
  };
  const server = createServer((request, response) => {
    serve(request, response).catch((error) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = async (): Promise<void> => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    throttled: () => throttled,
    close,
  };
}
