import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * Resolves to the port once the server listens.
 *
 * @throws what keeps it from it, such as EADDRINUSE
 */
export async function listen(server: Server, port: number, address: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return (server.address() as AddressInfo).port;
}
