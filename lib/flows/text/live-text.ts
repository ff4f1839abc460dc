import type { LiveFlow } from '../live/live-flows';
import type { LiveSummary } from '../live/live-summary';
import { cut, millis, paint, printable, type Style } from './style';

/**
 * A flow on one line: when it began, its root, how long it took, its status, and what struck it.
 *
 * @param slow whether it is among the slowest hundredth so far
 */
export function liveFlowLine(flow: LiveFlow, slow: boolean, style: Style): string {
  const { startMs, durationMs, status, failed, givenUp } = flow;
  const { service, endpoint, troubles } = flow.brief();
  const time = new Date(startMs).toISOString().slice(11, 23);
  const fixed = `${time} ${millis(durationMs).padStart(7)} ms ${String(status ?? '-').padStart(3)}  `;
  const name = printable(`${service} ${endpoint ?? '?'}`);
  const marks = printable([...(givenUp ? ['incomplete: given up'] : []), ...troubles].join(', '));
  const text = cut(`${name}${marks === '' ? '' : `  ${marks}`}`, style.width - fixed.length, style);
  const line = fixed + text;
  return failed ? paint(style, 'red', line) : givenUp || slow ? paint(style, 'yellow', line) : line;
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
