import type { CallFate } from './call-fate';

/** The callee's name does not resolve. */
export function dnsFailure(service: string): CallFate {
  return { delayMs: 0, reset: false, failure: { kind: 'NO_INSTANCE', message: `no instance of ${service}` } };
}
