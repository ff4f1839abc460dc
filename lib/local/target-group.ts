import { Agent, get } from 'node:http';
import { RESERVED_PATHS } from '../model/contract';

/** How an Application Load Balancer checks and drains its targets; shorter by default, since here nobody pays for checks. */
export interface TargetSettings {
  /** @default 2000 */
  readonly healthIntervalMs: number;
  /** @default 2000 */
  readonly healthTimeoutMs: number;
  /** Checks passed in a row that make an unhealthy target healthy; a new target needs one. @default 2 */
  readonly healthyThreshold: number;
  /** Checks failed in a row that make a healthy target unhealthy. @default 2 */
  readonly unhealthyThreshold: number;
  /** How long the requests under way of a deregistered target may take (ALB: deregistration delay). @default 10000 */
  readonly drainMs: number;
}

export const TARGET_DEFAULTS: TargetSettings = {
  healthIntervalMs: 2_000,
  healthTimeoutMs: 2_000,
  healthyThreshold: 2,
  unhealthyThreshold: 2,
  drainMs: 10_000,
};

/** A new target is checked this often until it first passes. */
const FIRST_CHECK_INTERVAL_MS = 100;

export type TargetState = 'initial' | 'healthy' | 'unhealthy' | 'draining';

export interface Target {
  readonly instance: string;
  readonly address: string;
  readonly port: number;
  readonly agent: Agent;
  state: TargetState;
  inFlight: number;
  /** Called whenever a request of a draining target ends. */
  onRelease: (() => void) | undefined;
}

/** The instances of one edge service: who is healthy, and whose turn it is. */
export interface TargetGroup {
  readonly service: string;
  register(instance: string, address: string, port: number): void;
  /** Takes no new requests to the instance; resolves when those under way have ended, at the latest after the drain time. */
  deregister(instance: string): Promise<void>;
  /** The target of the next request; undefined where none may have it. */
  next(): Target | undefined;
  states(): Readonly<Record<string, TargetState>>;
  close(): void;
}

export function targetGroup(
  service: string,
  settings: TargetSettings,
  onHealth: (service: string, instance: string, healthy: boolean) => void,
): TargetGroup {
  const targets = new Map<string, Target>();
  const checks = new Map<Target, () => void>();
  let routable: readonly Target[] = [];
  let turn = 0;

  /** With no healthy target the unhealthy ones get the requests, as an ALB fails open; new ones never do. */
  const updateRoutable = () => {
    const inState = (state: TargetState) => [...targets.values()].filter((target) => target.state === state);
    const healthy = inState('healthy');
    routable = healthy.length > 0 ? healthy : inState('unhealthy');
  };

  const drop = (target: Target) => {
    checks.get(target)?.();
    checks.delete(target);
    target.agent.destroy();
  };

  return {
    service,
    register(instance, address, port) {
      const old = targets.get(instance);
      if (old) drop(old);
      const target: Target = {
        instance,
        address,
        port,
        agent: new Agent({ keepAlive: true, maxSockets: 1_024, maxFreeSockets: 256 }),
        state: 'initial',
        inFlight: 0,
        onRelease: undefined,
      };
      targets.set(instance, target);
      const onChange = (state: 'healthy' | 'unhealthy') => {
        target.state = state;
        updateRoutable();
        onHealth(service, instance, state === 'healthy');
      };
      checks.set(target, startChecks(target, settings, onChange));
      updateRoutable();
    },
    async deregister(instance) {
      const target = targets.get(instance);
      if (!target) return;
      targets.delete(instance);
      target.state = 'draining';
      checks.get(target)?.();
      updateRoutable();
      await drained(target, settings.drainMs);
      drop(target);
    },
    next() {
      if (routable.length === 0) return undefined;
      turn = (turn + 1) % routable.length;
      return routable[turn];
    },
    states: () => Object.fromEntries(Array.from(targets.values(), ({ instance, state }) => [instance, state])),
    close() {
      for (const target of targets.values()) drop(target);
      targets.clear();
      updateRoutable();
    },
  };
}

function drained(target: Target, drainMs: number): Promise<void> {
  if (target.inFlight === 0) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, drainMs);
    target.onRelease = () => {
      if (target.inFlight > 0) return;
      clearTimeout(timer);
      resolve();
    };
  });
}

/** Checks the target again and again, one check at a time; returns what ends it. */
function startChecks(
  target: Target,
  settings: TargetSettings,
  onChange: (state: 'healthy' | 'unhealthy') => void,
): () => void {
  let ended = false;
  let passes = 0;
  let failures = 0;
  let timer: NodeJS.Timeout | undefined;
  let cancel: () => void = () => {};

  const onResult = (passed: boolean) => {
    if (ended) return;
    passes = passed ? passes + 1 : 0;
    failures = passed ? 0 : failures + 1;
    if (passed && (target.state === 'initial' || passes === settings.healthyThreshold)) {
      if (target.state !== 'healthy') onChange('healthy');
    } else if (target.state === 'healthy' && failures === settings.unhealthyThreshold) {
      onChange('unhealthy');
    }
    timer = setTimeout(check, target.state === 'initial' ? FIRST_CHECK_INTERVAL_MS : settings.healthIntervalMs);
  };
  const check = () => {
    cancel = checkOnce(target, settings.healthTimeoutMs, onResult);
  };
  check();
  return () => {
    ended = true;
    clearTimeout(timer);
    cancel();
  };
}

/** One check on a connection of its own: passed when the answer is 200 within the time. */
function checkOnce(target: Target, timeoutMs: number, onResult: (passed: boolean) => void): () => void {
  let done = false;
  const end = (passed: boolean) => {
    if (done) return;
    done = true;
    clearTimeout(timer);
    onResult(passed);
    request.destroy();
  };
  const { address: host, port } = target;
  const request = get({ host, port, path: RESERVED_PATHS.ready, agent: false }, (response) => {
    response.on('error', () => {}).resume();
    end(response.statusCode === 200);
  });
  request.on('error', () => end(false));
  const timer = setTimeout(() => end(false), timeoutMs);
  return () => {
    done = true;
    clearTimeout(timer);
    request.destroy();
  };
}
