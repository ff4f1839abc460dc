import { existsSync, readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { ENVIRONMENT } from '../lib/model/contract';
import type { ClockSource } from '../lib/model/event';
import type { Slice } from '../lib/model/slice';
import { KEY_TEXT } from '../lib/model/token';
import { type Fault, UserError } from '../lib/model/user-error';

/** What a launcher says to a node, by the names of `ENVIRONMENT`. */
export interface NodeSettings {
  readonly slice: Slice;
  readonly instance: string;
  /** Path of the event log; `-` is standard output. */
  readonly log: string;
  /** Address to listen on. */
  readonly address: string;
  /** 0 takes a free one. */
  readonly meshPort: number;
  /** 0 takes a free one. Only a service with `edge` listens on it. */
  readonly edgePort: number;
  /** `address:port` of a DNS server; undefined means the system's. */
  readonly resolver: string | undefined;
  readonly clock: ClockSource;
  /** Starts of this instance before this one. */
  readonly restarts: number;
  /** File that a live change's slice is kept in; undefined where the launcher keeps it. */
  readonly liveSlice: string | undefined;
  /** Undefined where nobody may raise faults from outside. */
  readonly access: Access | undefined;
}

/** Who may raise faults while the node runs, and where. */
export interface Access {
  /** The deployment's key: `KEY_TEXT`. */
  readonly key: string;
  /** Of the control interface; 0 takes a free one. */
  readonly controlPort: number;
  /** File with the callees of every service; undefined where no itinerary can be taken. */
  readonly graph: string | undefined;
  /** Whether itineraries and overlays may come in at the edge port. */
  readonly publicFaults: boolean;
}

type Name = Exclude<keyof typeof ENVIRONMENT, 'inline'>;
export type RawSettings = Readonly<Partial<Record<Name, unknown>>>;

const CLOCKS: readonly string[] = ['chrony', 'machine', 'unknown'] satisfies ClockSource[];
const INSTANCE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * The settings of one node, or of all nodes that `MICROCOSM_INLINE` lists.
 *
 * @throws UserError with every fault, each by the name of its variable
 */
export function settingsFrom(environment: Readonly<Record<string, string | undefined>>): readonly NodeSettings[] {
  const inline = environment[ENVIRONMENT.inline];
  if (inline === undefined) {
    const names = Object.keys(ENVIRONMENT).filter((name) => name !== 'inline') as Name[];
    const raw = Object.fromEntries(names.map((name) => [name, environment[ENVIRONMENT[name]]])) as RawSettings;
    const faults: Fault[] = [];
    const settings = readSettings(raw, (name) => ENVIRONMENT[name], faults);
    if (!settings) throw new UserError(faults);
    return [settings];
  }
  const faults: Fault[] = [];
  const list = readJson(inline, ENVIRONMENT.inline, faults);
  if (faults.length === 0 && (!Array.isArray(list) || list.length === 0)) {
    faults.push({
      where: ENVIRONMENT.inline,
      problem: `${inline} holds no list of nodes`,
      remedy: 'list at least one',
    });
  }
  if (faults.length > 0) throw new UserError(faults);
  const all = (list as RawSettings[]).map((raw, index) =>
    readSettings(raw ?? {}, (name) => `${ENVIRONMENT.inline}[${index}].${name}`, faults),
  );
  if (faults.length > 0) throw new UserError(faults);
  return all as NodeSettings[];
}

function readSettings(raw: RawSettings, nameOf: (name: Name) => string, faults: Fault[]): NodeSettings | undefined {
  const before = faults.length;
  const fault = (name: Name, problem: string, remedy: string): void => {
    faults.push({ where: nameOf(name), problem, remedy });
  };
  const text = (name: Name): string => {
    const value = raw[name];
    if (value !== undefined && value !== '') return String(value);
    fault(name, 'is not set', `set it: ${PURPOSE[name]}`);
    return '';
  };
  const port = (name: Name, needed: boolean): number => {
    if (!needed && (raw[name] === undefined || raw[name] === null || raw[name] === '')) return 0;
    const value = text(name);
    const number = Number(value);
    if (value !== '' && !(Number.isInteger(number) && number >= 0 && number <= 65_535)) {
      fault(name, `'${value}' is no port`, 'use a whole number from 0 (any free one) to 65535');
    }
    return number;
  };

  const slicePath = text('slice');
  const given = slicePath === '' ? undefined : readSlice(slicePath, nameOf('slice'), faults);
  const liveSlice = raw.liveSlice === undefined || raw.liveSlice === '' ? undefined : String(raw.liveSlice);
  const kept = liveSlice !== undefined && existsSync(liveSlice);
  const slice = kept ? readSlice(liveSlice, nameOf('liveSlice'), faults) : given;
  const instance = text('instance');
  if (instance !== '' && !INSTANCE.test(instance)) {
    fault('instance', `'${instance}' is no DNS label`, 'use a name such as catalog-2');
  }
  const log = text('log');
  const address = text('address');
  if (address !== '' && isIP(address) === 0) fault('address', `'${address}' is no IP address`, 'use one, as 127.0.0.1');
  const meshPort = port('meshPort', true);
  const edgePort = port('edgePort', slice?.service.edge ?? false);
  const resolver = raw.resolver === undefined || raw.resolver === null ? undefined : String(raw.resolver);
  if (resolver !== undefined && !/^\S+:\d{1,5}$/.test(resolver)) {
    fault('resolver', `'${resolver}' is no address:port`, 'use one, as 127.0.0.1:5353, or leave it unset');
  }
  const clock = raw.clock === undefined ? 'unknown' : String(raw.clock);
  if (!CLOCKS.includes(clock)) fault('clock', `'${clock}' is no clock source`, `use one of ${CLOCKS.join(', ')}`);
  const restarts = Number(raw.restarts ?? 0);
  if (!Number.isInteger(restarts) || restarts < 0) {
    fault('restarts', `'${raw.restarts}' is no count`, 'use a whole number from 0, or leave it unset');
  }

  const keyPath = raw.key === undefined || raw.key === '' ? undefined : String(raw.key);
  const key = keyPath === undefined ? undefined : readKey(keyPath, nameOf('key'), faults);
  const publicFaults = raw.publicFaults ?? 'off';
  if (publicFaults !== 'on' && publicFaults !== 'off') {
    fault('publicFaults', `'${publicFaults}' is unknown`, 'use on or off, or leave it unset');
  }
  const access: Access | undefined =
    key === undefined
      ? undefined
      : {
          key,
          controlPort: port('controlPort', false),
          graph: raw.graph === undefined ? undefined : String(raw.graph),
          publicFaults: publicFaults === 'on',
        };

  if (faults.length > before || !slice) return undefined;
  const ports = { meshPort, edgePort };
  return {
    slice,
    instance,
    log,
    address,
    ...ports,
    resolver,
    clock: clock as ClockSource,
    restarts,
    liveSlice,
    access,
  };
}

/** What is read is never part of a message. */
function readKey(path: string, where: string, faults: Fault[]): string | undefined {
  try {
    const others = statSync(path).mode & 0o077;
    if (others !== 0) {
      faults.push({ where, problem: `others than its owner may use ${path}`, remedy: `chmod 600 ${path}` });
      return undefined;
    }
    const key = readFileSync(path, 'utf8').trim();
    if (KEY_TEXT.test(key)) return key;
    faults.push({ where, problem: `${path} holds no key`, remedy: 'give a file with 64 hexadecimal digits' });
  } catch (error) {
    faults.push({ where, problem: (error as Error).message, remedy: 'give the path of a readable file' });
  }
  return undefined;
}

const PURPOSE: Readonly<Record<Name, string>> = {
  slice: "the path of the JSON file with the service's slice of the topology",
  instance: 'the name of this instance, such as catalog-2',
  log: 'the path of the event log, or - for standard output',
  address: 'the IP address to listen on',
  meshPort: 'the port that declared callers use, or 0 for a free one',
  edgePort: 'the port that the balancer uses, or 0 for a free one',
  resolver: 'address:port of a DNS server',
  clock: 'where the error bound of the clock comes from',
  restarts: 'how often this instance was started before',
  key: "the path of the file with the deployment's key",
  controlPort: 'the port of the control interface, or 0 for a free one',
  liveSlice: 'the path of a file for the slice that a live change brings',
  graph: 'the path of the JSON file with the callees of every service',
  publicFaults: 'on to let itineraries and overlays in at the edge',
};

function readSlice(path: string, where: string, faults: Fault[]): Slice | undefined {
  const value = readJson(path, where, faults) as Partial<Slice> | undefined;
  if (value === undefined) return undefined;
  const { topology, seed, epoch, edgePrefix, service } = value ?? {};
  const wellFormed =
    [topology, seed, edgePrefix, service?.name].every((part) => typeof part === 'string') &&
    Number.isInteger(epoch) &&
    typeof service?.endpoints === 'object' &&
    Array.isArray(service?.faults);
  if (wellFormed) return value as Slice;
  faults.push({ where, problem: `${path} is no slice of a topology`, remedy: 'give the file that the launcher wrote' });
  return undefined;
}

function readJson(path: string, where: string, faults: Fault[]): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    faults.push({ where, problem: (error as Error).message, remedy: 'give the path of a readable JSON file' });
    return undefined;
  }
}
