import { RESERVED_PATHS } from '../../lib/model/contract';
import type { Discovery } from '../call/outgoing';

export interface HealthReport {
  readonly status: 200 | 405 | 503;
  readonly body: string;
}

export interface HealthParts {
  readonly service: string;
  readonly instance: string;
  readonly discovery: Discovery;
  readonly stopping: () => boolean;
  /** A fault keeps it from being ready. */
  readonly unready: () => boolean;
}

/**
 * Answers `/healthz` (the process is alive) and `/readyz` (it listens and its resolver answers). Readiness never waits
 * for callees: services that wait for each other would never start. Those that do not resolve are named in the body.
 */
export function healthChecks({ service, instance, discovery, stopping, unready }: HealthParts) {
  return (path: string, method: string): Promise<HealthReport> | HealthReport | undefined => {
    if (path !== RESERVED_PATHS.alive && path !== RESERVED_PATHS.ready) return undefined;
    if (method !== 'GET' && method !== 'HEAD') return report(405, { service, instance, error: 'only GET and HEAD' });
    if (path === RESERVED_PATHS.alive) return report(200, { service, instance });
    if (stopping()) return report(503, { service, instance, ready: false, reason: 'stopping' });
    if (unready()) return report(503, { service, instance, ready: false, reason: 'a fault keeps it from being ready' });
    return discovery
      .check()
      .then(({ answers, unresolved }) =>
        answers
          ? report(200, { service, instance, ready: true, unresolved })
          : report(503, { service, instance, ready: false, reason: 'the resolver does not answer', unresolved }),
      );
  };
}

function report(status: HealthReport['status'], body: Readonly<Record<string, unknown>>): HealthReport {
  return { status, body: JSON.stringify(body) };
}
