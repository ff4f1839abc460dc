import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import type { ExecutionContext } from 'ava';

/**
 * Keeps a loopback port that was just given back from being given to a server of another test: connections to it are
 * refused until the test ends. Held by a connection that goes out from it.
 */
export async function keepRefused(t: ExecutionContext, localPort: number): Promise<void> {
  const other = await listening(t);
  const host = '127.0.0.1';
  const socket = connect({ host, port: (other.address() as AddressInfo).port, localAddress: host, localPort });
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
}

/** A loopback port at which nobody listens until the test ends. */
export async function refusedPort(t: ExecutionContext): Promise<number> {
  const server = await listening(t);
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  await keepRefused(t, port);
  return port;
}

async function listening(t: ExecutionContext): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
  t.teardown(() => void server.close());
  await once(server, 'listening');
  return server;
}
