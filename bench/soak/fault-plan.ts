import { FAULT_ARGUMENTS, FAULT_POSITIONS, type FaultPosition, type FaultType } from '../../lib/model/fault';
import type { Service, Topology } from '../../lib/model/topology';
import type { Random } from '../../test/support/random';

/** A live fault that a soak raises, as a user would write it. */
export interface PlannedFault {
  /** From the beginning of the storm. */
  readonly atMs: number;
  readonly forMs: number;
  readonly service: string;
  readonly rule: PlannedRule;
}

interface PlannedRule {
  readonly type: FaultType;
  readonly at: FaultPosition;
  readonly args: Readonly<Record<string, unknown>>;
  readonly probability?: number;
  readonly callee?: string;
  readonly instances?: readonly string[];
}

/** What a soak does to an instance's process from outside. */
export interface PlannedBlow {
  readonly atMs: number;
  readonly instance: string;
  /** `freeze` stops it and lets it go on later, as a host that is starved or swaps. */
  readonly blow: 'SIGKILL' | 'SIGTERM' | 'freeze';
  /** Of `freeze` only. */
  readonly forMs: number;
}

const FAULT_EVERY_MS = 4_000;
const BLOW_EVERY_MS = 15_000;
const TYPES = Object.keys(FAULT_ARGUMENTS) as readonly FaultType[];

/**
 * Faults for a storm of that length: as often as every four seconds, in random order, each kind once before any comes
 * again; closer together where the storm is too short for that.
 */
export function planFaults(topology: Topology, stormMs: number, random: Random): readonly PlannedFault[] {
  const everyMs = Math.min(FAULT_EVERY_MS, stormMs / TYPES.length);
  const planned: PlannedFault[] = [];
  let left: FaultType[] = [];
  for (let at = 0; at + everyMs <= stormMs + 0.001; at += everyMs) {
    if (left.length === 0) left = shuffled(TYPES, random);
    planned.push(planFault(left.pop() as FaultType, Math.round(at), topology, random));
  }
  return planned;
}

/** Kills, stops and freezes of random instances, one in each fifteen seconds. */
export function planBlows(topology: Topology, stormMs: number, random: Random): readonly PlannedBlow[] {
  const services = Object.values(topology.services);
  return Array.from({ length: Math.floor(stormMs / BLOW_EVERY_MS) }, (_, index) => {
    const { name, replicas } = pick(services, random);
    return {
      atMs: Math.round((index + random.next()) * BLOW_EVERY_MS),
      instance: `${name}-${1 + whole(random, 0, replicas - 1)}`,
      blow: pick(['SIGKILL', 'SIGTERM', 'freeze'] as const, random),
      forMs: whole(random, 500, 4_000),
    };
  });
}

function planFault(type: FaultType, atMs: number, { services }: Topology, random: Random): PlannedFault {
  const at = pick(FAULT_POSITIONS[type], random);
  const able = Object.values(services).filter(({ callees }) => at !== 'call' || callees.length > 0);
  const service = pick(able, random);
  return {
    atMs,
    forMs: whole(random, 3_000, 10_000),
    service: service.name,
    rule: {
      type,
      at,
      args: argumentsOf(type, random),
      ...(at !== 'instance' && { probability: Math.round(1_000 * (0.02 + 0.3 * random.next())) / 1_000 }),
      ...where(service, at, random),
    },
  };
}

function where(service: Service, at: FaultPosition, random: Random): Partial<PlannedRule> {
  if (at === 'call' && random.next() < 0.7) return { callee: pick(service.callees, random) };
  if (service.replicas > 1 && random.next() < 0.5)
    return { instances: [`${service.name}-${whole(random, 1, service.replicas)}`] };
  return {};
}

/** Small enough for any machine that runs the topology. */
function argumentsOf(type: FaultType, random: Random): Readonly<Record<string, unknown>> {
  const between = (low: number, high: number) => whole(random, low, high);
  switch (type) {
    case 'latency':
      return { delay: { uniform: [between(5, 50), between(60, 800)] } };
    case 'error':
      return { status: pick([400, 404, 429, 500, 503, 599], random) };
    case 'hang':
      return { duration: between(200, 4_000) };
    case 'slow-body':
      return { bytesPerSecond: between(500, 50_000) };
    case 'cpu':
      return { duration: between(5, 200) };
    case 'memory-leak':
    case 'disk-fill':
      return { size: between(1, 32), duration: between(500, 4_000) };
    case 'block':
      return { duration: between(20, 1_000) };
    case 'refuse':
    case 'unready':
      return { duration: between(500, 4_000) };
    case 'crash':
      return random.next() < 0.5
        ? { exitCode: between(0, 255) }
        : { signal: pick(['SIGKILL', 'SIGTERM', 'SIGABRT'], random) };
    case 'clock-offset':
      return { offset: between(-3_600_000, 3_600_000), duration: between(500, 4_000) };
    case 'reset':
    case 'truncate':
    case 'corrupt':
    case 'dns-failure':
    case 'partition':
      return {};
  }
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const mixed = [...items];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = whole(random, 0, i);
    [mixed[i], mixed[j]] = [mixed[j] as T, mixed[i] as T];
  }
  return mixed;
}

export function pick<T>(items: readonly T[], random: Random): T {
  return items[whole(random, 0, items.length - 1)] as T;
}

/** A whole number, both ends included. */
export function whole(random: Random, low: number, high: number): number {
  return low + Math.floor(random.next() * (high - low + 1));
}
