import type { Distribution } from './distribution';
import type { CrashSignal, FaultPosition } from './fault';
import type { AnswerPolicySpecs, CallPolicySpecs, LimitSpec, RetryBudgetSpec } from './resilience';
import type { ScenarioSpec } from './scenario-spec';

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
  /** Timed faults and changes, with what is expected of them: `tools/load.ts --scenario <name>`. */
  readonly scenarios?: Readonly<Record<string, NoInfer<ScenarioSpec<S>>>>;
}

/** Checks the callees of a topology at compile time and returns it unchanged. */
export function topology<S>(spec: TopologySpec<S>): TopologySpec<S> {
  return spec;
}

/** `service` (its default endpoint) or `service METHOD /path`. */
export type CalleeRef<S> = {
  [K in keyof S & string]: K | `${K} ${keyof S[K] & string}`;
}[keyof S & string];

/**
 * What calls have when they don't say otherwise; of policies `send`s have the breaker and the bulkhead. A hedge is left out
 * where it could never be sent: to a callee of one instance, or after the call's time-out.
 */
export interface CallDefaultsSpec extends CallPolicySpecs, AnswerPolicySpecs {
  /** Time one attempt of a call may take. @default whatever is left of the deadline */
  readonly timeoutMs?: number;
  readonly retries?: RetriesSpec;
}

/** What services, endpoints and calls have when they don't say otherwise. */
export interface DefaultsSpec extends CallDefaultsSpec {
  readonly server?: ServerKind;
  readonly client?: ClientKind;
  readonly replicas?: number;
  /** Whole time an edge request may take, and each queued `send`. @default 10000 */
  readonly deadlineMs?: number;
  /** Of each service, in each instance. @default no limit */
  readonly concurrency?: LimitSpec;
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
  /**
   * Requests worked on at once in each instance, those of endpoints with a limit of their own apart; `false` switches a
   * default off. @default no limit
   */
  readonly concurrency?: LimitSpec | false;
  /** Of the calls that it makes, before those of the topology. */
  readonly callDefaults?: CallDefaultsSpec;
  /** Keys are `METHOD /path`; a path segment `:name` stands for any one segment. */
  readonly endpoints?: { readonly [P in keyof E]: NamedEndpointSpec<R> };
  /** What goes wrong on purpose; each rule for every endpoint unless it names one. */
  readonly faults?: readonly FaultRuleSpec[];
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

export interface NamedEndpointSpec<R extends string = string> extends EndpointSpec<R> {
  /** In the place of the service's. */
  readonly concurrency?: LimitSpec;
  /** What goes wrong on purpose with requests to this endpoint. */
  readonly faults?: readonly EndpointFaultSpec[];
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
  | WorkSpec
  | FaultStepSpec;

interface Identified {
  /** Names the step in draws and events. @default kind, callee and occurrence */
  readonly id?: string;
}

/** What a call and a `send` may state. */
interface OutgoingSpec extends Identified, CallPolicySpecs {
  /** From 0 to 1. @default 1 */
  readonly probability?: number;
  /** How often, rounded; side by side inside a parallel group, else one after the other. @default 1 */
  readonly count?: Distribution;
  readonly timeoutMs?: number;
  readonly retries?: RetriesSpec;
  readonly requestBytes?: Distribution;
  /** A failure is reported in the answer and tolerated. @default false */
  readonly optional?: boolean;
  /** What goes wrong on purpose, drawn for each attempt. */
  readonly faults?: readonly CallFaultSpec[];
}

/** A synchronous call. */
export interface CallSpec<R extends string = string> extends OutgoingSpec, AnswerPolicySpecs {
  readonly call: R;
  /** @default the endpoint's; for a default endpoint GET, or POST where `requestBytes` is given */
  readonly method?: string;
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
      /** Shared by all calls of a process to the same service with the same budget. @default no bound */
      readonly budget?: RetryBudgetSpec;
    };

/** A one-way message: answered 202 once queued, worked on afterwards. Always a POST. */
export interface SendSpec<R extends string = string> extends OutgoingSpec {
  readonly send: R;
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

/** Arguments by fault type, as written: those with a default may be left out. Times in ms, sizes in MiB. */
export interface FaultArgs {
  readonly latency: { readonly delay: Distribution };
  readonly error: { readonly status?: number };
  readonly reset: NoArgs;
  readonly hang: { readonly duration?: number };
  readonly 'slow-body': { readonly bytesPerSecond: number };
  readonly truncate: NoArgs;
  readonly corrupt: NoArgs;
  readonly cpu: { readonly duration: number };
  readonly 'memory-leak': { readonly size: number; readonly duration: number };
  readonly 'disk-fill': { readonly size: number; readonly duration: number };
  readonly block: { readonly duration: number };
  readonly refuse: { readonly duration: number };
  readonly unready: { readonly duration: number };
  readonly crash: { readonly exitCode?: number; readonly signal?: CrashSignal };
  readonly 'dns-failure': NoArgs;
  readonly partition: NoArgs;
  readonly 'clock-offset': { readonly offset: number; readonly duration: number };
}

type NoArgs = Readonly<Record<string, never>>;

/** `{ [key]: type, args }`; `args` may be left out where all of them may. */
type Typed<Key extends string> = {
  [T in keyof FaultArgs]: { readonly [K in Key]: T } & (Record<string, never> extends FaultArgs[T]
    ? { readonly args?: FaultArgs[T] }
    : { readonly args: FaultArgs[T] });
}[keyof FaultArgs];

interface Drawn extends Identified {
  /** From 0 to 1. @default 1 */
  readonly probability?: number;
}

/** A fault among the steps: `{ fault: 'error', args: { status: 503 }, probability: 0.01 }`. */
export type FaultStepSpec = Typed<'fault'> & Drawn;

/** A fault of a call: `{ type: 'partition' }`. */
export type CallFaultSpec = Typed<'type'> & Drawn;

export type EndpointFaultSpec = Typed<'type'> &
  Drawn & {
    readonly at: Exclude<FaultPosition, 'instance'>;
    /** `call` only: the callee concerned, `service` or `service METHOD /path`. @default every one */
    readonly callee?: string;
    /** Strikes from the n-th request on that a process handles. @default 1 */
    readonly fromRequest?: number;
    /** Ends so long after it first could strike in a process. @default never */
    readonly forMs?: number;
    /** Instances concerned, such as `catalog-2`. @default every one */
    readonly instances?: readonly string[];
    /** Of several that decide one answer the highest wins. @default 0 */
    readonly priority?: number;
  };

/** A fault of a service: `{ type: 'error', at: 'before', probability: 0.4 }`. */
export type FaultRuleSpec = Without<EndpointFaultSpec, 'at'> & {
  readonly at: FaultPosition;
  /** Key of the endpoint concerned. @default every one */
  readonly endpoint?: string;
};

/** `Omit` that keeps the members of a union apart. */
type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
