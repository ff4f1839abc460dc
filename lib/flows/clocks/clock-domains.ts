import type { ClockReport, ClockSource } from '../../model/event';
import type { ProcessLog } from '../events/process-log';
import { followClock, type ProcessClock } from './wall-follower';

/** A step of a host's wall clock; `atMs` by its smooth clock (wall time less all steps before), give or take `withinMs`. */
export interface HostStep {
  readonly atMs: number;
  readonly withinMs: number;
  readonly byMs: number;
}

/** Processes that share one clock. */
export interface ClockDomain {
  readonly id: number;
  /** The host's id; where nobody vouches for the clock the instance, with its process where it had several. */
  readonly name: string;
  readonly source: ClockSource;
  readonly processes: readonly ProcessLog[];
  readonly steps: readonly HostStep[];
  /** What its processes said of the clock, in the order of the smooth clock. */
  readonly reports: readonly { readonly atMs: number; readonly steppedMs: number; readonly clock: ClockReport }[];
}

export interface ClockDomains {
  readonly domains: readonly ClockDomain[];
  /** Number of a process's domain. */
  domainOf(process: number): number;
  /** An event's time by the smooth clock of its domain. */
  smoothMs(process: number, monotonicUs: number, wallMs: number): number;
  /** What its host's steps add to that. */
  steppedMs(process: number, monotonicUs: number, wallMs: number): number;
  /** Half of what `smoothMs` may be off by for want of resolution. */
  readingMs(process: number): number;
}

/** Two processes see one step at the same time and of the same size, up to this. */
const SAME_STEP_MS = 5;

interface Member {
  readonly log: ProcessLog;
  readonly clock: ProcessClock;
  /** Its host's steps before its own first event. */
  readonly missedMs: number;
}

/**
 * Sorts processes by the clock that they share. One clock a host, as CLOCK tells it; a process that knows nothing of its
 * clock, or logged no CLOCK, is a host of its own. Steps that the processes of a host saw are put together, so that all
 * its processes are on one smooth clock; where it can't be told before which steps a process began, it is a domain of
 * its own.
 */
export function clockDomains(processes: readonly ProcessLog[]): ClockDomains {
  const groups = new Map<string, { readonly source: ClockSource; readonly members: ProcessLog[] }>();
  const several = new Set<string>();
  const instances = new Set<string>();
  for (const { instance } of processes) {
    if (instances.has(instance)) several.add(instance);
    instances.add(instance);
  }
  for (const log of processes) {
    const known = log.clocks.find(({ clock }) => clock && clock.source !== 'unknown')?.clock;
    const own = several.has(log.instance) ? `${log.instance} ${log.process}` : log.instance;
    const key = known ? `host ${known.host}` : `process ${own}`;
    const group = groups.get(key);
    if (group) group.members.push(log);
    else groups.set(key, { source: known?.source ?? 'unknown', members: [log] });
  }

  const domains: ClockDomain[] = [];
  const domainOf = new Int32Array(processes.length);
  const missed = new Float64Array(processes.length);
  const clocks: ProcessClock[] = processes.map((log) => followClock(log.wall));
  const addDomain = (name: string, source: ClockSource, members: readonly Member[], steps: readonly HostStep[]) => {
    const id = domains.length;
    for (const { log, missedMs } of members) {
      domainOf[log.id] = id;
      missed[log.id] = missedMs;
    }
    domains.push({
      id,
      name,
      source,
      processes: members.map(({ log }) => log),
      steps,
      reports: reportsOf(members),
    });
  };

  for (const [key, { source, members }] of groups) {
    const name = key.slice(key.indexOf(' ') + 1);
    const all = members.map((log) => ({ log, clock: clocks[log.id] as ProcessClock }));
    const { steps, joined, apart } = joinSteps(all);
    addDomain(name, source, joined, steps);
    for (const member of apart) {
      addDomain(`${name} (${member.log.instance})`, source, [member], stepsOf(member.clock, 0));
    }
  }
  return {
    domains,
    domainOf: (process) => domainOf[process] as number,
    smoothMs: (process, monotonicUs, wallMs) => {
      const clock = clocks[process] as ProcessClock;
      return clock.smoothMs(monotonicUs, wallMs) - (missed[process] as number);
    },
    steppedMs: (process, monotonicUs, wallMs) =>
      (clocks[process] as ProcessClock).steppedMs(monotonicUs, wallMs) + (missed[process] as number),
    readingMs: (process) => (clocks[process] as ProcessClock).boundMs,
  };
}

/** Puts the processes of a host on one smooth clock. */
function joinSteps(all: readonly { readonly log: ProcessLog; readonly clock: ProcessClock }[]): {
  readonly steps: readonly HostStep[];
  readonly joined: readonly Member[];
  readonly apart: readonly Member[];
} {
  const base = all.reduce((a, b) => (b.clock.steps.length > a.clock.steps.length ? b : a));
  const steps = stepsOf(base.clock, 0);
  const joined: Member[] = [];
  const apart: Member[] = [];
  for (const { log, clock } of all) {
    const missed = steps.length === 0 ? 0 : missedSteps(clock, steps);
    if (missed === undefined) apart.push({ log, clock, missedMs: 0 });
    else joined.push({ log, clock, missedMs: missed });
  }
  return { steps, joined, apart };
}

/** Sum of the host's steps before the process began; undefined where that can't be told. */
function missedSteps(clock: ProcessClock, steps: readonly HostStep[]): number | undefined {
  const possible: number[] = [];
  let sum = 0;
  for (let k = 0; k <= steps.length; k++) {
    const first = clock.firstMs - sum;
    const last = clock.lastMs - sum;
    const [before, after] = [steps[k - 1], steps[k]];
    const begins =
      (!before || first >= before.atMs - before.withinMs) && (!after || first <= after.atMs + after.withinMs);
    const during = steps.slice(k, k + clock.steps.length);
    const next = steps[k + clock.steps.length];
    const own = stepsOf(clock, sum);
    const same =
      during.length === own.length &&
      own.every((step, i) => {
        const other = during[i] as HostStep;
        const near = Math.abs(step.atMs - other.atMs) <= step.withinMs + other.withinMs + SAME_STEP_MS;
        return near && Math.abs(step.byMs - other.byMs) <= SAME_STEP_MS;
      });
    // A step after the process's last event, or before its first, is none that it saw.
    if (begins && same && (!next || last <= next.atMs + next.withinMs)) possible.push(sum);
    sum += after?.byMs ?? 0;
  }
  return possible.length === 1 ? possible[0] : undefined;
}

function stepsOf({ steps, smoothMs }: ProcessClock, missedMs: number): readonly HostStep[] {
  return steps.map(({ afterUs, beforeUs, byMs }) => {
    // By a reading far below any step, the smooth time of a monotonic one is asked for: the segment before it.
    const elapsed = smoothMs(afterUs, Number.NaN);
    const withinMs = (beforeUs - afterUs) / 2000;
    return { atMs: elapsed + withinMs - missedMs, withinMs, byMs };
  });
}

function reportsOf(members: readonly Member[]): ClockDomain['reports'] {
  const reports = members.flatMap(({ log, clock, missedMs }) =>
    log.clocks.flatMap((event) => {
      if (!event.clock) return [];
      const wallMs = Date.parse(event.timestamp);
      const monotonicUs = event.monotonicUs ?? Number.NaN;
      return [
        {
          atMs: clock.smoothMs(monotonicUs, wallMs) - missedMs,
          steppedMs: clock.steppedMs(monotonicUs, wallMs) + missedMs,
          clock: event.clock,
        },
      ];
    }),
  );
  return reports.sort((a, b) => a.atMs - b.atMs);
}
