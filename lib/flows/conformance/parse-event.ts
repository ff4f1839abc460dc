import { EVENT_FIELDS, type Event, FIELD_ORDER } from '../../model/event';

const REQUIRED = ['timestamp', 'event', 'process', 'instance', 'service', 'run', 'seq'] as const;
const TEXTS = FIELD_ORDER.filter((name) => EVENT_FIELDS[name] === 'text');
const NUMBERS = FIELD_ORDER.filter((name) => EVENT_FIELDS[name] === 'number');

/** The event on a line, or undefined for any other text: a half-written line, or another program's. */
export function parseEvent(line: string): Event | undefined {
  let value: Record<string, unknown> | null;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (value === null || typeof value !== 'object') return undefined;
  for (const name of REQUIRED) if (value[name] === undefined) return undefined;
  for (const name of TEXTS) if (value[name] !== undefined && typeof value[name] !== 'string') return undefined;
  for (const name of NUMBERS) if (value[name] !== undefined && typeof value[name] !== 'number') return undefined;
  if (!Number.isSafeInteger(value.seq) || (value.seq as number) < 1) return undefined;
  const { fault, overlay, itinerary } = value;
  if (fault !== undefined && !isFault(fault)) return undefined;
  if (overlay !== undefined && !(Array.isArray(overlay) && overlay.every(isRule))) return undefined;
  if (itinerary !== undefined && !isItinerary(itinerary)) return undefined;
  return value as unknown as Event;
}

function isFault(value: unknown): boolean {
  if (value === null || typeof value !== 'object') return false;
  const { id, type, at, args } = value as Readonly<Record<string, unknown>>;
  const texts = [id, type, at].every((text) => typeof text === 'string');
  return texts && args !== null && typeof args === 'object';
}

function isRule(value: unknown): boolean {
  const { id, at, service, fault } = (value ?? {}) as Readonly<Record<string, unknown>>;
  return [id, at, service].every((text) => typeof text === 'string') && isBareFault(fault);
}

function isBareFault(value: unknown): boolean {
  const { type, args } = (value ?? {}) as Readonly<Record<string, unknown>>;
  return typeof type === 'string' && args !== null && typeof args === 'object';
}

function isItinerary(value: unknown): boolean {
  const { stop, before, after, routes } = (value ?? {}) as Readonly<Record<string, unknown>>;
  const faults = [before, after].every((list) => Array.isArray(list) && list.every(isBareFault));
  return typeof stop === 'string' && faults && Array.isArray(routes) && routes.every(isRoute);
}

function isRoute(value: unknown): boolean {
  const { service, probability, stop } = (value ?? {}) as Readonly<Record<string, unknown>>;
  return typeof service === 'string' && typeof probability === 'number' && typeof stop === 'string';
}

/**
 * The parts of a request's event that the check looks at, with every text that recurs kept once: what waits in memory
 * for its flow to be whole.
 */
export function slimEvent(event: Event, once: (text: string) => string): Event {
  const slim: Record<string, unknown> = {};
  for (const name of KEPT) {
    const value = event[name];
    if (value !== undefined) slim[name] = typeof value === 'string' ? once(value) : value;
  }
  // Rules begin and end by the clock; other events' times are not asked for.
  if (event.event === 'REQUEST_RECEIVED' || event.spanEvents !== undefined) slim.timestamp = event.timestamp;
  return slim as unknown as Event;
}

const KEPT = [
  'event',
  'seq',
  'monotonicUs',
  'process',
  'instance',
  'service',
  'traceId',
  'requestId',
  'place',
  'parentRequestId',
  'endpoint',
  'key',
  'epoch',
  'via',
  'callPlace',
  'step',
  'repetition',
  'attempt',
  'reconnect',
  'callee',
  'peer',
  'peerRequestId',
  'status',
  'durationMs',
  'spanEvents',
  'error',
  'fault',
  'decision',
  'overlay',
  'itinerary',
] as const satisfies readonly (keyof Event)[];
