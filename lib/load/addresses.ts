import { lookup } from 'node:dns/promises';
import { UserError } from '../model/user-error';

/** Where new connections go: the addresses behind a host's name, in turn. */
export interface Addresses {
  next(): string;
  stop(): void;
}

/** A load balancer on AWS changes its addresses as it grows; its names live for 60 s. */
const REFRESH_MS = 30_000;

/**
 * Looks the name up once before the first request and then from time to time, so that no request waits for it. Where a
 * name has IPv4 addresses only those are used.
 */
export async function resolveAddresses({ hostname }: URL): Promise<Addresses> {
  const name = hostname.replace(/^\[|\]$/g, '');
  let addresses: readonly string[];
  try {
    addresses = await addressesOf(name);
  } catch (error) {
    const problem = `its name can't be resolved (${(error as NodeJS.ErrnoException).code ?? error})`;
    throw new UserError({ where: hostname, problem, remedy: 'check the URL and the network' });
  }
  let turn = 0;
  // A look-up that fails leaves the addresses as they are.
  const refresh = (): void => {
    addressesOf(name).then(
      (found) => {
        addresses = found;
      },
      () => undefined,
    );
  };
  const timer = setInterval(refresh, REFRESH_MS).unref();
  return {
    next: () => addresses[turn++ % addresses.length] as string,
    stop: () => clearInterval(timer),
  };
}

async function addressesOf(name: string): Promise<readonly string[]> {
  const found = await lookup(name, { all: true });
  const ipv4 = found.filter(({ family }) => family === 4);
  return (ipv4.length > 0 ? ipv4 : found).map(({ address }) => address);
}
