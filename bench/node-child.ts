import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { Pool } from 'undici';
import { HEADERS } from '../lib/model/contract';
import { resolve } from '../lib/model/resolve';
import { sliceOf } from '../lib/model/slice';
import type { ClientKind, ServerKind } from '../lib/model/spec';
import { newRequestId, newTraceId, parseTraceparent } from '../lib/model/trace-context';
import { createGotClient } from '../service/call/client-got';
import { createUndiciClient } from '../service/call/client-undici';
import { openLogFile } from '../service/log/log-file';
import { startNode } from '../service/node';

/**
 * One process of the bench, told by its first message what it is. Answers `cpu` with the CPU microseconds that it has
 * used so far.
 */
export type Role =
  | { readonly kind: 'callee' }
  | {
      readonly kind: 'node';
      readonly server: ServerKind;
      readonly client: ClientKind;
      readonly calls: number;
      readonly callee: number;
      readonly log: string;
    }
  | {
      readonly kind: 'baseline';
      readonly calls: number;
      readonly callee: number;
      readonly log: string;
      readonly lineBytes: number;
    };

setFlagsFromString('--no-memory-reducer');

process.on('message', (message: Role | 'cpu') => {
  if (message === 'cpu') {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpu: user + system });
  } else void start(message).then((port) => process.send?.({ port }));
});
process.on('disconnect', () => process.exit());

function start(role: Role): Promise<number> {
  switch (role.kind) {
    case 'callee':
      return listen(answerAsCallee);
    case 'node':
      return startRealNode(role);
    case 'baseline':
      return listen(baseline(role));
  }
}

function listen(listener: (request: IncomingMessage, response: ServerResponse) => void): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer(listener).listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

/** As a node without calls would, at next to no cost. */
function answerAsCallee(request: IncomingMessage, response: ServerResponse): void {
  const requestId = newRequestId();
  const body = `{"service":"leaf","instance":"leaf-1","requestId":"${requestId}","payload":"${'x'.repeat(100)}"}`;
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': body.length,
    [HEADERS.requestId]: requestId,
    [HEADERS.clock]: request.headers[HEADERS.clock] ?? '',
  });
  response.end(body);
}

async function startRealNode(role: Extract<Role, { kind: 'node' }>): Promise<number> {
  const { server, client, calls, callee, log } = role;
  const steps = calls === 0 ? [] : [Array.from({ length: calls }, () => 'leaf')];
  const topology = resolve(
    { defaults: { server, client, responseBytes: 100 }, services: { web: { edge: true, steps }, leaf: {} } },
    'bench',
  );
  const instance = { name: 'leaf-1', address: '127.0.0.1', port: callee };
  const node = await startNode({
    slice: sliceOf(topology, 'web'),
    instance: 'web-1',
    log,
    address: '127.0.0.1',
    meshPort: 0,
    edgePort: 0,
    clock: 'machine',
    discovery: {
      choose: async () => instance,
      know: () => {},
      failed: () => {},
      succeeded: () => {},
      check: async () => ({ answers: true, unresolved: [] }),
      close: () => {},
    },
    client: client === 'got' ? createGotClient() : createUndiciClient(),
  });
  return node.edgePort as number;
}

/**
 * What the job costs at least in Node: the same calls through a pool, the answers joined, as many lines of the same
 * length from a template, written by the same buffered writer. It propagates the trace and does nothing else.
 */
function baseline({ calls, callee, log, lineBytes }: Extract<Role, { kind: 'baseline' }>) {
  const pool = new Pool(`http://127.0.0.1:${callee}`, { connections: 128, pipelining: 1 });
  const file = openLogFile(log, { ahead: () => '', written: () => {} });
  const payload = 'x'.repeat(100);
  const fixed = ',"process":"abcdefgh","event":"","instance":"web-1","service":"web","topology":"bench","pad":"';
  const variable = '{"timestamp":"2026-11-21T05:44:29.123Z","traceId":"","requestId":"","seq":123456'.length + 48;
  const padding = 'x'.repeat(Math.max(0, lineBytes - fixed.length - variable - 20));
  let seq = 0;
  let millis = 0;
  let stamp = '';

  const line = (event: string, traceId: string, requestId: string): void => {
    const now = Date.now();
    if (now !== millis) {
      millis = now;
      stamp = new Date(now).toISOString();
    }
    seq += 1;
    file.append(
      `{"timestamp":"${stamp}","traceId":"${traceId}","requestId":"${requestId}","process":"abcdefgh","event":"${event}","seq":${seq},"instance":"web-1","service":"web","topology":"bench","pad":"${padding}"}\n`,
    );
  };

  const call = async (traceId: string, requestId: string): Promise<string> => {
    line('REQUEST_SENT', traceId, requestId);
    const { body } = await pool.request({
      path: '/',
      method: 'GET',
      headers: { traceparent: `00-${traceId}-${requestId}-01` },
    });
    const text = await body.text();
    line('RESPONSE_RECEIVED', traceId, requestId);
    return text;
  };

  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const traceId = parseTraceparent(request.headers.traceparent as string | undefined)?.traceId ?? newTraceId();
    const requestId = newRequestId();
    line('REQUEST_RECEIVED', traceId, requestId);
    const answers = calls === 0 ? [] : await Promise.all(Array.from({ length: calls }, () => call(traceId, requestId)));
    const body = `{"service":"web","instance":"web-1","requestId":"${requestId}","responses":[${answers.join()}],"payload":"${payload}"}`;
    line('RESULT_PRODUCED', traceId, requestId);
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      [HEADERS.requestId]: requestId,
    });
    response.end(body);
    line('RESPONSE_SENT', traceId, requestId);
  };
}
