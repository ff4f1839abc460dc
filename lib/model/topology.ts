import type { Distribution } from './distribution';
import type { CallFault, Fault, FaultRule } from './fault';
import type { CallPolicies, Limit, RetryBudget } from './resilience';
import type { ClientKind, ServerKind } from './spec';

/** A topology with every default filled in and every reference resolved: what runs, and what a run is checked against. */
export interface Topology {
  readonly name: string;
  readonly seed: string;
  /** By name, in the order written. */
  readonly services: Readonly<Record<string, Service>>;
}

export type Role = 'edge' | 'intermediate' | 'foundational';

export interface Service {
  readonly name: string;
  /** `edge` wins over the place in the graph. */
  readonly role: Role;
  readonly edge: boolean;
  readonly replicas: number;
  readonly server: ServerKind;
  readonly client: ClientKind;
  /** Requests worked on at once in each instance; absent without a limit. */
  readonly concurrency?: Limit;
  /** By key `METHOD /path`, in the order written. */
  readonly endpoints: Readonly<Record<string, Endpoint>>;
  /** Names of the services it calls or sends to, sorted, each once. */
  readonly callees: readonly string[];
  /** Names of the services that call it, sorted, each once. */
  readonly callers: readonly string[];
  /** What goes wrong on purpose, those of its endpoints included, in the order written. */
  readonly faults: readonly FaultRule[];
  readonly instanceType?: string;
}

export interface Endpoint {
  /** `METHOD /path` as written; `GET /` for a default endpoint. */
  readonly key: string;
  /** Answers every method: true for a default endpoint only. */
  readonly anyMethod: boolean;
  /** What the load driver sends; POST for a default endpoint with `requestBytes`. */
  readonly method: string;
  readonly path: string;
  readonly weight: number;
  readonly deadlineMs: number;
  readonly requestBytes: Distribution | null;
  readonly responseBytes: Distribution;
  readonly steps: readonly Step[];
  /** Its own limit, in the place of the service's. */
  readonly concurrency?: Limit;
}

export type Step = CallStep | SendStep | ParallelStep | SequenceStep | OneOfStep | WorkStep | FaultStep;

/** Common to what sends a request to another service. */
export interface Outgoing extends CallPolicies {
  /**
   * The step's identity within its endpoint, which draws depend on: as written, or
   * `<kind>:<callee> <endpoint>#<occurrence>`.
   */
  readonly id: string;
  readonly service: string;
  /** Key of the callee's endpoint. */
  readonly endpoint: string;
  readonly method: string;
  readonly path: string;
  readonly probability: number;
  readonly count: Distribution;
  readonly timeoutMs: number | null;
  readonly retries: Retries;
  readonly requestBytes: Distribution | null;
  readonly optional: boolean;
  /** Drawn for each attempt. */
  readonly faults: readonly CallFault[];
}

export interface CallStep extends Outgoing {
  readonly kind: 'call';
}

export interface SendStep extends Outgoing {
  readonly kind: 'send';
}

/** Retries after the first attempt; `max` 0 means none. */
export interface Retries {
  readonly max: number;
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  readonly jitter: number;
  readonly budget?: RetryBudget;
}

/** All branches start together; the group ends when the last one has, also when one fails. */
export interface ParallelStep {
  readonly kind: 'parallel';
  readonly id: string;
  readonly steps: readonly Step[];
}

/** One after the other; ends at the first failure. */
export interface SequenceStep {
  readonly kind: 'sequence';
  readonly id: string;
  readonly steps: readonly Step[];
}

export interface OneOfStep {
  readonly kind: 'oneOf';
  readonly id: string;
  readonly branches: readonly { readonly weight: number; readonly steps: readonly Step[] }[];
}

export interface WorkStep {
  readonly kind: 'work';
  readonly id: string;
  readonly latencyMs: Distribution | null;
  readonly cpuMs: Distribution | null;
  readonly memoryBytes: Distribution | null;
  readonly diskBytes: Distribution | null;
}

/** Goes wrong on purpose at its place among the steps. */
export interface FaultStep {
  readonly kind: 'fault';
  readonly id: string;
  readonly fault: Fault;
  readonly probability: number;
}
