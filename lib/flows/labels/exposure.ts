import { extraOf, hexOf, KIND, kindOf, WORD, wallMillis } from '../events/event-record';
import { eachRecord } from '../events/event-store';
import type { Span, SpanFault } from '../flow';
import type { Run } from '../read-run';
import type { ExposureLabel } from './label';

/** Faults that last beyond, or reach beyond, the request that they struck. */
const LASTING: ReadonlySet<string> = new Set([
  'cpu',
  'memory-leak',
  'disk-fill',
  'block',
  'refuse',
  'unready',
  'crash',
  'clock-offset',
]);

/** A time in which a fault had hold of an instance, by its host's wall clock. */
interface Window {
  readonly fault: Partial<SpanFault>;
  readonly instance: string;
  readonly requestId: string | null;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Says which faults of instances a span was exposed to. */
export type Exposures = (span: Span, flowStartMs: number) => readonly ExposureLabel[];

/** Looks through a run for faults that last: what is kept of it is a window each. */
export function exposures({ events: { store, processes } }: Run): Exposures {
  const windows: Window[] = [];
  const ups = new Map<string, number[]>();
  for (const { instance, up, faults } of processes) {
    if (up) ups.set(instance, [...(ups.get(instance) ?? []), Date.parse(up.timestamp)]);
    for (const { fault, timestamp } of faults) {
      if (fault) windows.push({ fault, instance, requestId: null, fromMs: Date.parse(timestamp), toMs: 0 });
    }
  }
  for (let part = 0; part < store.parts; part++) {
    const words = store.part(part);
    eachRecord(words, (record) => {
      if (kindOf(words[record] as number) !== KIND.FAULT_INJECTED) return;
      const { fault } = extraOf(words, record);
      if (!fault || !LASTING.has(fault.type)) return;
      const { instance } = processes[words[record + WORD.ORIGIN] as number] ?? {};
      const requestId = hexOf(words, record + WORD.REQUEST, 2);
      if (instance === undefined) return;
      windows.push({ fault, instance, requestId, fromMs: wallMillis(words, record), toMs: 0 });
    });
  }
  const known = windows
    .filter(({ fault }) => LASTING.has(fault.type ?? '') && fault.refused === undefined)
    .map((window) => ({ ...window, toMs: endOf(window, ups.get(window.instance) ?? []) }));
  return lookup(known);
}

/** A crash lasts until the instance is up again. */
function endOf({ fault, fromMs }: Window, ups: readonly number[]): number {
  if (fault.type !== 'crash') return fromMs + (Number(fault.args?.duration) || 0);
  return Math.min(...ups.filter((up) => up > fromMs));
}

/** A crash shows to its callers a little after. */
const SLACK_MS = 50;

function lookup(windows: readonly Window[]): Exposures {
  const byInstance = new Map<string, Window[]>();
  for (const window of windows) {
    const list = byInstance.get(window.instance);
    if (list) list.push(window);
    else byInstance.set(window.instance, [window]);
  }
  const clocks = windows.filter(({ fault }) => fault.type === 'clock-offset');
  const latest = new Map<string, Float64Array>();
  for (const [instance, list] of byInstance) {
    list.sort((a, b) => a.fromMs - b.fromMs);
    let end = Number.NEGATIVE_INFINITY;
    const ends = list.map(({ toMs }) => {
      end = Math.max(end, toMs);
      return end;
    });
    latest.set(instance, Float64Array.from(ends));
  }

  const meeting = (instance: string, fromMs: number, toMs: number): readonly Window[] => {
    const list = byInstance.get(instance);
    const ends = latest.get(instance);
    if (!list || !ends) return [];
    const found: Window[] = [];
    for (let i = before(list, toMs) - 1; i >= 0 && (ends[i] as number) >= fromMs; i--) {
      const window = list[i] as Window;
      if (window.toMs >= fromMs) found.push(window);
    }
    return found;
  };

  return (span, flowStartMs) => {
    if (byInstance.size === 0) return [];
    const fromMs = Date.parse(span.startTime);
    const itself = meeting(span.instance, fromMs, endOfSpan(span, fromMs))
      .concat(shifted(span, fromMs))
      .filter(({ requestId }) => requestId !== span.requestId);
    const calls = span.calls.flatMap(({ peer, error, offsetMs, durationMs }) => {
      if (peer === null || (error?.kind !== 'CONNECT' && error?.kind !== 'RESET')) return [];
      const at = flowStartMs + offsetMs;
      return meeting(peer, at - SLACK_MS, at + (durationMs ?? 0) + SLACK_MS).filter(({ fault }) =>
        ['crash', 'refuse', 'block'].includes(fault.type ?? ''),
      );
    });
    return [...labels(itself, 'itself'), ...labels(calls, 'call')];
  };

  /** One without an end ended with its process, as far as a crash is known. */
  function endOfSpan({ instance, durationMs }: Span, fromMs: number): number {
    if (durationMs !== null) return fromMs + durationMs;
    const crash = byInstance.get(instance)?.find((window) => window.fault.type === 'crash' && window.fromMs >= fromMs);
    return crash?.fromMs ?? fromMs;
  }

  /** A clock that is off dates a span outside of the window that it lies in. */
  function shifted(span: Span, fromMs: number): readonly Window[] {
    return clocks.filter(({ instance, fault, fromMs: from, toMs }) => {
      if (instance !== span.instance) return false;
      const overlaps = (at: number): boolean => at <= toMs && at + (span.durationMs ?? 0) >= from;
      return !overlaps(fromMs) && overlaps(fromMs - Number(fault.args?.offset));
    });
  }
}

/** How many windows begin up to a moment. */
function before(list: readonly Window[], ms: number): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle] as Window).fromMs <= ms) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Those of one rule are told once. */
function labels(windows: readonly Window[], through: ExposureLabel['through']): readonly ExposureLabel[] {
  const grouped = new Map<string, Window[]>();
  for (const window of windows) {
    const key = `${window.instance} ${window.fault.type} ${window.fault.id}`;
    grouped.set(key, [...(grouped.get(key) ?? []), window]);
  }
  return Array.from(grouped.values(), (group) => {
    const first = group.reduce((a, b) => (b.fromMs < a.fromMs ? b : a));
    const { fault, instance, requestId, fromMs } = first;
    const toMs = Math.max(...group.map((window) => window.toMs));
    return {
      id: fault.id ?? '?',
      type: fault.type ?? '?',
      source: fault.source ?? null,
      instance,
      through,
      request: requestId,
      from: new Date(fromMs).toISOString(),
      to: Number.isFinite(toMs) ? new Date(toMs).toISOString() : null,
      times: group.length,
    };
  });
}
