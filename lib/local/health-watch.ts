import type { Balancer } from './balancer';
import { StartError } from './start-error';

/** From the last instance's start to the first passed health check of every edge instance. */
const HEALTHY_WITHIN_MS = 60_000;

/** What a launch hears of the health of its edge. */
export interface HealthWatch {
  onHealth(service: string, instance: string, healthy: boolean): void;
  /**
   * Resolves once every edge instance has passed a health check; changes are for the user from then on.
   *
   * @throws StartError where one takes too long
   */
  allHealthy(balancer: Balancer): Promise<void>;
  stop(): void;
}

/** Waits for the edge's first health checks, and reports changes after them. */
export function healthWatch(onNotice: (line: string) => void): HealthWatch {
  let changed = () => {};
  let phase: 'starting' | 'up' | 'stopping' = 'starting';
  const met = new Set<string>();
  return {
    onHealth(service, instance, healthy) {
      changed();
      const isNew = !met.has(instance);
      met.add(instance);
      if (phase !== 'up' || (healthy && isNew)) return;
      onNotice(
        healthy
          ? `${instance} gets requests of the edge again`
          : `${instance} fails its health check: ${service}'s requests go to others`,
      );
    },
    async allHealthy(balancer) {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        changed();
      }, HEALTHY_WITHIN_MS);
      const unhealthy = () => Object.entries(balancer.states()).filter(([, state]) => state !== 'healthy');
      while (unhealthy().length > 0) {
        const [first] = unhealthy();
        if (late)
          throw new StartError(
            first?.[0] ?? '',
            `did not pass a health check within ${HEALTHY_WITHIN_MS / 1000} s`,
            '',
          );
        await new Promise<void>((resolve) => {
          changed = resolve;
        });
      }
      clearTimeout(timer);
      phase = 'up';
    },
    stop() {
      phase = 'stopping';
    },
  };
}
