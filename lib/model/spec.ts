import type { Distribution } from './distribution';

/**
 * The topology as its author writes it: a plain value, typed so that a misspelt callee or endpoint does not compile.
 * `resolve` turns it into the `Topology` that everything else works with.
 */
export interface TopologySpec<S = Record<string, Record<string, unknown>>> {
  /** A DNS label of at most 32 characters. @default the file's base name */
  readonly name?: string;
  /** What every draw depends on. @default the name */
  readonly seed?: string;
  readonly defaults?: DefaultsSpec;
  readonly services: { readonly [K in keyof S]: ServiceSpec<S[K], NoInfer<CalleeRef<S>>> };
}

/** Checks the callees of a topology at compile time and returns it unchanged. */
export function topology<S>(spec: TopologySpec<S>): TopologySpec<S> {
  return spec;
}

/** `service` (its default endpoint) or `service METHOD /path`. */
export type CalleeRef<S> = {
  [K in keyof S & string]: K | `${K} ${keyof S[K] & string}`;
}[keyof S & string];

/** What services, endpoints and calls have when they don't say otherwise. */
export interface DefaultsSpec {
  readonly server?: ServerKind;
  readonly client?: ClientKind;
  readonly replicas?: number;
  /** Whole time an edge request may take, and each queued `send`. @default 10000 */
  readonly deadlineMs?: number;
  /** Time one attempt of a call may take. @default whatever is left of the deadline */
  readonly timeoutMs?: number;
  readonly retries?: RetriesSpec;
  /** Size of the payload in an answer, apart from the answers of callees. @default 0 */
  readonly responseBytes?: Distribution;
}

export type ServerKind = 'koa' | 'http';
export type ClientKind = 'got' | 'undici';

/** Either named `endpoints`, or the fields of one default endpoint written in place. */
export interface ServiceSpec<E, R extends string = string> extends EndpointSpec<R> {
  /** Behind the load balancer. @default false */
  readonly edge?: boolean;
  /** @default 1 */
  readonly replicas?: number;
  readonly server?: ServerKind;
  readonly client?: ClientKind;
  /** Keys are `METHOD /path`; a path segment `:name` stands for any one segment. */
  readonly endpoints?: { readonly [P in keyof E]: EndpointSpec<R> };
  readonly aws?: { readonly instanceType?: string };
}

export interface EndpointSpec<R extends string = string> {
  /** Share of the edge's traffic among all edge endpoints. @default 1 */
  readonly weight?: number;
  /** Short for a first step `{ work: { latencyMs } }`. */
  readonly latencyMs?: Distribution;
  /** Body size that the load driver sends to this endpoint. @default no body */
  readonly requestBytes?: Distribution;
  readonly responseBytes?: Distribution;
  readonly deadlineMs?: number;
  /** Short for `steps` where all of them are calls. */
  readonly calls?: readonly CallItem<R>[];
  readonly steps?: readonly StepSpec<R>[];
}

/** A callee, a call with options, or a nested list: parallel inside a list, sequential inside a parallel one, and so on. */
export type CallItem<R extends string = string> = R | CallSpec<R> | readonly CallItem<R>[];

export type StepSpec<R extends string = string> =
  | R
  | readonly StepSpec<R>[]
  | CallSpec<R>
  | SendSpec<R>
  | ParallelSpec<R>
  | SequenceSpec<R>
  | OneOfSpec<R>
  | WorkSpec;

interface Identified {
  /** Names the step in draws and events. @default kind, callee and occurrence */
  readonly id?: string;
}

/** A synchronous call. */
export interface CallSpec<R extends string = string> extends Identified {
  readonly call: R;
  /** @default the endpoint's; for a default endpoint GET, or POST where `requestBytes` is given */
  readonly method?: string;
  /** From 0 to 1. @default 1 */
  readonly probability?: number;
  /** How often, rounded; side by side inside a parallel group, else one after the other. @default 1 */
  readonly count?: Distribution;
  readonly timeoutMs?: number;
  readonly retries?: RetriesSpec;
  readonly requestBytes?: Distribution;
  /** A failure is reported in the answer and tolerated. @default false */
  readonly optional?: boolean;
}

/** Attempts after the first, or those with exponential backoff: `backoffMs * 2^n`, less up to `jitter` of itself. */
export type RetriesSpec =
  | number
  | {
      readonly max: number;
      /** @default 25 */
      readonly backoffMs?: number;
      /** @default 1000 */
      readonly maxBackoffMs?: number;
      /** From 0 (none) to 1 (anywhere down to zero). @default 0.5 */
      readonly jitter?: number;
    };

/** A one-way message: answered 202 once queued, worked on afterwards. Always a POST. */
export interface SendSpec<R extends string = string> extends Identified {
  readonly send: R;
  readonly probability?: number;
  readonly count?: Distribution;
  readonly timeoutMs?: number;
  readonly retries?: RetriesSpec;
  readonly requestBytes?: Distribution;
  readonly optional?: boolean;
}

export interface ParallelSpec<R extends string = string> extends Identified {
  readonly parallel: readonly StepSpec<R>[];
}

export interface SequenceSpec<R extends string = string> extends Identified {
  readonly sequence: readonly StepSpec<R>[];
}

/** Exactly one branch, drawn by weight. */
export interface OneOfSpec<R extends string = string> extends Identified {
  readonly oneOf: readonly { readonly weight: number; readonly steps: readonly StepSpec<R>[] }[];
}

/** What the node does itself: burns CPU and writes to disk, then holds memory for as long as it waits. */
export interface WorkSpec extends Identified {
  readonly work: {
    readonly latencyMs?: Distribution;
    readonly cpuMs?: Distribution;
    readonly memoryBytes?: Distribution;
    readonly diskBytes?: Distribution;
  };
}
