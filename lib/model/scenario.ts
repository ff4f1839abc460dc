import type { Distribution } from './distribution';
import type { FaultRule } from './fault';

/** A scenario with every default filled in: what is played, recorded with the run, and answered by the check. Times in ms. */
export interface Scenario {
  readonly name: string;
  readonly description: string | null;
  readonly load: ScenarioLoad | null;
  /** In the order written. */
  readonly steps: readonly ScenarioStep[];
  readonly expect: readonly Expectation[];
}

export interface ScenarioLoad {
  readonly arrivals: 'constant' | 'poisson';
  readonly phases: readonly ScenarioPhase[];
}

export interface ScenarioPhase {
  readonly name: string | null;
  readonly fromRate: number;
  readonly toRate: number;
  readonly durationMs: number;
}

export type ScenarioStep = {
  readonly name: string;
  /** Since the traffic's start, its warm-up not counted. */
  readonly atMs: number;
  /** Null: until the traffic ends; a crash strikes once. */
  readonly forMs: number | null;
} & ScenarioChange;

export type ScenarioChange =
  /** The rule's id is the step's name. */
  | { readonly kind: 'fault'; readonly service: string; readonly rule: FaultRule }
  | {
      readonly kind: 'connect';
      readonly from: string;
      readonly endpoint?: string;
      readonly to: string;
      readonly probability?: number;
      readonly timeoutMs?: number;
      readonly optional?: boolean;
    }
  | { readonly kind: 'disconnect'; readonly from: string; readonly endpoint?: string; readonly to: string }
  | { readonly kind: 'work'; readonly service: string; readonly endpoint?: string; readonly work: WorkChange }
  | { readonly kind: 'scale'; readonly service: string; readonly replicas: number };

export interface WorkChange {
  readonly latencyMs?: Distribution;
  readonly cpuMs?: Distribution;
  readonly memoryBytes?: Distribution;
  readonly diskBytes?: Distribution;
}

/** Whose requests are meant: what a service handled, what a caller tried, or (null) what the client asked for. */
export type Subject =
  | { readonly kind: 'handled'; readonly service: string; readonly endpoint: string | null }
  /** `from` may be `client`. */
  | { readonly kind: 'calls'; readonly from: string; readonly service: string; readonly endpoint: string | null };

/** Nothing: the whole run. */
export type Window =
  | { readonly named: string }
  /** Since the traffic's start; null: its start, its end. */
  | { readonly fromMs: number | null; readonly toMs: number | null };

export interface TimeLimit {
  /** Of `responseTime` (from the planned moment of sending) or `serviceTime`. */
  readonly time: 'responseTime' | 'serviceTime';
  readonly percentile: number;
  readonly atMostMs: number;
}

export interface Expectation {
  /** What is meant by it; null where nobody said. */
  readonly name: string | null;
  readonly of: Subject | null;
  readonly during: Window | null;
  readonly that: Demand;
}

export type Demand =
  | ({ readonly kind: 'time' } & TimeLimit)
  | { readonly kind: 'errors'; readonly atMost: number }
  | { readonly kind: 'throughput'; readonly atLeast: number }
  | {
      readonly kind: 'recovered';
      /** Name of a step. */
      readonly after: string;
      readonly withinMs: number;
      readonly limits: readonly TimeLimit[];
      readonly errorsAtMost: number | null;
    };

/** How long all phases of a load take together. */
export function loadLengthMs({ phases }: { readonly phases: readonly { readonly durationMs: number }[] }): number {
  return phases.reduce((sum, { durationMs }) => sum + durationMs, 0);
}
