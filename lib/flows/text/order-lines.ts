import type { Flow, OrderedEvent, Ordering, Span } from '../flow';
import { cut, millis, paint, printable, type Style } from './style';

/** Orderings that a flow shown by itself lists; the rest is counted. */
const MOST_LISTED = 20;

/** How many of a flow's orderings between hosts nothing proves; with `listed` each of them, and by how little. */
export function orderLines(flow: Flow, style: Style, listed: boolean): readonly string[] {
  const open = flow.orderings.filter(({ proof }) => proof === null);
  if (open.length === 0) return [];
  const mark = style.unicode ? '≈' : '~';
  const count = `  ${mark} ${open.length} of ${flow.orderings.length} orders between hosts are within clock error`;
  if (!listed) {
    return [paint(style, 'dim', cut(`${count}: see --flow ${flow.traceId.slice(0, 8)}`, style.width, style))];
  }
  const names = namer(flow);
  const told = open.slice(0, MOST_LISTED);
  const left = open.length - told.length;
  return [
    `${count}:`,
    ...told.flatMap((ordering) => rows(ordering, names, style)),
    ...(left > 0 ? [`    and ${left} more (all of them: --format json)`] : []),
  ];
}

/** In one line where that has room for both. */
function rows({ first, second, apartMs, boundMs }: Ordering, names: (event: OrderedEvent) => string, style: Style) {
  const sign = style.unicode ? '±' : '+-';
  const known = boundMs === null ? 'clocks unknown' : `clocks ${sign}${millis(boundMs)} ms`;
  const gap = `  ${apartMs < 0 ? '-' : ''}${millis(Math.abs(apartMs))} ms apart, ${known}`;
  const pair = `    ${names(first)} before ${names(second)}`;
  const room = style.width - gap.length;
  return pair.length <= room
    ? [`${pair.padEnd(Math.min(room, 48))}${gap}`]
    : [cut(pair, style.width, style), `    ${gap}`];
}

/** By instance, and by endpoint too where the instance has more than one span in the flow. */
function namer({ root, orphans }: Flow): (event: OrderedEvent) => string {
  const endpoints = new Map<string, string>();
  const spans = new Map<string, number>();
  const visit = ({ requestId, instance, endpoint, calls, queued }: Span): void => {
    endpoints.set(requestId, endpoint ?? '?');
    spans.set(instance, (spans.get(instance) ?? 0) + 1);
    for (const { child } of calls) if (child) visit(child);
    queued.forEach(visit);
  };
  for (const top of [root, ...orphans]) visit(top);
  return ({ requestId, instance, at }) => {
    const endpoint = (spans.get(instance) ?? 0) > 1 ? ` ${endpoints.get(requestId) ?? ''}` : '';
    return printable(`${instance}${endpoint} ${at}`);
  };
}
