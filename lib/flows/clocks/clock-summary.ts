import type { ClockSource } from '../../model/event';
import { roundMs } from '../../model/event-line';
import type { ClockDomain } from './clock-domains';
import type { RunClocks } from './run-clocks';

/** What became of one host's clock in the run. Times are milliseconds; all are JSON. */
export interface HostClockSummary {
  /** The host's id; where nobody vouches for its clock the instance. */
  readonly host: string;
  readonly instances: readonly string[];
  readonly source: ClockSource;
  /** The run's times are relative to this clock. */
  readonly isAxis: boolean;
  /**
   * Its clock less the axis, in the middle of the run; null: no messages and no time service tie it down. Positive: it is
   * ahead. Steps are not in it.
   */
  readonly offsetMs: number | null;
  /** How far the true offset may be from that: median and worst over the run's windows. */
  readonly boundMs: number | null;
  readonly worstBoundMs: number | null;
  /** Of the offset, in parts per million against the axis; null where the run is too short for its bounds to tell. */
  readonly driftPpm: number | null;
  /** The most that its times are moved by, on the axis: 0 where the clock as it stands contradicts nothing. */
  readonly correctionMs: number;
  readonly steps: readonly { readonly at: string; readonly withinMs: number; readonly byMs: number }[];
  /** What its time service said of it; null where there is none. */
  readonly service: TimeServiceSummary | null;
  /** Times at which messages proved the service's bound wrong; it counted for nothing around them. */
  readonly discarded: readonly string[];
}

/** chrony's own state, from CLOCK events. */
export interface TimeServiceSummary {
  readonly reports: number;
  /** Reports that gave no bound: not synchronised, or not reachable. */
  readonly unsynchronised: number;
  /** How long that lasted, as the reports tell it. */
  readonly unsynchronisedMs: number;
  /** As last reported. */
  readonly offsetMs: number | null;
  readonly stratum: number | null;
  readonly leapStatus: string | null;
  readonly frequencyPpm: number | null;
  /** The largest that it stated. */
  readonly worstBoundMs: number | null;
}

export interface ClocksSummary {
  /** `utc`: true time, as time services vouch for it; else a host whose clock the others are measured against. */
  readonly axis: string;
  /** Messages between hosts from which offsets were estimated. */
  readonly messages: number;
  readonly hosts: readonly HostClockSummary[];
  /** Times around which messages between these hosts contradict each other, and told nothing. */
  readonly contradictory: readonly { readonly at: string; readonly hosts: readonly string[] }[];
  /** Whether there is anything that a reader of the timeline should know. */
  readonly remarkable: boolean;
}

/** The clock report of a run. */
export function clockSummary({ domains, estimates, messages }: RunClocks): ClocksSummary {
  const { axis, windows } = estimates;
  const all = domains.domains;
  const hosts = all.map((domain): HostClockSummary => {
    const known = windows.flatMap(({ centreMs, hosts: offsets }) => {
      const own = offsets[domain.id];
      return own && Number.isFinite(own.boundMs) ? [{ centreMs, ...own }] : [];
    });
    const bounds = known.map(({ boundMs }) => boundMs).sort((a, b) => a - b);
    const isAxis = axis !== 'utc' && axis.host === domain.id;
    const corrections = known.map(({ correctionMs }) => correctionMs);
    return {
      host: domain.name,
      instances: [...new Set(domain.processes.map(({ instance }) => instance))],
      source: domain.source,
      isAxis,
      offsetMs: isAxis ? 0 : rounded(known[known.length >> 1]?.offsetMs),
      boundMs: isAxis ? 0 : rounded(bounds[bounds.length >> 1]),
      worstBoundMs: isAxis ? 0 : rounded(bounds[bounds.length - 1]),
      driftPpm: isAxis ? 0 : driftOf(known),
      correctionMs:
        rounded(corrections.reduce((most, value) => (Math.abs(value) > Math.abs(most) ? value : most), 0)) ?? 0,
      steps: domain.steps.map(({ atMs, withinMs, byMs }) => ({
        at: isoTime(atMs),
        withinMs: rounded(withinMs) ?? 0,
        byMs: rounded(byMs) ?? 0,
      })),
      service: serviceOf(domain),
      discarded: estimates.discarded.filter(({ host }) => host === domain.id).map(({ centreMs }) => isoTime(centreMs)),
    };
  });
  const contradictory = estimates.contradictory.map(({ centreMs, hosts: among }) => ({
    at: isoTime(centreMs),
    hosts: among.map((id) => all[id]?.name ?? '?'),
  }));
  return {
    axis: axis === 'utc' ? 'utc' : (all[axis.host]?.name ?? 'none'),
    messages,
    hosts,
    contradictory,
    remarkable:
      contradictory.length > 0 ||
      hosts.some(
        ({ correctionMs, steps, service, discarded }) =>
          correctionMs !== 0 || steps.length > 0 || discarded.length > 0 || (service?.unsynchronised ?? 0) > 0,
      ),
  };
}

function serviceOf({ reports }: ClockDomain): TimeServiceSummary | null {
  if (!reports.some(({ clock }) => clock.source === 'chrony')) return null;
  const said = reports.map(({ atMs, clock }) => ({ atMs, ...clock }));
  const last = said[said.length - 1];
  let unsynchronisedMs = 0;
  for (const [i, report] of said.entries()) {
    const next = said[i + 1];
    if (report.boundMs === null && next) unsynchronisedMs += next.atMs - report.atMs;
  }
  const bounds = said.flatMap(({ boundMs }) => (boundMs === null ? [] : [boundMs]));
  return {
    reports: said.length,
    unsynchronised: said.filter(({ boundMs }) => boundMs === null).length,
    unsynchronisedMs: Math.round(unsynchronisedMs),
    offsetMs: last?.offsetMs ?? null,
    stratum: last?.stratum ?? null,
    leapStatus: last?.leapStatus ?? null,
    frequencyPpm: last?.frequencyPpm ?? null,
    worstBoundMs: bounds.length > 0 ? Math.max(...bounds) : null,
  };
}

/** Slope of the offsets by least squares; told only where it is more than the bounds could make of nothing. */
function driftOf(known: readonly { readonly centreMs: number; readonly offsetMs: number; readonly boundMs: number }[]) {
  const [first, last] = [known[0], known[known.length - 1]];
  if (!first || !last || known.length < 2) return null;
  const n = known.length;
  const meanAt = known.reduce((sum, { centreMs }) => sum + centreMs, 0) / n;
  const mean = known.reduce((sum, { offsetMs }) => sum + offsetMs, 0) / n;
  let [above, below] = [0, 0];
  for (const { centreMs, offsetMs } of known) {
    above += (centreMs - meanAt) * (offsetMs - mean);
    below += (centreMs - meanAt) ** 2;
  }
  const slope = above / below;
  const change = Math.abs(slope) * (last.centreMs - first.centreMs);
  return change > (first.boundMs + last.boundMs) / 4 ? Math.round(slope * 1e7) / 10 : null;
}

function rounded(ms: number | undefined): number | null {
  return ms === undefined || !Number.isFinite(ms) ? null : roundMs(ms);
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
