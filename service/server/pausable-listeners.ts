import type { Server } from 'node:http';
import { type AddressInfo, Server as TcpServer } from 'node:net';
import type { Listeners } from '../faults/effects';

/** Somebody else may have taken the port meanwhile. */
const RETRY_MS = 100;

/**
 * Closes the listening sockets of these servers and opens them again on the same ports, the connections that stand
 * untouched.
 *
 * @param stopping a node that goes down listens no more
 */
export function pausableListeners(servers: readonly Server[], address: string, stopping: () => boolean): Listeners {
  let pauses = 0;
  const ports = new Map<Server, number>();

  const listen = (server: Server, port: number): void => {
    if (pauses > 0 || stopping() || server.listening) return;
    server.once('error', () => setTimeout(listen, RETRY_MS, server, port).unref());
    server.listen(port, address, () => server.removeAllListeners('error'));
  };

  return {
    refuse: () => {
      pauses += 1;
      if (pauses > 1) return;
      for (const server of servers) {
        const bound = server.address() as AddressInfo | null;
        if (bound) ports.set(server, bound.port);
        // `http.Server.close` would cut idle connections too.
        TcpServer.prototype.close.call(server);
      }
    },
    accept: () => {
      pauses -= 1;
      for (const [server, port] of ports) listen(server, port);
    },
  };
}
