import { Resolver } from 'node:dns/promises';
import { DNS, ENVIRONMENT, namespace, serviceDomain } from '../../lib/model/contract';
import { UserError } from '../../lib/model/user-error';
import type { Instance } from '../call/outgoing';

/** The instances of services as DNS names them, remembered. One of these serves all nodes of a process. */
export interface ServiceRecords {
  /**
   * Sorted by name; the same object for an instance as long as it stays where it is. At once where the answer is
   * remembered, else after one look-up that all askers share. Empty where none is known; never rejects.
   */
  instances(service: string): readonly Instance[] | Promise<readonly Instance[]>;
  /** Whether the service has a record just now. Remembers no absence, so that asking early does not hide a late start. */
  resolves(service: string): Promise<boolean>;
  /** Whether the resolver says anything of the namespace, be it that it does not exist. */
  answers(): Promise<boolean>;
  close(): void;
}

export interface ServiceRecordsOptions {
  readonly topology: string;
  /** `address:port`; the system's resolvers when undefined. */
  readonly resolver: string | undefined;
  /** Monotonic milliseconds. @default performance.now */
  readonly now?: () => number;
  /** Of one query; it is sent twice. @default 2000 */
  readonly timeoutMs?: number;
  /** An asker with a stale answer at hand waits this long for a fresh one. @default 300 */
  readonly patienceMs?: number;
}

/**
 * How long an answer serves. node:dns hides the TTL of SRV records, so it comes from the contract that whoever
 * registers the records follows too.
 */
const TTL_MS = DNS.ttlSeconds * 1_000;
const NEGATIVE_TTL_MS = DNS.negativeTtlSeconds * 1_000;
/** A used answer is asked for again after this share of its TTL, less up to a tenth so that services spread out. */
const REFRESH_SHARE = 0.8;
/** A full answer is a sample of more instances: it is asked for so often within one TTL, and the samples are joined. */
const SAMPLES_PER_TTL = 5;
/** While the resolver fails, the last answer serves for this long past its TTL (RFC 8767 calls it serve-stale). */
const STALE_MS = 300_000;
/** Between look-ups that failed. */
const RETRY_MS = 1_000;
/** What `/readyz` asked is remembered this long. */
const PROBE_MS = 1_000;
/** More would overrun the receive buffer of the resolver's socket. */
const MAX_QUERIES = 64;

interface Entry {
  instances: readonly Instance[];
  /** When each was last named, by the name of its record. */
  named: ReadonlyMap<string, Named>;
  refreshAt: number;
  freshUntil: number;
  staleUntil: number;
  failing: boolean;
  pending: Promise<void> | undefined;
}

interface Named {
  /** The SRV record's target. */
  readonly record: string;
  readonly instance: Instance;
  readonly until: number;
  readonly addressUntil: number;
}

export function openServiceRecords(options: ServiceRecordsOptions): ServiceRecords {
  const { topology, now = () => performance.now(), timeoutMs = 2_000, patienceMs = 300 } = options;
  const resolver = new Resolver({ timeout: timeoutMs, tries: 2 });
  if (options.resolver !== undefined) useServer(resolver, options.resolver);
  const limited = limiter(MAX_QUERIES);
  const entries = new Map<string, Entry>();
  const probes = new Map<string, Probe>();
  let closed = false;

  function entryOf(service: string): Entry {
    let entry = entries.get(service);
    if (!entry) {
      const never = Number.NEGATIVE_INFINITY;
      entry = {
        instances: [],
        named: new Map(),
        refreshAt: never,
        freshUntil: never,
        staleUntil: never,
        failing: false,
        pending: undefined,
      };
      entries.set(service, entry);
    }
    return entry;
  }

  async function refresh(service: string, entry: Entry): Promise<void> {
    try {
      const records = await limited(() => resolver.resolveSrv(serviceDomain(service, topology)));
      const named = await Promise.all(records.map(({ name, port }) => locate(entry, name, port)));
      const known = named.filter((each) => each !== undefined);
      if (records.length > 0 && known.length === 0) throw new Error('no target has an address');
      remember(entry, known, records.length >= DNS.maxAnswers);
    } catch (error) {
      if (isAbsence(error)) forget(entry);
      else fail(entry);
    }
  }

  /** The instance behind one record; undefined where its address is not to be had. */
  async function locate(entry: Entry, name: string, port: number): Promise<Named | undefined> {
    const before = entry.named.get(name);
    let address = before?.instance.address;
    let addressUntil = before?.addressUntil ?? Number.NEGATIVE_INFINITY;
    if (address === undefined || now() >= addressUntil) {
      try {
        [address] = await limited(() => resolver.resolve4(name));
        addressUntil = now() + TTL_MS / 2;
      } catch (error) {
        if (isAbsence(error) || address === undefined) return undefined;
      }
    }
    if (address === undefined) return undefined;
    const same = before?.instance.address === address && before.instance.port === port;
    const instance = same ? before.instance : { name: name.split('.')[0] ?? name, address, port };
    return { record: name, instance, until: now() + TTL_MS, addressUntil };
  }

  function remember(entry: Entry, known: readonly Named[], full: boolean): void {
    const time = now();
    const merged = new Map<string, Named>();
    // A full answer says nothing of the instances that it leaves out.
    if (full) for (const [name, named] of entry.named) if (named.until > time) merged.set(name, named);
    for (const named of known) merged.set(named.record, named);
    entry.named = merged;
    entry.instances = [...merged.values()].map(({ instance }) => instance).sort((a, b) => (a.name < b.name ? -1 : 1));
    entry.freshUntil = time + TTL_MS;
    entry.staleUntil = entry.freshUntil + STALE_MS;
    entry.refreshAt = time + (full ? TTL_MS / SAMPLES_PER_TTL : TTL_MS * (REFRESH_SHARE - Math.random() / 10));
    entry.failing = false;
  }

  function forget(entry: Entry): void {
    entry.named = new Map();
    entry.instances = [];
    entry.refreshAt = entry.freshUntil = entry.staleUntil = now() + NEGATIVE_TTL_MS;
    entry.failing = false;
  }

  function fail(entry: Entry): void {
    entry.failing = true;
    entry.refreshAt = now() + RETRY_MS;
    if (now() >= entry.staleUntil) {
      entry.named = new Map();
      entry.instances = [];
    }
  }

  async function ask(query: () => Promise<unknown>): Promise<'found' | 'absent' | 'silent'> {
    try {
      await limited(query);
      return 'found';
    } catch (error) {
      return isAbsence(error) ? 'absent' : 'silent';
    }
  }

  /** One query for all who ask within a second. */
  function probe(name: string, query: () => Promise<unknown>): Promise<'found' | 'absent' | 'silent'> {
    const last = probes.get(name);
    if (last && now() < last.until) return last.outcome;
    const outcome = closed ? Promise.resolve('silent' as const) : ask(query);
    const made: Probe = { outcome, until: Number.POSITIVE_INFINITY };
    probes.set(name, made);
    void outcome.then(() => {
      made.until = now() + PROBE_MS;
    });
    return outcome;
  }

  return {
    instances(service) {
      const entry = entryOf(service);
      const time = now();
      if (time < entry.refreshAt || closed) return entry.instances;
      entry.pending ??= refresh(service, entry).finally(() => {
        entry.pending = undefined;
      });
      if (time < entry.freshUntil) return entry.instances;
      const settled = entry.pending.then(() => entry.instances);
      if (entry.instances.length === 0 || time >= entry.staleUntil) return settled;
      if (entry.failing) return entry.instances;
      return within(patienceMs, settled, () => entry.instances);
    },
    async resolves(service) {
      const entry = entries.get(service);
      if (entry && entry.instances.length > 0 && now() < entry.freshUntil) return true;
      const domain = serviceDomain(service, topology);
      return (await probe(domain, () => resolver.resolveSrv(domain))) === 'found';
    },
    async answers() {
      const domain = namespace(topology);
      return (await probe(domain, () => resolver.resolveSoa(domain))) !== 'silent';
    },
    close() {
      closed = true;
      resolver.cancel();
    },
  };
}

interface Probe {
  readonly outcome: Promise<'found' | 'absent' | 'silent'>;
  until: number;
}

/** The name does not exist, or has no record of the type: an answer, unlike a resolver that fails. */
function isAbsence(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOTFOUND' || code === 'ENODATA';
}

function useServer(resolver: Resolver, server: string): void {
  try {
    resolver.setServers([server]);
  } catch {
    throw new UserError({
      where: ENVIRONMENT.resolver,
      problem: `${JSON.stringify(server)} is no DNS server`,
      remedy: 'give an IP address and a port, such as 127.0.0.1:5353',
    });
  }
}

/** Runs at most `limit` tasks at once, the others in the order in which they came. */
function limiter(limit: number): <T>(task: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (task) => {
    if (running >= limit) await new Promise<void>((start) => waiting.push(start));
    else running += 1;
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}

/** The promise's value, or that of `otherwise` once `ms` have passed. */
function within<T>(ms: number, promise: Promise<T>, otherwise: () => T): Promise<T> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(otherwise()), ms);
    void promise.then((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}
