import { quote } from '../../lib/model/event-line';
import type { Fallback } from '../../lib/model/resilience';

/** What stands among the responses in the place of the answer of a call that failed. */
export function fallbackResponse(service: string, fallback: Fallback): string {
  if ('body' in fallback) return JSON.stringify(fallback.body);
  const payload = fallback.bytes > 0 ? `,"payload":"${'x'.repeat(fallback.bytes)}"` : '';
  return `{"service":${quote(service)},"fallback":true${payload}}`;
}
