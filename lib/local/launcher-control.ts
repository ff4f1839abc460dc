import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { TOKEN_SCHEME } from '../model/contract';
import type { InstanceOutcome } from '../model/manifest';
import { tokenFault } from '../model/token';
import { formatFault, UserError } from '../model/user-error';

/** What the launcher's control interface answers to `PUT /replicas` with `{ service, replicas }`. */
export interface ReplicasReply {
  /** Those that were started, and those that leave. */
  readonly started: readonly InstanceOutcome[];
  readonly left: readonly string[];
}

export interface LauncherControl {
  readonly port: number;
  close(): void;
}

export interface LauncherControlOptions {
  readonly key: string;
  readonly topology: string;
  /** @throws UserError where that can't be */
  readonly setReplicas: (service: string, replicas: number) => Promise<ReplicasReply>;
  /** Told of each request that is refused. */
  readonly onRefused: (reason: string) => void;
}

const ASKED = 'PUT /replicas';
const MAX_BODY_BYTES = 1_024;
/** A start on a loaded machine takes its time; the request is whole long before. */
const REQUEST_TIMEOUT_MS = 10_000;

/**
 * The launcher's own door, on 127.0.0.1 only: with a token bound to what is asked for, as that of a node.
 *
 * @throws the error of `listen`
 */
export async function startLauncherControl(options: LauncherControlOptions): Promise<LauncherControl> {
  const { key, topology, setReplicas, onRefused } = options;

  const answer = async (request: IncomingMessage): Promise<{ readonly status: number; readonly body: unknown }> => {
    const body = await readBody(request);
    const isKnown = `${request.method} ${request.url}` === ASKED;
    const [scheme, token] = (request.headers.authorization ?? '').split(' ');
    const given = scheme === TOKEN_SCHEME ? token : undefined;
    const fault = isKnown
      ? tokenFault(given, key, { purpose: ASKED, topology, body }, Date.now())
      : 'nothing is offered there';
    if (fault) {
      onRefused(fault);
      return { status: 403, body: { error: fault } };
    }
    const asked = parse(body);
    if (!asked) return { status: 400, body: { error: 'give { service, replicas }' } };
    try {
      return { status: 200, body: await setReplicas(asked.service, asked.replicas) };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return { status: 409, body: { error: error.faults.map(formatFault).join('; ') } };
    }
  };

  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    void answer(request).then(
      ({ status, body }) => write(response, status, body),
      (error: Error) => write(response, 500, { error: error.message }),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parse(body: Buffer): { readonly service: string; readonly replicas: number } | undefined {
  try {
    const { service, replicas } = JSON.parse(body.toString('utf8')) as Readonly<Record<string, unknown>>;
    return typeof service === 'string' && typeof replicas === 'number' ? { service, replicas } : undefined;
  } catch {
    return undefined;
  }
}

function write(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  response.end(JSON.stringify(body));
}
