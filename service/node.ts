import { createServer, type IncomingMessage, type Server, type ServerOptions } from 'node:http';
import { LIMITS } from '../lib/model/contract';
import type { Slice } from '../lib/model/slice';
import type { Caller } from './call/attempt';
import type { Discovery, HttpClient } from './call/outgoing';
import { type Control, startControl } from './control/control';
import { liveProgram } from './control/live-program';
import { faultEngine } from './faults/engine';
import { openEventLog } from './log/event-log';
import { logChange, logClock, startClockEvents } from './log/node-events';
import type { Via } from './program';
import type { HandlerState } from './request/end-request';
import { guard, whoAsked } from './request/forbidden';
import { requestHandler } from './request/handler';
import { itineraries } from './request/itinerary';
import { overlays } from './request/overlay';
import { sendQueue } from './request/send-queue';
import { healthChecks } from './server/health';
import { listen } from './server/listen';
import { pausableListeners } from './server/pausable-listeners';
import { stopServing } from './server/stop-serving';
import type { NodeSettings } from './settings';

type Told = 'slice' | 'instance' | 'log' | 'address' | 'meshPort' | 'edgePort' | 'clock';

export interface NodeConfig
  extends Pick<NodeSettings, Told>,
    Partial<Pick<NodeSettings, 'restarts' | 'liveSlice' | 'access'>> {
  /** Whether the process is this node's alone, so that a fault may end it. @default false */
  readonly alone?: boolean;
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

const SERVER_OPTIONS: ServerOptions = {
  maxHeaderSize: LIMITS.headerBytes,
  // An ALB keeps idle connections for 60 s; the side that opened a connection should be the one that closes it.
  keepAliveTimeout: 75_000,
  // Time a client may take to send its headers, and its whole request.
  headersTimeout: 15_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 5_000,
};

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
  const caller: Caller = { log, instance, discovery, client, faults };
  const handle = requestHandler({
    service: service.name,
    caller,
    sends,
    state,
    overlays: overlays(config.access, slice.topology, service.name),
    forbidden,
  });
  const itineraryOf = itineraries({
    access: config.access,
    guarded: config.access && guard(config.access.key, slice.topology),
    caller,
    forbidden,
  });
  const health = healthChecks({
    service: service.name,
    instance,
    discovery,
    stopping: () => state.stopping,
    unready: () => unready.count > 0,
  });
  const live = liveProgram(slice, { instance, handle, health, itineraryOf, file: config.liveSlice });

  const open = (via: Via, port: number): Promise<number> => {
    const server = createServer(SERVER_OPTIONS, live.listener(via));
    servers.push(server);
    return listen(server, port, config.address);
  };

  const change = (newSlice: Slice, by: string): void => {
    live.change(newSlice);
    logChange(log, live.current, by);
    discovery.know(newSlice.service.callees);
    faults.begin(live.current);
  };

  let meshPort: number;
  let edgePort: number | null;
  let control: Control | undefined;
  try {
    meshPort = await open('mesh', config.meshPort);
    edgePort = service.edge ? await open('edge', config.edgePort) : null;
    if (config.access) {
      const current = () => live.current;
      control = await startControl(config.access, { instance, log, current, change, handled: live.handled, state });
    }
  } catch (error) {
    for (const server of servers) server.close();
    await log.close();
    throw error;
  }

  log.processEvent('SERVICE_UP', {
    slice: live.current.sliceHash,
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
  if (slice.epoch > 0) logChange(log, live.current, 'as it started');
  faults.begin(live.current);
  const stopClockEvents = startClockEvents(log, config.clock);

  const stopNow = async (reason: string): Promise<void> => {
    const stoppingUs = Math.floor(performance.now() * 1_000);
    state.stopping = true;
    stopClockEvents();
    faults.stop();
    control?.close();
    const abandonedSends = await stopServing(servers, state, sends);
    const runs = await logClock(log, config.clock);
    log.processEvent('SERVICE_DOWN', {
      runs,
      detail: { reason, stoppingUs, unfinishedRequests: state.inFlight, abandonedSends },
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
