import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { sliceFaults } from '../../lib/model/check-slice';
import { LIMITS, TOKEN_SCHEME } from '../../lib/model/contract';
import type { ControlState } from '../../lib/model/control-state';
import { hashValue, type Slice } from '../../lib/model/slice';
import type { TokenPurpose } from '../../lib/model/token';
import { formatFault } from '../../lib/model/user-error';
import type { EventLog } from '../log/event-log';
import type { Handled, Program } from '../program';
import type { HandlerState } from '../request/end-request';
import { guard, whoAsked } from '../request/forbidden';
import { drainBody, readBody } from '../request/request-body';
import { listen } from '../server/listen';
import { pathOf } from '../server/server';
import type { Access } from '../settings';

/** What the control interface shows and changes. */
export interface ControlParts {
  readonly instance: string;
  readonly log: EventLog;
  readonly handled: Handled;
  readonly state: HandlerState;
  current(): Program;
  /** @param by who or what changed it, for the log */
  change(slice: Slice, by: string): void;
}

export interface Control {
  readonly port: number;
  close(): void;
}

const PURPOSES = ['GET /state', 'GET /slice', 'PUT /slice'] as const satisfies readonly TokenPurpose[];
const LOOPBACK = '127.0.0.1';
const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 64;
const BY = /^[^\p{Cc}]{1,200}$/u;

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

/**
 * The node's own door for its operator, apart from all traffic: on loopback only, each request with a token bound to what
 * it asks for. `GET /state` tells how it is, `GET /slice` what runs as `{ instance, slice }`, and `PUT /slice` with
 * `{ epoch, slice, by? }` puts another slice in its place.
 *
 * @throws the error of `listen`
 */
export async function startControl(access: Access, parts: ControlParts): Promise<Control> {
  const { log } = parts;
  const { topology } = parts.current().slice;
  const guarded = guard(access.key, topology);

  const forbid = (request: IncomingMessage, asked: string, reason: string): Reply => {
    const message = `control ${quoted(asked)} refused to ${whoAsked(request, false)}: ${reason}`;
    log.processEvent('ERROR', { error: { kind: 'FORBIDDEN', message } });
    return refusal(403, reason);
  };

  const answer = async (request: IncomingMessage): Promise<Reply> => {
    const asked = `${request.method} ${pathOf(request.url as string)}`;
    const purpose = PURPOSES.find((each) => each === asked);
    const token = tokenOf(request);
    if (!purpose || token === undefined) {
      // Nobody without a token makes the node keep a body.
      await drainBody(request);
      return forbid(request, asked, purpose ? 'no token' : 'nothing is offered there');
    }
    const body = await readBody(request, LIMITS.sliceBytes);
    if (body === 'large') return refusal(413, `the body is above ${LIMITS.sliceBytes} bytes`);
    if (body === 'gone') return refusal(400, 'the body ended early');
    const fault = guarded.refusal(token, purpose, body);
    if (fault) return forbid(request, asked, fault);
    switch (purpose) {
      case 'GET /state':
        return { status: 200, body: stateOf(access, parts) };
      case 'GET /slice':
        return { status: 200, body: { instance: parts.instance, slice: parts.current().slice } };
      case 'PUT /slice':
        return putSlice(body, parts);
    }
  };

  const server = createServer(
    {
      maxHeaderSize: LIMITS.headerBytes,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => {
      void answer(request).then(
        (reply) => write(response, reply),
        (error: Error) => write(response, refusal(500, error.message)),
      );
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  return {
    port: await listen(server, access.controlPort, LOOPBACK),
    close: () => {
      server.close();
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), REQUEST_TIMEOUT_MS).unref();
    },
  };
}

/** One assignment swaps the slice; whatever is wrong with it is found before. */
function putSlice(body: Buffer, { current, change, state }: ControlParts): Reply {
  if (state.stopping) return refusal(503, 'the node is stopping');
  let given: { readonly epoch?: unknown; readonly slice?: unknown; readonly by?: unknown } | null;
  try {
    given = JSON.parse(body.toString('utf8'));
  } catch (error) {
    return refusal(400, (error as Error).message);
  }
  const { epoch, slice, by = 'unnamed' } = given ?? {};
  if (typeof by !== 'string' || !BY.test(by)) return refusal(400, 'by: no text of 1 to 200 printable characters');
  const faults = sliceFaults(slice).map(formatFault);
  if (faults.length > 0) return { status: 400, body: { error: faults[0], faults } };
  const next = slice as Slice;
  const { slice: now, sliceHash } = current();
  if (next.epoch !== epoch) return refusal(400, `epoch: the slice is of epoch ${next.epoch}`);
  const fixed = [
    ['topology', now.topology, next.topology],
    ['service', now.service.name, next.service.name],
    ['edgePrefix', now.edgePrefix, next.edgePrefix],
    ['edge', now.service.edge, next.service.edge],
    ['client', now.service.client, next.service.client],
  ] as const;
  for (const [what, is, asked] of fixed) {
    if (is !== asked) return refusal(400, `${what}: this node has ${is}, which only a new start could make ${asked}`);
  }
  if (next.epoch <= now.epoch) {
    // What is asked for a second time, because its answer was lost, stands already.
    if (next.epoch === now.epoch && hashValue(next) === sliceHash)
      return { status: 200, body: { epoch, slice: sliceHash } };
    return { status: 409, body: { error: `epoch ${next.epoch} is not above ${now.epoch}`, epoch: now.epoch } };
  }
  change(next, by);
  return { status: 200, body: { epoch: next.epoch, slice: current().sliceHash } };
}

function stateOf({ publicFaults }: Access, { instance, log, current, handled, state }: ControlParts): ControlState {
  const { slice, sliceHash } = current();
  const now = Date.now();
  return {
    service: slice.service.name,
    instance,
    process: log.process,
    epoch: slice.epoch,
    slice: sliceHash,
    publicFaults,
    rules: slice.service.faults.map((rule) =>
      rule.expiresAt === undefined ? rule : { ...rule, leftMs: Math.max(0, Date.parse(rule.expiresAt) - now) },
    ),
    counters: {
      inFlight: state.inFlight,
      requests: Object.fromEntries([...handled].map(([endpoint, { count }]) => [endpoint, count])),
    },
  };
}

function tokenOf({ headers: { authorization } }: IncomingMessage): string | undefined {
  const [scheme, token] = (authorization ?? '').split(' ');
  return scheme === TOKEN_SCHEME ? token : undefined;
}

function refusal(status: number, error: string): Reply {
  return { status, body: { error } };
}

/** What anybody may have written: short, and without what could steer a terminal. */
function quoted(text: string): string {
  return JSON.stringify(text.replaceAll(/[^ -~]/g, '?').slice(0, 80));
}

function write(response: ServerResponse, { status, body }: Reply): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    connection: 'close',
  });
  response.end(text);
}
