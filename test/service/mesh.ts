import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { BAGGAGE, serviceDomain } from '../../lib/model/contract';
import type { Event } from '../../lib/model/event';
import { resolve } from '../../lib/model/resolve';
import { sliceOf } from '../../lib/model/slice';
import type { ClientKind, ServerKind, TopologySpec } from '../../lib/model/spec';
import { createGotClient } from '../../service/call/client-got';
import { createUndiciClient } from '../../service/call/client-undici';
import type { Discovery, Instance } from '../../service/call/outgoing';
import { type RunningNode, startNode } from '../../service/node';
import type { Access } from '../../service/settings';

/** Each server with each client: what is promised of a node holds for all of them. */
export const STACKS: readonly { readonly server: ServerKind; readonly client: ClientKind }[] = [
  { server: 'koa', client: 'got' },
  { server: 'koa', client: 'undici' },
  { server: 'http', client: 'got' },
  { server: 'http', client: 'undici' },
];

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of any shape
  readonly json: any;
}

export interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
  readonly port?: 'edge' | 'mesh';
  readonly instance?: string;
}

export interface Mesh {
  readonly nodes: ReadonlyMap<string, RunningNode>;
  /** A request without baggage has a key by its number, so that every run of a test draws the same. */
  ask(service: string, ask?: Ask): Promise<Reply>;
  /** Stops all nodes and reads what they logged, each instance's lines in its own order. */
  events(): Promise<readonly Event[]>;
  readonly folder: string;
}

/** A topology as nodes in this process, which find each other by a table instead of DNS. */
export async function startMesh(
  t: ExecutionContext,
  spec: TopologySpec,
  without: string[] = [],
  access?: Pick<Access, 'key' | 'publicFaults'>,
): Promise<Mesh> {
  const topology = resolve(spec, spec.name ?? 'test');
  const folder = await mkdtemp(join(tmpdir(), 'microcosm-test-'));
  const graph = join(folder, 'graph.json');
  const callees = Object.values(topology.services).map((service) => [service.name, service.callees]);
  await writeFile(graph, JSON.stringify(Object.fromEntries(callees)));
  const table = new Map<string, Instance[]>();
  const nodes = new Map<string, RunningNode>();
  for (const service of Object.values(topology.services)) {
    table.set(service.name, []);
    if (without.includes(service.name)) continue;
    for (let replica = 1; replica <= service.replicas; replica++) {
      const instance = `${service.name}-${replica}`;
      const node = await startNode({
        slice: sliceOf(topology, service.name),
        instance,
        log: join(folder, `${instance}.log`),
        address: '127.0.0.1',
        meshPort: 0,
        edgePort: 0,
        clock: 'machine',
        access: access && { ...access, controlPort: 0, graph },
        discovery: tableDiscovery(table),
        client: service.client === 'got' ? createGotClient() : createUndiciClient(),
      });
      nodes.set(instance, node);
      table.get(service.name)?.push({ name: instance, address: '127.0.0.1', port: node.meshPort });
    }
  }
  // In the order written, callers first: queued work still meets its callees.
  const stopAll = async () => {
    for (const node of nodes.values()) await node.stop('test');
  };
  t.teardown(async () => {
    await stopAll();
    await rm(folder, { recursive: true, force: true });
  });
  let asked = 0;
  return {
    nodes,
    folder,
    ask: (service, { instance = `${service}-1`, port = 'edge', headers, ...ask } = {}) => {
      const node = nodes.get(instance) as RunningNode;
      asked += 1;
      const keyed = { baggage: `${BAGGAGE.key}=request-${asked}`, ...headers };
      return send((port === 'edge' ? node.edgePort : null) ?? node.meshPort, { ...ask, headers: keyed });
    },
    events: async () => {
      await stopAll();
      const texts = await Promise.all([...nodes.keys()].map((name) => readFile(join(folder, `${name}.log`), 'utf8')));
      return texts.flatMap((text) =>
        text
          .split('\n')
          .filter((line) => line !== '')
          .map((line) => JSON.parse(line) as Event),
      );
    },
  };
}

/** Instances in turn from a table that the test may change. */
export function tableDiscovery(table: ReadonlyMap<string, readonly Instance[]>): Discovery {
  let turn = 0;
  return {
    choose: async (service, avoid) => {
      const instances = (table.get(service) ?? []).filter(({ name }) => !avoid.has(name));
      return instances[turn++ % instances.length];
    },
    know: () => {},
    failed: () => {},
    succeeded: () => {},
    check: async () => ({
      answers: true,
      unresolved: [...table].filter(([, list]) => list.length === 0).map(([name]) => serviceDomain(name, 'test')),
    }),
    close: () => {},
  };
}

export function send(port: number, { method = 'GET', path = '/', headers = {}, body }: Ask = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ port, host: '127.0.0.1', method, path, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () => {
        let json: unknown;
        try {
          json = JSON.parse(text);
        } catch {
          json = undefined;
        }
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** The events of one request, in order. */
export function spanEvents(events: readonly Event[], requestId: string | undefined): readonly Event[] {
  return events.filter((event) => event.requestId === requestId).sort((a, b) => a.seq - b.seq);
}

export function kinds(events: readonly Event[]): string {
  return events.map(({ event }) => event).join(' ');
}
