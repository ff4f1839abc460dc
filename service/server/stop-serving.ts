import type { Server } from 'node:http';
import { Server as TcpServer } from 'node:net';
import { STOP_BOUND_MS } from '../../lib/model/contract';
import type { HandlerState } from '../request/end-request';
import type { SendQueue } from '../request/send-queue';

/** Idle connections live on for this long after the stop began: a request just sent on one is still answered. */
const IDLE_GRACE_MS = 250;

/** Lets requests and queued `send`s end, within the bound, and closes every connection; resolves to the `send`s that it gave up. */
export async function stopServing(servers: readonly Server[], state: HandlerState, sends: SendQueue): Promise<number> {
  // `http.Server.close` would cut idle connections at once, on which a request may just be under way.
  for (const server of servers) TcpServer.prototype.close.call(server);
  const bound = AbortSignal.timeout(STOP_BOUND_MS);
  const expired = new Promise<void>((resolve) => {
    bound.addEventListener('abort', () => resolve(), { once: true });
  });
  await Promise.race([idle(state), expired]);
  if (await hasConnections(servers)) await delay(IDLE_GRACE_MS);
  for (const server of servers) server.closeIdleConnections();
  await Promise.race([idle(state).then(sends.idle), expired]);
  for (const server of servers) server.closeAllConnections();
  return sends.abandon();
}

function idle(state: HandlerState): Promise<void> {
  return new Promise((resolve) => {
    if (state.inFlight === 0) return resolve();
    state.whenIdle = resolve;
  });
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
