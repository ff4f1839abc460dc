import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer, get } from 'node:http';
import { answerQuery } from '../../lib/local/dns-answer';
import { createZone } from '../../lib/local/dns-zone';

/**
 * What hosts find around them, in a network namespace of its own: names as Cloud Map's private namespace answers them,
 * S3 as plain HTTP, and the address that they signal to. Prints a line of JSON for each signal, with what the host's
 * readiness check answered at that moment.
 */
export interface WorldSettings {
  readonly address: string;
  readonly topology: string;
  readonly meshPort: number;
  readonly readyPath: string;
  readonly hosts: readonly { readonly instance: string; readonly service: string; readonly address: string }[];
  /** Path of the file behind each `bucket/key`. */
  readonly objects: Readonly<Record<string, string>>;
}

export interface Signal {
  readonly instance: string;
  readonly status: string;
  readonly reason: string;
  readonly readyStatus: number | null;
}

function main({ address, topology, meshPort, readyPath, hosts, objects }: WorldSettings): void {
  const zone = createZone(topology);
  for (const host of hosts) zone.register(host.instance, host.service, host.address, meshPort);
  const dns = createSocket('udp4');
  dns.on('message', (message, peer) => {
    const reply = answerQuery(zone, message, 'udp');
    if (reply) dns.send(reply, peer.port, peer.address);
  });
  dns.bind(53, address);

  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(request.url ?? '');
    if (request.method === 'PUT' && path.startsWith('/signal/')) {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const { Status, Reason, UniqueId } = JSON.parse(Buffer.concat(chunks).toString());
      const host = hosts.find(({ instance }) => instance === UniqueId);
      const readyStatus = host ? await statusOf(`http://${host.address}:${meshPort}${readyPath}`) : null;
      const signal: Signal = { instance: UniqueId, status: Status, reason: Reason, readyStatus };
      process.stdout.write(`${JSON.stringify(signal)}\n`);
      response.end();
      return;
    }
    const file = objects[path.replace(/^\/s3\//, '')];
    if (file === undefined) response.writeHead(404).end();
    else response.end(readFileSync(file));
  });
  server.listen(80, address, () => process.stdout.write('{"listening":true}\n'));
}

function statusOf(url: string): Promise<number | null> {
  return new Promise((resolve) => {
    get(url, { timeout: 2_000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? null);
    }).on('error', () => resolve(null));
  });
}

if (require.main === module) main(JSON.parse(process.argv[2] ?? '{}') as WorldSettings);
