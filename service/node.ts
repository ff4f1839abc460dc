import { renameSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, Server as TcpServer } from 'node:net';
import { CLOCK_PERIOD_MS, LIMITS } from '../lib/model/contract';
import type { ClockSource } from '../lib/model/event';
import type { Slice } from '../lib/model/slice';
import { clockReport } from './clock-report';
import { type Control, startControl } from './control';
import { type EventLog, openEventLog } from './event-log';
import { faultEngine } from './faults/engine';
import { guard, whoAsked } from './forbidden';
import { type HandlerState, requestHandler, type Via } from './handler';
import { healthChecks } from './health';
import { itineraries } from './itinerary';
import type { Discovery, HttpClient } from './outgoing';
import { overlays } from './overlay';
import { pausableListeners } from './pausable-listeners';
import { compile, type Handled, type Program } from './program';
import { sendQueue } from './send-queue';
import { type ServerFactory, writeAnswer } from './server';
import { httpServer } from './server-http';
import { koaServer } from './server-koa';
import type { Access } from './settings';

export interface NodeConfig {
  readonly slice: Slice;
  readonly instance: string;
  /** Path of the event log; `-` is standard output. */
  readonly log: string;
  /** Address to listen on. */
  readonly address: string;
  /** 0 takes a free one. */
  readonly meshPort: number;
  /** 0 takes a free one. Only a service with `edge` listens on it. */
  readonly edgePort: number;
  readonly clock: ClockSource;
  /** Starts of this instance before this one. @default 0 */
  readonly restarts?: number;
  /** Whether the process is this node's alone, so that a fault may end it. @default false */
  readonly alone?: boolean;
  /** File that a live change's slice is kept in. @default it is not kept */
  readonly liveSlice?: string | undefined;
  /** Without it there is no control interface, and nobody may raise faults from outside. */
  readonly access?: Access | undefined;
  readonly discovery: Discovery;
  readonly client: HttpClient;
}

export interface RunningNode {
  readonly instance: string;
  readonly service: string;
  readonly meshPort: number;
  readonly edgePort: number | null;
  /** On 127.0.0.1; null where no key is configured. */
  readonly controlPort: number | null;
  /**
   * Stops accepting, lets requests and queued `send`s end within `STOP_BOUND_MS`, logs SERVICE_DOWN and writes
   * everything out. A second call waits for the first.
   */
  stop(reason: string): Promise<void>;
  /** Writes out what the log holds, for a process that is about to die. */
  flushSync(): void;
}

/** Longest time that a stop waits for work under way. */
export const STOP_BOUND_MS = 10_000;
/** Idle connections live on for this long after the stop began: a request just sent on one is still answered. */
const IDLE_GRACE_MS = 250;

/** An ALB keeps idle connections for 60 s; the side that opened a connection should be the one that closes it. */
const KEEP_ALIVE_MS = 75_000;
/** Time a client may take to send its headers, and its whole request. */
const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 30_000;

const SERVERS: Readonly<Record<string, ServerFactory>> = { koa: koaServer, http: httpServer };

/** What runs, held in one place: a change of the topology puts another in its stead, and later requests meet it. */
interface Live {
  readonly program: Program;
  readonly listeners: Readonly<Record<Via, RequestListener>>;
}

/**
 * Starts one instance of a service: it listens, has logged SERVICE_UP, and answers when this resolves. Any number of
 * nodes may run in one process; they share nothing but the event loop.
 *
 * @throws the error of `listen` (a port taken) or of opening the log
 */
export async function startNode(config: NodeConfig): Promise<RunningNode> {
  const { slice, instance, discovery, client } = config;
  const { service } = slice;
  const clock = { offsetMs: 0 };
  const log = openEventLog({
    path: config.log,
    instance,
    service: service.name,
    topology: slice.topology,
    now: () => Date.now() + clock.offsetMs,
    reportRuns: () => void logClock(log, config.clock),
  });

  const state: HandlerState = { inFlight: 0, stopping: false, whenIdle: undefined };
  const sends = sendQueue();
  const servers: Server[] = [];
  const unready = { count: 0 };
  const listeners = pausableListeners(servers, config.address, () => state.stopping);
  const { alone = false } = config;
  const faults = faultEngine({ instance, log, alone, clock, unready, listeners }, config.restarts ?? 0);
  const forbidden = (request: IncomingMessage, via: Via, purpose: string, reason: string): void => {
    const message = `${purpose} refused to ${whoAsked(request, via === 'edge')} at the ${via} port: ${reason}`;
    log.processEvent('ERROR', { error: { kind: 'FORBIDDEN', message } });
  };
  const handle = requestHandler({
    service: service.name,
    caller: { log, instance, discovery, client, faults },
    sends,
    state,
    overlays: overlays(config.access, slice.topology, service.name),
    forbidden,
  });
  const itineraryOf = itineraries({
    access: config.access,
    guarded: config.access && guard(config.access.key, slice.topology),
    forbidden,
  });
  const health = healthChecks({
    service: service.name,
    instance,
    discovery,
    stopping: () => state.stopping,
    unready: () => unready.count > 0,
  });
  const handled: Handled = new Map();

  const load = (newSlice: Slice, before?: Program): Live => {
    const program = compile(newSlice, instance, handled, before);
    const factory = SERVERS[newSlice.service.server] as ServerFactory;
    const listener = (via: Via) => factory(program, via, { handle, health });
    return { program, listeners: { mesh: listener('mesh'), edge: listener('edge') } };
  };
  const live: { current: Live } = { current: load(slice) };

  const listen = async (via: Via, port: number): Promise<number> => {
    const server = createServer(
      {
        maxHeaderSize: LIMITS.headerBytes,
        keepAliveTimeout: KEEP_ALIVE_MS,
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        connectionsCheckingInterval: 5_000,
      },
      (request, response) => {
        const { program, listeners } = live.current;
        const errand = itineraryOf(request, via, program);
        if (errand) void writeAnswer(handle(request, response, via, program, errand), response);
        else listeners[via](request, response);
      },
    );
    servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, config.address, () => {
        server.off('error', reject);
        resolve();
      });
    });
    return (server.address() as AddressInfo).port;
  };

  /** Puts another slice in the place of the one that runs: requests that come from now on meet it. */
  const change = (newSlice: Slice, by: string): void => {
    const next = load(newSlice, live.current.program);
    if (config.liveSlice !== undefined) replaceFile(config.liveSlice, JSON.stringify(newSlice));
    live.current = next;
    logChange(log, next.program, by);
    discovery.know(newSlice.service.callees);
    faults.begin(next.program);
  };

  let meshPort: number;
  let edgePort: number | null;
  let control: Control | undefined;
  try {
    meshPort = await listen('mesh', config.meshPort);
    edgePort = service.edge ? await listen('edge', config.edgePort) : null;
    if (config.access) {
      const current = () => live.current.program;
      control = await startControl(config.access, { instance, log, current, change, handled, state });
    }
  } catch (error) {
    for (const server of servers) server.close();
    await log.close();
    throw error;
  }

  log.processEvent('SERVICE_UP', {
    slice: live.current.program.sliceHash,
    detail: {
      address: config.address,
      meshPort,
      edgePort,
      pid: process.pid,
      server: service.server,
      client: service.client,
      node: process.version,
      controlPort: control?.port ?? null,
      epoch: slice.epoch,
      restarts: config.restarts ?? 0,
    },
  });
  // Whoever reads this log alone must be able to tell what ran.
  if (slice.epoch > 0) logChange(log, live.current.program, 'as it started');
  faults.begin(live.current.program);
  void logClock(log, config.clock);
  const clockTimer = setInterval(() => void logClock(log, config.clock), CLOCK_PERIOD_MS);
  clockTimer.unref();

  const idle = (): Promise<void> =>
    new Promise((resolve) => {
      if (state.inFlight === 0) return resolve();
      state.whenIdle = resolve;
    });

  const stopNow = async (reason: string): Promise<void> => {
    state.stopping = true;
    clearInterval(clockTimer);
    faults.stop();
    control?.close();
    // `http.Server.close` would cut idle connections at once, on which a request may just be under way.
    for (const server of servers) TcpServer.prototype.close.call(server);
    const bound = AbortSignal.timeout(STOP_BOUND_MS);
    const expired = new Promise<void>((resolve) => {
      bound.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([idle(), expired]);
    if (await hasConnections(servers)) await delay(IDLE_GRACE_MS);
    for (const server of servers) server.closeIdleConnections();
    await Promise.race([idle().then(sends.idle), expired]);
    for (const server of servers) server.closeAllConnections();
    const abandoned = sends.abandon();

    const runs = await logClock(log, config.clock);
    log.processEvent('SERVICE_DOWN', {
      runs,
      detail: { reason, unfinishedRequests: state.inFlight, abandonedSends: abandoned },
    });
    await client.close();
    discovery.close();
    await log.close();
  };
  let stopping: Promise<void> | undefined;

  return {
    instance,
    service: service.name,
    meshPort,
    edgePort,
    controlPort: control?.port ?? null,
    stop: (reason) => {
      stopping ??= stopNow(reason);
      return stopping;
    },
    flushSync: log.flushSync,
  };
}

/** A process that is killed in between leaves the old content. */
function replaceFile(path: string, content: string): void {
  writeFileSync(`${path}.tmp`, content, { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}

function logChange(log: EventLog, { slice, sliceHash }: Program, by: string): void {
  log.processEvent('TOPOLOGY_CHANGED', { epoch: slice.epoch, slice: sliceHash, detail: { by, slice } });
}

/** Resolves to the last numbers that the event reports. */
async function logClock(log: EventLog, source: ClockSource): Promise<Readonly<Record<string, number>>> {
  const clock = await clockReport(source);
  const runs = log.activeRuns();
  log.processEvent('CLOCK', { runs, clock });
  return runs;
}

function hasConnections(servers: readonly Server[]): Promise<boolean> {
  const counts = servers.map(
    (server) =>
      new Promise<number>((resolve) => {
        server.getConnections((_error, count) => resolve(count ?? 0));
      }),
  );
  return Promise.all(counts).then((all) => all.some((count) => count > 0));
}

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
