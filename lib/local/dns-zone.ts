import type { Answer } from 'dns-packet';
import { DNS, instanceDomain, namespace, serviceDomain } from '../model/contract';

/** What the namespace says about a name: the records asked for, those worth adding, and whether the name exists. */
export interface ZoneAnswer {
  readonly exists: boolean;
  readonly answers: readonly Answer[];
  /** Addresses of the SRV targets: a resolver may use them, and may be sent without them. */
  readonly additionals: readonly Answer[];
}

/**
 * The names of one topology and what stands behind them. Like Cloud Map's, it holds what was registered and nothing
 * else: an instance that has died stays until somebody takes it out.
 */
export interface DnsZone {
  /** The namespace's own name, `shop.microcosm.internal`. */
  readonly apex: string;
  /** The record that goes with every negative answer and says how long to remember it. */
  readonly soa: Answer;
  /** Replaces an earlier registration of the instance. Throws on names, addresses and ports that DNS can't carry. */
  register(instance: string, service: string, address: string, port: number): void;
  deregister(instance: string): void;
  /** Whether a name, in lower case, is the namespace's own or below it. */
  covers(name: string): boolean;
  /** `name` in lower case; `owner` is the name as asked, which the records repeat letter for letter. */
  answer(name: string, type: string, owner: string): ZoneAnswer;
}

interface Registration {
  readonly service: string;
  readonly target: string;
  readonly address: string;
  readonly port: number;
}

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

export function createZone(topology: string): DnsZone {
  requireLabel('topology', topology);
  const apex = namespace(topology);
  const server = `ns.${apex}`;
  const instances = new Map<string, Registration>();
  /** By domain name, in lower case. */
  const services = new Map<string, Set<string>>();
  const targets = new Map<string, Registration>();
  const soa: Answer = {
    type: 'SOA',
    name: apex,
    ttl: DNS.negativeTtlSeconds,
    data: {
      mname: server,
      rname: `hostmaster.${apex}`,
      serial: 1,
      refresh: 7200,
      retry: 900,
      expire: 1_209_600,
      minimum: DNS.negativeTtlSeconds,
    },
  };

  function deregister(instance: string): void {
    const old = instances.get(instance);
    if (!old) return;
    instances.delete(instance);
    targets.delete(old.target);
    const domain = serviceDomain(old.service, topology);
    const members = services.get(domain);
    members?.delete(instance);
    if (members?.size === 0) services.delete(domain);
  }

  function ofApex(type: string, owner: string): Answer[] {
    if (type === 'SOA') return [{ ...soa, name: owner }];
    if (type === 'NS') return [{ type: 'NS', name: owner, ttl: DNS.ttlSeconds, data: server }];
    return [];
  }

  function ofService(
    members: ReadonlySet<string>,
    type: string,
    owner: string,
  ): Pick<ZoneAnswer, 'answers' | 'additionals'> {
    if (type !== 'SRV' && type !== 'A') return { answers: [], additionals: [] };
    const chosen = sample([...members], DNS.maxAnswers).flatMap((instance) => instances.get(instance) ?? []);
    if (type === 'A') {
      // Instances of one machine share an address, and a set of records holds each value once.
      const addresses = [...new Set(chosen.map(({ address }) => address))];
      return { answers: addresses.map((address) => aRecord(owner, address)), additionals: [] };
    }
    return {
      answers: chosen.map(({ target, port }) => ({
        type: 'SRV',
        name: owner,
        ttl: DNS.ttlSeconds,
        data: { priority: 1, weight: 1, port, target },
      })),
      additionals: chosen.map(({ target, address }) => aRecord(target, address)),
    };
  }

  return {
    apex,
    soa,
    deregister,
    register(instance, service, address, port) {
      requireLabel('instance', instance);
      requireLabel('service', service);
      const octets = IPV4.exec(address)?.slice(1) ?? [];
      if (octets.length !== 4 || octets.some((octet) => Number(octet) > 255)) {
        throw new TypeError(`instance ${instance}: ${address} is not an IPv4 address`);
      }
      if (!Number.isInteger(port) || port < 1 || port > 65_535) {
        throw new RangeError(`instance ${instance}: ${port} is not a port`);
      }
      const target = instanceDomain(instance, service, topology);
      if (target.length > 253)
        throw new RangeError(`instance ${instance}: ${target} is longer than a domain name may be`);
      deregister(instance);
      const registration = { service, target, address, port };
      instances.set(instance, registration);
      targets.set(target, registration);
      const domain = serviceDomain(service, topology);
      services.set(domain, (services.get(domain) ?? new Set()).add(instance));
    },
    covers: (name) => name === apex || name.endsWith(`.${apex}`),
    answer(name, type, owner) {
      if (name === apex) return { exists: true, answers: ofApex(type, owner), additionals: [] };
      const members = services.get(name);
      if (members) return { exists: true, ...ofService(members, type, owner) };
      const target = targets.get(name);
      if (!target) return { exists: false, answers: [], additionals: [] };
      return { exists: true, answers: type === 'A' ? [aRecord(owner, target.address)] : [], additionals: [] };
    },
  };
}

function aRecord(name: string, address: string): Answer {
  return { type: 'A', name, ttl: DNS.ttlSeconds, data: address };
}

function requireLabel(what: string, label: string): void {
  if (!LABEL.test(label)) throw new TypeError(`${what} ${JSON.stringify(label)} is not a DNS label in lower case`);
}

/** The first `count` of a Fisher-Yates shuffle; reorders the list given. */
function sample<T>(list: T[], count: number): T[] {
  const taken = Math.min(count, list.length);
  for (let i = 0; i < taken; i++) {
    const other = i + Math.floor(Math.random() * (list.length - i));
    const swapped = list[i] as T;
    list[i] = list[other] as T;
    list[other] = swapped;
  }
  return list.slice(0, taken);
}
