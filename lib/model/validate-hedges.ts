import { parseCallee } from './callee';
import { isObject, type Report } from './shape';
import type { Survey } from './survey';

/** Whether each hedge can ever be sent: to another instance, and while its call still waits. */
export function checkHedges({ services, requests }: Survey, report: Report): void {
  for (const { kind, where, reference, options } of requests) {
    const { hedge, timeoutMs } = options;
    if (kind !== 'call' || !isObject(hedge)) continue;
    const place = where.replace(/\.call$/, '.hedge');
    const callee = parseCallee(reference).service;
    if (services.get(callee)?.replicas === 1) {
      report(place, `${callee} has one instance, and a hedge goes to another`, 'give it replicas: 2');
    }
    const { afterMs } = hedge;
    if (typeof afterMs === 'number' && typeof timeoutMs === 'number' && afterMs >= timeoutMs) {
      report(`${place}.afterMs`, `the call has timed out after ${timeoutMs} ms`, 'hedge earlier');
    }
  }
}
