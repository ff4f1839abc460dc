import type { Distribution } from './distribution';
import type { CalleeRef, FaultRuleSpec } from './spec';

/**
 * A scenario as its author writes it, beside the services: a timed list of faults and changes, the load that goes with it,
 * and what is expected of the run. Names of services and endpoints are checked by the compiler.
 */
export interface ScenarioSpec<S = Record<string, Record<string, unknown>>> {
  readonly description?: string;
  /** What the command line says of rates and times goes first. @default the command's */
  readonly load?: ScenarioLoadSpec;
  readonly steps?: readonly ScenarioStepSpec<S>[];
  readonly expect?: readonly ExpectationSpec<S>[];
}

/** Such as `500ms`, `30s`, `1.5m`. */
export type DurationText = `${number}${'ms' | 's' | 'm' | 'h'}`;

export interface ScenarioLoadSpec {
  /** @default constant */
  readonly arrivals?: 'constant' | 'poisson';
  readonly phases: readonly PhaseSpec[];
}

export interface PhaseSpec {
  /** By which expectations name it. */
  readonly name?: string;
  /** Requests per second; a ramp grows or falls evenly. 0 is a pause. */
  readonly rate: number | { readonly from: number; readonly to: number };
  readonly for: DurationText;
}

type Name<S> = keyof S & string;

/** A service, perhaps with one of its own endpoints. */
type Place<S> = {
  [K in Name<S>]: { readonly service: K; readonly endpoint?: keyof S[K] & string };
}[Name<S>];

/** The same, as the side that calls. */
type Caller<S> = {
  [K in Name<S>]: { readonly from: K; readonly endpoint?: keyof S[K] & string };
}[Name<S>];

interface Timed {
  /** Since the traffic's start, its warm-up not counted. */
  readonly at: DurationText;
  /** How long it stands. @default until the traffic ends; a crash strikes once */
  readonly for?: DurationText;
  /** By which the log and expectations name it. @default its kind and its number in the list: `scale-2` */
  readonly name?: string;
}

/** One change at its time; of several at one time the first written is the first made. */
export type ScenarioStepSpec<S = Record<string, Record<string, unknown>>> = Timed &
  (
    | { readonly fault: FaultWithoutPlace & { readonly callee?: CalleeRef<S> } & Place<S> }
    | { readonly connect: Caller<S> & { readonly to: CalleeRef<S> } & ConnectSpec }
    | { readonly disconnect: Caller<S> & { readonly to: CalleeRef<S> } }
    | { readonly work: Place<S> & WorkChangeSpec }
    | { readonly scale: { readonly service: Name<S>; readonly replicas: number } }
  );

type FaultWithoutPlace = FaultRuleSpec extends infer Rule
  ? Rule extends unknown
    ? Omit<Rule, 'endpoint' | 'callee' | 'id' | 'forMs'>
    : never
  : never;

/** A call that is added, as the last step. */
interface ConnectSpec {
  /** From 0 to 1. @default 1 */
  readonly probability?: number;
  /** @default whatever is left of the deadline */
  readonly timeoutMs?: number;
  /** @default false */
  readonly optional?: boolean;
}

/** What the first work step of the endpoints does from now on; what is left out stays. */
interface WorkChangeSpec {
  readonly latencyMs?: Distribution;
  readonly cpuMs?: Distribution;
  readonly memoryBytes?: Distribution;
  readonly diskBytes?: Distribution;
}

/** Whose requests are meant. */
export type SubjectSpec<S = Record<string, Record<string, unknown>>> =
  /** Requests that a service, or one of its endpoints, handled. */
  | CalleeRef<S>
  /** Attempts of calls as their caller saw them; `client` is the load driver. */
  | { readonly from: Name<S> | 'client'; readonly to: CalleeRef<S> };

interface Limited {
  readonly percentile: number;
  readonly atMostMs: number;
}

interface Expected<S> {
  /** What is meant by it, for whoever reads the answer. */
  readonly name?: string;
  /** @default every request of the client */
  readonly of?: SubjectSpec<S>;
}

interface During {
  /** A phase, a step while it stands, or a stretch of time. @default the whole run */
  readonly during?: string | { readonly from?: DurationText; readonly to?: DurationText };
}

export type ExpectationSpec<S = Record<string, Record<string, unknown>>> = Expected<S> &
  (
    | (During &
        /** From the planned moment of sending; of requests of the client only. */
        (
          | { readonly responseTime: Limited }
          /** From sending, or from receipt where a service handled it. */
          | { readonly serviceTime: Limited }
          /** Share of requests without an answer, or with a status of 500 or above. */
          | { readonly errors: { readonly atMost: number } }
          /** Requests per second that did not fail. */
          | { readonly throughput: { readonly atLeast: number } }
        ))
    | { readonly recovered: RecoveredSpec }
  );

/** From so long after a step's end to the next step's begin, or to the traffic's end, all of this holds. */
interface RecoveredSpec {
  readonly after: string;
  readonly within: DurationText;
  readonly responseTime?: Limited;
  readonly serviceTime?: Limited;
  readonly errors?: { readonly atMost: number };
}
