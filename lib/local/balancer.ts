import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { UserError } from '../model/user-error';
import { answer, forward } from './forward';
import { TARGET_DEFAULTS, type TargetGroup, type TargetSettings, type TargetState, targetGroup } from './target-group';

export interface BalancerSettings extends TargetSettings {
  /** A connection on which nothing moves for so long is closed; a request then waiting for its target gets 504. @default 60000, as an ALB */
  readonly idleTimeoutMs: number;
}

export interface BalancerOptions extends Partial<BalancerSettings> {
  /** @default 127.0.0.1 */
  readonly address?: string;
  /** 0 takes a free one. @default 0 */
  readonly port?: number;
  /** The edge services by path prefix (`''` or `/<service>`); the prefix is passed on. */
  readonly services: readonly { readonly service: string; readonly prefix: string }[];
  /** Told when an instance becomes healthy or unhealthy. */
  readonly onHealth?: (service: string, instance: string, healthy: boolean) => void;
}

/** The edge of a local deployment: what an Application Load Balancer does on AWS. */
export interface Balancer {
  /** Without a final slash. */
  readonly url: string;
  register(instance: string, service: string, address: string, port: number): void;
  /** Resolves when the instance's requests under way have ended, at the latest after the drain time. */
  deregister(instance: string): Promise<void>;
  /** By instance. */
  states(): Readonly<Record<string, TargetState>>;
  /** Accepts no more; resolves when the requests under way have ended, which are cut off after `withinMs`. */
  close(withinMs?: number): Promise<void>;
}

/** An ALB's limit on all headers of a request together. */
const MAX_HEADER_BYTES = 65_536;
const MAX_CONNECTIONS = 10_000;

/** Throws a `UserError` where the port is taken or not ours to take. */
export async function startBalancer(options: BalancerOptions): Promise<Balancer> {
  const { address = '127.0.0.1', port = 0, services, onHealth = () => {} } = options;
  const settings = { ...TARGET_DEFAULTS, idleTimeoutMs: 60_000, ...options };
  const groups = services.map(({ service, prefix }) => ({
    prefix,
    group: targetGroup(service, settings, onHealth),
  }));

  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    keepAliveTimeout: settings.idleTimeoutMs,
    headersTimeout: settings.idleTimeoutMs,
    requestTimeout: 0,
  });
  server.timeout = settings.idleTimeoutMs;
  server.maxConnections = MAX_CONNECTIONS;
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const path = pathOf(request.url ?? '/');
    const group = groups.find(({ prefix }) => hasPrefix(path, prefix))?.group;
    if (!group) {
      const prefixes = groups.map(({ prefix }) => `${prefix}/`).join(', ');
      answer(response, 404, `no edge service has this path; paths begin with ${prefixes}`);
      return;
    }
    const target = group.next();
    if (target) forward(request, response, target, path);
    else answer(response, 503, `${group.service} has no instance to serve this`);
  });
  await listen(server, address, port);

  const groupOf = (instance: string): TargetGroup | undefined =>
    groups.find(({ group }) => instance in group.states())?.group;

  return {
    url: `http://${address}:${(server.address() as AddressInfo).port}`,
    register(instance, service, targetAddress, targetPort) {
      const found = groups.find(({ group }) => group.service === service);
      if (!found) throw new Error(`${service} is no edge service`);
      found.group.register(instance, targetAddress, targetPort);
    },
    async deregister(instance) {
      await groupOf(instance)?.deregister(instance);
    },
    states: () => Object.assign({}, ...groups.map(({ group }) => group.states())),
    async close(withinMs = settings.drainMs) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const timer = setTimeout(() => server.closeAllConnections(), withinMs);
      const sweep = setInterval(() => server.closeIdleConnections(), 50);
      await closed;
      clearTimeout(timer);
      clearInterval(sweep);
      for (const { group } of groups) group.close();
    },
  };
}

/** The path and query of a request target, which a client of a proxy may write as a whole URL. */
function pathOf(url: string): string {
  if (url.startsWith('/') || url === '*') return url;
  const absolute = /^https?:\/\/[^/?#]*(.*)$/i.exec(url)?.[1];
  if (absolute === undefined) return url;
  return absolute.startsWith('/') ? absolute : `/${absolute}`;
}

function hasPrefix(path: string, prefix: string): boolean {
  if (prefix === '') return true;
  if (!path.startsWith(prefix)) return false;
  const next = path[prefix.length];
  return next === undefined || next === '/' || next === '?';
}

function listen(server: Server, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(portFault(error, address, port)));
    server.listen({ host: address, port }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}

function portFault(error: NodeJS.ErrnoException, address: string, port: number): Error {
  const where = `port ${port}`;
  const remedy = 'give another --port, or none for a free one';
  if (error.code === 'EADDRINUSE') {
    return new UserError({ where, problem: `another program listens on ${address}:${port}`, remedy });
  }
  if (error.code === 'EACCES') return new UserError({ where, problem: 'only root may listen on it', remedy });
  return error;
}
