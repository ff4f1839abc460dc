import type { IncomingMessage } from 'node:http';

/**
 * Headers of one connection, which a proxy must not hand on (RFC 9110, 7.6.1), by length of their names: most headers
 * are told apart by that alone. `expect` too, because the balancer has already answered it.
 */
const HOP_BY_HOP = new Map<number, readonly string[]>([
  [2, ['te']],
  [6, ['expect']],
  [7, ['trailer', 'upgrade']],
  [10, ['connection', 'keep-alive']],
  [16, ['proxy-connection']],
  [17, ['transfer-encoding']],
  [18, ['proxy-authenticate']],
  [19, ['proxy-authorization']],
]);

/** The balancer says these itself. */
const FORWARDED = new Map<number, readonly string[]>([
  [15, ['x-forwarded-for']],
  [16, ['x-forwarded-port']],
  [17, ['x-forwarded-proto']],
]);

/**
 * The request's headers as a flat list for the target: hop-by-hop ones removed, the client's address appended to
 * `X-Forwarded-For`, `X-Forwarded-Proto` and `-Port` set, the rest untouched and in order, `Host` included.
 */
export function requestHeaders(request: IncomingMessage, hasBody: boolean): string[] {
  const raw = request.rawHeaders;
  const named = connectionOptions(request);
  const headers: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    if (isOneOf(HOP_BY_HOP, name) || isOneOf(FORWARDED, name) || named?.has(name.toLowerCase())) continue;
    headers.push(name, raw[i + 1] as string);
  }
  const { remoteAddress = 'unknown', localPort } = request.socket;
  const before = request.headers['x-forwarded-for'];
  headers.push('X-Forwarded-For', before ? `${before}, ${remoteAddress}` : remoteAddress);
  headers.push('X-Forwarded-Proto', 'http', 'X-Forwarded-Port', String(localPort));
  if (request.headers['transfer-encoding'] !== undefined) headers.push('Transfer-Encoding', 'chunked');
  else if (!hasBody && request.headers['content-length'] === undefined && EXPECTS_BODY.has(request.method ?? '')) {
    headers.push('Content-Length', '0');
  }
  return headers;
}

/** The target's headers as a flat list for the client, hop-by-hop ones removed. */
export function responseHeaders(response: IncomingMessage): string[] {
  const raw = response.rawHeaders;
  const named = connectionOptions(response);
  const headers: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    if (!isOneOf(HOP_BY_HOP, name) && !named?.has(name.toLowerCase())) headers.push(name, raw[i + 1] as string);
  }
  return headers;
}

const EXPECTS_BODY = new Set(['POST', 'PUT', 'PATCH']);

function isOneOf(names: ReadonlyMap<number, readonly string[]>, name: string): boolean {
  const sameLength = names.get(name.length);
  return sameLength?.includes(name.toLowerCase()) ?? false;
}

/** Further hop-by-hop headers that `Connection` names; undefined in the common case of none. */
function connectionOptions({ headers: { connection } }: IncomingMessage): ReadonlySet<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined;
  return new Set(connection.split(',').map((option) => option.trim().toLowerCase()));
}
