import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { answerQuery } from './dns-answer';
import { createZone } from './dns-zone';

/** An embedded DNS server on 127.0.0.1 that answers for one topology as Cloud Map's private namespace does. */
export interface DnsServer {
  /** `127.0.0.1:port`, the same port for UDP and TCP. */
  readonly address: string;
  /**
   * Puts an instance (a label such as `catalog-2`) behind its service's name, in place of an earlier registration of
   * the same instance. Nothing takes a dead instance out by itself. Throws on what DNS can't carry.
   */
  register(instance: string, service: string, address: string, port: number): void;
  deregister(instance: string): void;
  /** Messages received so far, over UDP and TCP. */
  queries(): number;
  close(): Promise<void>;
}

export interface DnsServerOptions {
  /** Name of the topology, a DNS label. */
  readonly topology: string;
}

const HOST = '127.0.0.1';
/** A free UDP port may be taken for TCP: then another is tried. */
const PORT_TRIES = 20;
const TCP_IDLE_MS = 10_000;
const TCP_CONNECTIONS = 256;

export async function startDnsServer({ topology }: DnsServerOptions): Promise<DnsServer> {
  const zone = createZone(topology);
  const connections = new Set<Socket>();
  let queries = 0;
  const answer = (message: Buffer, transport: 'udp' | 'tcp') => {
    queries += 1;
    return answerQuery(zone, message, transport);
  };
  const { udp, tcp, port } = await bindBoth((socket) => serveConnection(socket, connections, answer));
  udp.on('message', (message, { port: peerPort, address }) => {
    const reply = answer(message, 'udp');
    // A peer that has gone away is no fault of the server's.
    if (reply) udp.send(reply, peerPort, address, () => {});
  });
  let closing: Promise<void> | undefined;

  return {
    address: `${HOST}:${port}`,
    register: zone.register,
    deregister: zone.deregister,
    queries: () => queries,
    close() {
      closing ??= (async () => {
        for (const connection of connections) connection.destroy();
        await Promise.all([
          new Promise<void>((resolve) => udp.close(() => resolve())),
          new Promise<void>((resolve) => tcp.close(() => resolve())),
        ]);
      })();
      return closing;
    },
  };
}

async function bindBoth(serve: (socket: Socket) => void): Promise<{ udp: UdpSocket; tcp: Server; port: number }> {
  for (let tried = 1; ; tried++) {
    const udp = createSocket('udp4');
    udp.bind(0, HOST);
    await once(udp, 'listening');
    const { port } = udp.address();
    const tcp = createServer(serve);
    tcp.maxConnections = TCP_CONNECTIONS;
    try {
      tcp.listen(port, HOST);
      await once(tcp, 'listening');
    } catch (error) {
      udp.close();
      if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE' && tried < PORT_TRIES) continue;
      throw error;
    }
    // Errors after this point concern one datagram or one connection; the server goes on.
    udp.on('error', () => {});
    tcp.on('error', () => {});
    return { udp, tcp, port };
  }
}

/** RFC 7766: several messages a connection, each after its length in two bytes. */
function serveConnection(
  socket: Socket,
  connections: Set<Socket>,
  answer: (message: Buffer, transport: 'tcp') => Buffer | undefined,
): void {
  connections.add(socket);
  socket.on('close', () => connections.delete(socket));
  socket.on('error', () => socket.destroy());
  socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
  let pending: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0);
      const reply = answer(pending.subarray(2, end), 'tcp');
      pending = pending.subarray(end);
      if (!reply) continue;
      const length = Buffer.alloc(2);
      length.writeUInt16BE(reply.length);
      // A peer that asks and never reads must not fill our memory.
      if (socket.writableLength > 1_048_576) return void socket.destroy();
      socket.write(Buffer.concat([length, reply]));
    }
  });
}
