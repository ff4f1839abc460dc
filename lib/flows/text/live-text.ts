import type { Flow, Span } from '../flow';
import type { LiveSummary } from '../live/live-summary';
import { cut, millis, paint, printable, type Style } from './style';

/** How a flow's line is marked beside what the flow itself says. */
export interface LiveMarks {
  readonly failed: boolean;
  readonly givenUp: boolean;
  /** Among the slowest hundredth so far. */
  readonly slow: boolean;
}

/** A flow on one line: when it began, its root, how long it took, its status, and what struck it. */
export function liveFlowLine(flow: Flow, { failed, givenUp, slow }: LiveMarks, style: Style): string {
  const { root, status, durationMs, startTime } = flow;
  const fixed = `${startTime.slice(11, 23)} ${millis(durationMs).padStart(7)} ms ${String(status ?? '-').padStart(3)}  `;
  const name = printable(`${root.service} ${root.endpoint ?? '?'}`);
  const marks = printable([...(givenUp ? ['incomplete: given up'] : []), ...troubles(flow)].join(', '));
  const text = cut(`${name}${marks === '' ? '' : `  ${marks}`}`, style.width - fixed.length, style);
  const line = fixed + text;
  return failed ? paint(style, 'red', line) : givenUp || slow ? paint(style, 'yellow', line) : line;
}

/** Kinds of errors and faults in it, each with the instance that they were seen at, and how often where more than once. */
function troubles({ root, orphans, client }: Flow): readonly string[] {
  const counts = new Map<string, number>();
  const note = (text: string): void => {
    counts.set(text, (counts.get(text) ?? 0) + 1);
  };
  const visit = (span: Span): void => {
    if (span.error) note(`${span.error.kind} ${span.instance}`);
    for (const { type } of span.faults) note(`fault ${type ?? '?'} ${span.instance}`);
    for (const { child, error, callee } of span.calls) {
      if (child) visit(child);
      else if (error) note(`${error.kind} ${callee?.split(' ')[0] ?? '?'}`);
    }
    span.queued.forEach(visit);
  };
  if (client?.error) note(`${client.error.kind} client`);
  for (const top of [root, ...orphans]) visit(top);
  return Array.from(counts, ([text, times]) => (times > 1 ? `${text} x${times}` : text));
}

/** The run so far on one line. */
export function liveSummaryText(summary: LiveSummary): string {
  const { flows, flowsPerSecond, errorRatio, p50Ms, p99Ms, waiting, givenUp, lateEvents } = summary;
  const parts = [
    `${flows} flows`,
    ...(flowsPerSecond === null ? [] : [`${millis(flowsPerSecond)}/s`]),
    ...(errorRatio === null
      ? []
      : [`${(100 * errorRatio).toFixed(errorRatio > 0 && errorRatio < 0.1 ? 2 : 1)} % failed`]),
    ...(p50Ms === null ? [] : [`p50 ${millis(p50Ms)} ms`, `p99 ${millis(p99Ms)} ms`]),
    ...(waiting > 0 ? [`${waiting} under way`] : []),
    ...(givenUp > 0 ? [`${givenUp} given up`] : []),
    ...(lateEvents > 0 ? [`${lateEvents} events late`] : []),
  ];
  return parts.join(', ');
}
