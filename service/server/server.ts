import type { RequestListener, ServerResponse } from 'node:http';
import { writeFaulty } from '../faults/faulty-answer';
import type { Program, Via } from '../program';
import type { Handler } from '../request/handler';
import type { HealthReport } from './health';

/**
 * A kind of server: what turns an HTTP request into a call of the handler and writes its answer. `koa` and `http`
 * behave alike and log alike; they differ in cost.
 */
export type ServerFactory = (program: Program, via: Via, parts: ServerParts) => RequestListener;

export interface ServerParts {
  readonly handle: Handler;
  /** The answer to a health check, or undefined where the path is none. */
  readonly health: (path: string, method: string) => Promise<HealthReport> | HealthReport | undefined;
}

/** The path of a request's target without its query; also of an absolute target, which a proxy sends. */
export function pathOf(target: string): string {
  if (target.charCodeAt(0) !== 0x2f) return URL.canParse(target) ? new URL(target).pathname : target;
  const query = target.indexOf('?');
  return query < 0 ? target : target.slice(0, query);
}

/** Writes what the handler resolves to, if anything. */
export async function writeAnswer(answer: ReturnType<ServerParts['handle']>, response: ServerResponse): Promise<void> {
  const given = await answer;
  if (!given) return;
  const { status, headers, body, bytes, close, faulty } = given;
  if (faulty) return writeFaulty(response, given, faulty);
  if (close) response.shouldKeepAlive = false;
  headers['content-length'] = String(bytes);
  response.writeHead(status, headers);
  response.end(body);
}

/** Writes the answer to a health check. */
export async function writeHealth(report: ReturnType<ServerParts['health']>, response: ServerResponse): Promise<void> {
  const { status = 503, body = '' } = (await report) ?? {};
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
