import type { SpanDecision } from '../flow';

/** `HEDGE_SENT data GET /, attempt 2: afterMs 40` */
export function decisionText({ event, callee, attempt, figures }: SpanDecision): string {
  const call = callee === null ? '' : ` ${callee}${(attempt ?? 1) > 1 ? `, attempt ${attempt}` : ''}`;
  const told = Object.entries(figures).map(([name, value]) => `${name} ${value}`);
  return `${event}${call}${told.length > 0 ? `: ${told.join(', ')}` : ''}`;
}

/** `hedge sent 12, fallback used 1`; empty where there are none. */
export function decisionCounts(counts: ReadonlyMap<string, number>): string {
  const named = Array.from(counts, ([event, times]) => `${event.toLowerCase().replaceAll('_', ' ')} ${times}`);
  return named.sort().join(', ');
}
