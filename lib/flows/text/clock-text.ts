import type { ClocksSummary, HostClockSummary } from '../clocks/clock-summary';
import { cut, millis, paint, printable, type Style } from './style';
import { type Cell, type Column, table } from './table';

/** Hosts beyond which the short form counts only. */
const MOST_TOLD = 8;

/** The clock report: what a reader should know, or with `all` a row a host. Nothing where there is nothing to tell. */
export function* clockText(clocks: ClocksSummary, style: Style, all: boolean): Generator<string> {
  if (!all && !clocks.remarkable) return;
  yield '';
  const axis = clocks.axis === 'utc' ? 'true time' : `the clock of ${nameOf(clocks, clocks.axis)}`;
  yield paint(
    style,
    'bold',
    cut(`CLOCKS against ${printable(axis)}, by ${clocks.messages} messages between hosts`, style.width, style),
  );
  if (all) yield* rows(clocks, style);
  const told = [...clocks.hosts.flatMap((host) => remarks(host, all)), ...contradictions(clocks)];
  for (const line of told.slice(0, all ? told.length : MOST_TOLD))
    yield cut(`  ${printable(line)}`, style.width, style);
  if (!all && told.length > MOST_TOLD) yield `  and ${told.length - MOST_TOLD} more (all: --clocks)`;
}

function rows({ hosts }: ClocksSummary, style: Style): readonly string[] {
  const right = (title: string): Column => ({ title, align: 'right' });
  const columns: readonly Column[] = [
    { title: 'HOST', align: 'left', grows: true },
    { title: 'SOURCE', align: 'left' },
    ...['OFFSET', '+/-', 'WORST', 'PPM', 'MOVED', 'STEPS'].map(right),
  ];
  const cells = hosts.map((host): readonly Cell[] => [
    { text: printable(label(host)) },
    { text: host.isAxis ? `${host.source}, axis` : host.source },
    { text: host.offsetMs === null ? '?' : signed(host.offsetMs) },
    { text: host.boundMs === null ? '?' : millis(host.boundMs) },
    { text: host.worstBoundMs === null ? '?' : millis(host.worstBoundMs) },
    { text: host.driftPpm === null ? '-' : host.driftPpm.toFixed(0) },
    { text: host.correctionMs === 0 ? '-' : signed(-host.correctionMs) },
    {
      text: host.steps.length === 0 ? '-' : String(host.steps.length),
      ...(host.steps.length > 0 && { colour: 'yellow' }),
    },
  ]);
  return [
    ...table(columns, cells, style),
    paint(style, 'dim', 'ms; MOVED: what its times are moved by; a clock that contradicts nothing stays'),
  ];
}

function remarks(host: HostClockSummary, all: boolean): readonly string[] {
  const name = label(host);
  const { steps, service, discarded, correctionMs, offsetMs, boundMs } = host;
  const lines: string[] = [];
  if (!all && correctionMs !== 0) {
    const drift = host.driftPpm ? `, drifting ${host.driftPpm.toFixed(0)} ppm` : '';
    const estimate = offsetMs === null ? '' : ` (off by ${signed(offsetMs)} ± ${millis(boundMs)} ms${drift})`;
    lines.push(`${name}: moved by ${signed(-correctionMs)} ms${estimate}`);
  }
  for (const { at, byMs, withinMs } of steps) {
    lines.push(`${name}: stepped by ${signed(byMs)} ms at ${at.slice(11, 23)} (± ${millis(withinMs)} ms)`);
  }
  if (discarded.length > 0) {
    lines.push(
      `${name}: messages prove its stated bound wrong, ${discarded.length} times from ${discarded[0]?.slice(11, 23)} on`,
    );
  }
  if (service && service.unsynchronised > 0) {
    const lasted = service.unsynchronisedMs > 0 ? `, ${millis(service.unsynchronisedMs / 1000)} s` : '';
    lines.push(`${name}: not synchronised in ${service.unsynchronised} of ${service.reports} reports${lasted}`);
  }
  if (service && all) {
    const { stratum, offsetMs: own, frequencyPpm, worstBoundMs, leapStatus } = service;
    const told = [
      ...(stratum === null ? [] : [`stratum ${stratum}`]),
      ...(own === null ? [] : [`offset ${signed(own)} ms`]),
      ...(frequencyPpm === null ? [] : [`frequency ${frequencyPpm} ppm`]),
      ...(worstBoundMs === null ? [] : [`bound up to ${millis(worstBoundMs)} ms`]),
      ...(leapStatus === null ? [] : [leapStatus]),
    ];
    lines.push(`${name}: chrony says ${told.join(', ')}`);
  }
  return lines;
}

function contradictions({ contradictory }: ClocksSummary): readonly string[] {
  const byHosts = new Map<string, { readonly at: string; count: number }>();
  for (const { at, hosts } of contradictory) {
    const key = hosts.join(', ');
    const known = byHosts.get(key);
    if (known) known.count += 1;
    else byHosts.set(key, { at, count: 1 });
  }
  return Array.from(
    byHosts,
    ([hosts, { at, count }]) =>
      `messages between ${hosts} contradict each other around ${at.slice(11, 19)}${count > 1 ? ` and ${count - 1} more times` : ''}`,
  );
}

/** A host's id says nothing to a reader; its instances do. */
function label({ host, instances }: HostClockSummary): string {
  if (instances.length === 1) return instances[0] as string;
  return instances.length === 0 ? host : `${instances[0]} and ${instances.length - 1} more`;
}

function nameOf({ hosts }: ClocksSummary, id: string): string {
  const host = hosts.find((one) => one.host === id);
  return host ? label(host) : id;
}

function signed(ms: number): string {
  return `${ms < 0 ? '-' : '+'}${millis(Math.abs(ms))}`;
}
