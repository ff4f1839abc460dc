import { parseCallee } from './callee';
import { layered } from './layered';
import { isObject, type Report } from './shape';
import type { Survey } from './survey';

/** Whether each hedge can ever be sent: to another instance, and while its call still waits. */
export function checkHedges({ defaults, services, requests }: Survey, report: Report): void {
  checkInTime(defaults.hedge, defaults.timeoutMs, 'defaults.hedge', report);
  for (const { where, value } of services.values()) {
    const own = asObject(value.callDefaults);
    checkInTime(own.hedge, layered(own, defaults).timeoutMs, `${where}.callDefaults.hedge`, report);
  }
  for (const { kind, where, from, reference, options } of requests) {
    if (kind !== 'call' || !isObject(options.hedge)) continue;
    const place = where.replace(/\.call$/, '.hedge');
    const callee = parseCallee(reference).service;
    if (services.get(callee)?.replicas === 1) {
      report(place, `${callee} has one instance, and a hedge goes to another`, 'give it replicas: 2');
    }
    const { timeoutMs } = layered(options, asObject(services.get(from.service)?.value.callDefaults), defaults);
    checkInTime(options.hedge, timeoutMs, place, report);
  }
}

function checkInTime(hedge: unknown, timeoutMs: unknown, place: string, report: Report): void {
  if (!isObject(hedge) || typeof hedge.afterMs !== 'number' || typeof timeoutMs !== 'number') return;
  if (hedge.afterMs < timeoutMs) return;
  report(`${place}.afterMs`, `the call has timed out after ${timeoutMs} ms`, 'hedge earlier');
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : {};
}
