import { Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { got, Options, type Request } from 'got';
import { CONNECTIONS, cancelled, classify, closed, joinAnswer, pickHeaders, timedOut, tooLong } from './client-answer';
import type { CallError, HttpClient, IncomingAnswer, OutgoingRequest } from './outgoing';

/** Options of as many (method, URL) pairs are kept; past that they are built anew. */
const MAX_TEMPLATES = 1_024;

/**
 * Calls through got's own request core, with what a mesh does not need switched off. Three things make it affordable:
 * stream mode (the promise API costs as much again), Options built once for each URL (got clones them for every
 * request, which is cheaper than merging), and a request function that hands got the answer: got's timers and event
 * proxies then stay out of the way, and the attempt's one timer bounds all of it.
 */
export function createGotClient(): HttpClient {
  const agent = new Agent({
    keepAlive: true,
    timeout: CONNECTIONS.idleMs,
    maxSockets: CONNECTIONS.perInstance,
    maxFreeSockets: CONNECTIONS.perInstance,
  });
  // An instance's property, so that every new connection has its own time limit at no cost to the requests after.
  Object.assign(agent, { createConnection: connectInTime });
  const templates = new Map<string, Options>();
  let isClosed = false;

  function templateOf({ instance, method, path }: OutgoingRequest): Options {
    const url = `http://${instance.address}:${instance.port}${path}`;
    const key = `${method} ${url}`;
    let template = templates.get(key);
    if (!template) {
      if (templates.size >= MAX_TEMPLATES) templates.clear();
      template = new Options(url, {
        method: method as 'GET',
        isStream: true,
        retry: { limit: 0 },
        followRedirect: false,
        throwHttpErrors: false,
        decompress: false,
      });
      templates.set(key, template);
    }
    return template;
  }

  return {
    request(outgoing) {
      if (isClosed) return Promise.reject(closed());
      return new Promise((resolve, reject) => {
        attempt(agent, () => templateOf(outgoing), outgoing, resolve, reject);
      });
    },
    async close() {
      isClosed = true;
      agent.destroy();
    },
  };
}

function connectInTime(options: NetConnectOpts): Socket {
  const socket = connect(options);
  const timer = setTimeout(() => {
    // After a stall of the event loop the timer comes first, although the connection was made long ago.
    setImmediate(() => {
      if (!socket.connecting) return;
      const error = new Error(`not connected within ${CONNECTIONS.connectMs} ms`);
      socket.destroy(Object.assign(error, { code: 'ETIMEDOUT', syscall: 'connect' }));
    });
  }, CONNECTIONS.connectMs);
  socket.once('connect', () => clearTimeout(timer));
  socket.once('close', () => clearTimeout(timer));
  return socket;
}

function attempt(
  agent: Agent,
  template: () => Options,
  { instance, method, path, headers, body, timeoutMs, maxAnswerBytes, signal }: OutgoingRequest,
  resolve: (answer: IncomingAnswer) => void,
  reject: (error: CallError) => void,
): void {
  let settled = false;
  let native: ClientRequest | undefined;
  let answer: IncomingMessage | undefined;
  let stream: Request | undefined;
  let bytes = 0;
  const chunks: Buffer[] = [];

  const fail = (error: CallError) => {
    if (settled) return;
    settled = true;
    clearTimeout(timer);
    reject(error);
    native?.destroy();
    stream?.destroy();
  };
  const failed = (error: unknown) => {
    const { cause } = error as Error;
    const written = native?.socket != null;
    fail(classify(cause ?? error, { written, answered: answer !== undefined, bodyBytes: body?.length ?? 0 }));
  };
  const timer = setTimeout(() => fail(timedOut(timeoutMs)), timeoutMs);
  signal?.addEventListener('abort', () => fail(cancelled()), { once: true });

  // What got calls to have the request made; it accepts the answer as well as the request in flight.
  const send = (_url: unknown, { headers: complete }: { headers?: Record<string, string | string[] | undefined> }) =>
    new Promise<IncomingMessage>((answered, broken) => {
      if (settled) return broken(closed());
      const { address: host, port } = instance;
      native = httpRequest({ agent, host, port, method, path, headers: complete }, (incoming) => {
        answer = incoming;
        answered(incoming);
      });
      // Stays attached: a socket may fail again after the first failure has been dealt with.
      native.on('error', (error) => (answer ? failed(error) : broken(error)));
      native.end(body ?? undefined);
    });

  try {
    const options = template();
    options.headers = headers as Record<string, string>;
    options.body = body ?? undefined;
    options.allowGetBody = body !== null;
    options.request = send as unknown as Options['request'];
    // Clones the options at once, so that the next request may write over the template.
    stream = got(undefined, undefined, options as never) as unknown as Request;
    // Thirty options of http and TLS for a request function that needs the headers: a tenth of a call's cost.
    const { headers: complete } = stream.options;
    stream.options.createNativeRequestOptions = (() => ({ headers: complete })) as never;
  } catch (error) {
    failed(error);
    return;
  }
  // got waits for a body from methods that may have one.
  if (body === null && method !== 'GET' && method !== 'HEAD') stream.end();
  stream.on('error', failed);
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxAnswerBytes) fail(tooLong(maxAnswerBytes));
    else chunks.push(chunk);
  });
  stream.on('end', () => {
    if (settled || !answer) return;
    settled = true;
    clearTimeout(timer);
    resolve(joinAnswer(answer.statusCode ?? 0, pickHeaders(answer.rawHeaders), chunks));
  });
}
