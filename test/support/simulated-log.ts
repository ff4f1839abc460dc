import { CLOCK_PERIOD_MS } from '../../lib/model/contract';
import { type Event, FIELD_ORDER } from '../../lib/model/event';
import { type HybridClock, hybridClock } from '../../lib/model/hybrid-clock';
import { NO_RUN } from '../../lib/model/run-id';

/** How a host's clock differs from true time. */
export interface HostClock {
  readonly offsetMs?: number;
  /** Parts per million, from the simulation's start on. */
  readonly driftPpm?: number;
  /** Jumps, at milliseconds since the simulation's start. */
  readonly steps?: readonly { readonly atMs: number; readonly byMs: number }[];
  /** @default machine */
  readonly source?: 'chrony' | 'machine' | 'unknown';
  /** What CLOCK claims. @default the truth: the clock's error, rounded up; null with an unknown source */
  readonly boundMs?: number | null;
}

/** One life of one instance: what writes events. */
export interface Process {
  readonly id: string;
  readonly instance: string;
  readonly service: string;
  readonly host: string;
  readonly upAt: number;
  /** When it dies without a word, in true time; infinite if it does not. */
  readonly diesAt: number;
  /** Events of so many milliseconds before its death never reach the file. */
  readonly lostTailMs: number;
}

/** An event before its clocks are read: true time, who logs it, and the message that it is the receipt of. */
export interface RawEvent {
  /** True time in milliseconds since 1970, with fractions. */
  readonly at: number;
  readonly process: Process;
  readonly run: string;
  readonly fields: Partial<Event>;
  /** What all events of its request share. */
  readonly common?: Partial<Event>;
  readonly from?: RawEvent | undefined;
  hlc?: string;
}

interface Writer {
  readonly clock: HybridClock;
  readonly seqs: Map<string, number>;
  readonly active: Set<string>;
  nextClockAt: number;
}

export interface LoggedEvent {
  readonly file: string;
  readonly event: Event;
  readonly at: number;
}

/**
 * Gives raw events, which may come in any order, to `sink` in the order of true time, each as its process would log it:
 * with its host's time, its hybrid clock, its sequence number, and CLOCK events between.
 */
export function logWriter(
  topology: string,
  startAt: number,
  clocks: Readonly<Record<string, HostClock>>,
  sink: (logged: LoggedEvent) => void,
) {
  const writers = new Map<Process, Writer>();
  let pending: RawEvent[] = [];
  let sortAbove = 8_192;
  let now = 0;

  const hostError = (host: string, at: number): number => {
    const { offsetMs = 0, driftPpm = 0, steps = [] } = clocks[host] ?? {};
    const stepped = steps.reduce((sum, step) => (at - startAt >= step.atMs ? sum + step.byMs : sum), 0);
    return offsetMs + ((at - startAt) * driftPpm) / 1e6 + stepped;
  };

  /** The monotonic clock runs as fast as the host's oscillator, and knows no steps. */
  const monotonicUs = ({ host, upAt }: Process, at: number): number =>
    Math.floor((at - upAt) * 1000 * (1 + (clocks[host]?.driftPpm ?? 0) / 1e6));

  const writerOf = (process: Process): Writer => {
    let writer = writers.get(process);
    if (!writer) {
      const clock = hybridClock(() => Math.floor(now + hostError(process.host, now)));
      writer = { clock, seqs: new Map(), active: new Set(), nextClockAt: process.upAt + CLOCK_PERIOD_MS };
      writers.set(process, writer);
    }
    return writer;
  };

  const stamp = (raw: RawEvent): void => {
    const { process } = raw;
    now = raw.at;
    const writer = writerOf(process);
    const seq = (writer.seqs.get(raw.run) ?? 0) + 1;
    writer.seqs.set(raw.run, seq);
    if (raw.run !== NO_RUN) writer.active.add(raw.run);
    raw.hlc = raw.from ? writer.clock.receive(raw.from.hlc) : writer.clock.tick();
    if (raw.at >= process.diesAt - process.lostTailMs) return;
    const event = inFieldOrder(raw.common ?? raw.fields, {
      ...raw.fields,
      ...(raw.fields.event === 'SERVICE_DOWN' && { runs: takeActive(writer) }),
      timestamp: isoTime(Math.floor(raw.at + hostError(process.host, raw.at))),
      hlc: raw.hlc,
      process: process.id,
      seq,
      monotonicUs: monotonicUs(process, raw.at),
      run: raw.run,
      instance: process.instance,
      service: process.service,
      topology,
    });
    sink({ file: process.service === 'client' ? 'client.log' : `${process.instance}.log`, event, at: raw.at });
    if (raw.fields.event === 'SERVICE_DOWN') writers.delete(process);
  };

  const clockEvent = (process: Process, writer: Writer, at: number): RawEvent => {
    const { source = 'machine', boundMs } = clocks[process.host] ?? {};
    const error = hostError(process.host, at);
    const bound = boundMs !== undefined ? boundMs : source === 'unknown' ? null : Math.ceil(Math.abs(error)) + 1;
    const clock = { source, host: process.host, boundMs: bound };
    return { at, process, run: NO_RUN, fields: { event: 'CLOCK', runs: takeActive(writer), clock } };
  };

  const clocksUntil = (at: number): void => {
    for (const [process, writer] of writers) {
      while (writer.nextClockAt < Math.min(at, process.diesAt)) {
        const due = writer.nextClockAt;
        writer.nextClockAt += CLOCK_PERIOD_MS;
        if (process.service !== 'client') stamp(clockEvent(process, writer, due));
      }
    }
  };

  /** Writes what happened before `at`; nothing earlier may be added afterwards. */
  const flush = (at: number): void => {
    if (pending.length < sortAbove && at !== Number.POSITIVE_INFINITY) return;
    pending.sort((a, b) => a.at - b.at);
    const later = pending.findIndex((raw) => raw.at >= at);
    const due = later < 0 ? pending.length : later;
    let checked = 0;
    for (let i = 0; i < due; i++) {
      const raw = pending[i] as RawEvent;
      if (raw.at - checked > 100) {
        clocksUntil(raw.at);
        checked = raw.at;
      }
      stamp(raw);
    }
    pending = pending.slice(due);
    sortAbove = 8_192 + 2 * pending.length;
  };

  return { add: (raw: RawEvent) => pending.push(raw), flush };
}

function takeActive({ seqs, active }: Writer): Record<string, number> {
  const runs = Object.fromEntries(Array.from(active, (run) => [run, seqs.get(run) ?? 0]));
  active.clear();
  return runs;
}

/** The line as a node writes it, without the line feed. */
export function lineOf(event: Event): string {
  return JSON.stringify(event);
}

function inFieldOrder(common: Partial<Event>, own: Partial<Event>): Event {
  const ordered: Record<string, unknown> = {};
  for (const field of FIELD_ORDER) {
    const value = own[field] ?? common[field];
    if (value !== undefined) ordered[field] = value;
  }
  return ordered as unknown as Event;
}

let cachedMillis = Number.NaN;
let cachedText = '';
function isoTime(millis: number): string {
  if (millis !== cachedMillis) {
    cachedMillis = millis;
    cachedText = new Date(millis).toISOString();
  }
  return cachedText;
}
