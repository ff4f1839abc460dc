import { type ClientRequest, type IncomingMessage, type ServerResponse, request as sendRequest } from 'node:http';
import { requestHeaders, responseHeaders } from './forwarded-headers';
import type { Target } from './target-group';

/**
 * Hands one request to a target and its answer back, streaming both ways. As an ALB does: 502 where the target refuses,
 * breaks the connection or can't be understood; 504 where nothing moves for the idle time (the server's socket time-out);
 * no second try. What the client breaks off is broken off at the target, and the other way round.
 *
 * @param path path and query for the target
 */
export function forward(request: IncomingMessage, response: ServerResponse, target: Target, path: string): void {
  const { headers } = request;
  const length = headers['content-length'];
  const hasBody = headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
  let outgoing: ClientRequest;
  try {
    outgoing = sendRequest({
      host: target.address,
      port: target.port,
      agent: target.agent,
      method: request.method ?? 'GET',
      path,
      headers: requestHeaders(request, hasBody),
      setHost: false,
    });
  } catch (error) {
    answer(response, 400, `the request can't be handed on: ${(error as Error).message}`);
    return;
  }
  target.inFlight += 1;

  let ended = false;
  response.on('close', () => {
    target.inFlight -= 1;
    target.onRelease?.();
    // A target that answered while the client was still sending must not wait for a body that nobody reads any more.
    if (!ended || !request.complete) outgoing.destroy();
  });
  response.on('timeout', () => {
    if (response.headersSent) response.destroy();
    else if (request.complete) answer(response, 504, `${target.instance} did not answer in time`);
    else answer(response, 408, 'the request did not arrive in time');
  });

  outgoing.on('error', (error: NodeJS.ErrnoException) => {
    if (response.headersSent) {
      if (!response.writableEnded) response.destroy();
    } else answer(response, 502, `${target.instance} gave no answer: ${error.code ?? error.message}`);
  });
  outgoing.on('response', (incoming) => {
    if (response.headersSent || response.destroyed) {
      incoming.on('error', () => {});
      outgoing.destroy();
      return;
    }
    response.writeHead(incoming.statusCode ?? 502, incoming.statusMessage, responseHeaders(incoming));
    incoming.on('data', (chunk: Buffer) => {
      if (!response.write(chunk)) incoming.pause();
    });
    response.on('drain', () => incoming.resume());
    incoming.on('error', () => response.destroy());
    incoming.on('end', () => {
      ended = true;
      response.end();
    });
  });

  if (!hasBody) {
    outgoing.end();
    return;
  }
  request.on('data', (chunk: Buffer) => {
    if (!outgoing.destroyed && !outgoing.write(chunk)) request.pause();
  });
  outgoing.on('drain', () => request.resume());
  request.on('end', () => outgoing.end());
}

/** An answer of the balancer's own. */
export function answer(response: ServerResponse, status: number, error: string): void {
  if (response.headersSent || response.destroyed) return;
  const body = `${JSON.stringify({ error })}\n`;
  const headers: Record<string, string | number> = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    server: 'microcosm-balancer',
  };
  // What is left of the request's body is not read.
  if (!response.req.complete) headers.connection = 'close';
  response.writeHead(status, headers).end(body);
}
