import type { FaultPosition, FaultSource, FaultType } from './fault';
import type { LoggedItinerary } from './itinerary-steps';
import type { OverlayRule } from './overlay';

/**
 * An event: one JSON object on a line of its own. The fields of fixed width come first, in the order of `FIELD_ORDER`,
 * which makes lines cheap to scan. Readers accept any order and unknown fields.
 */
export type EventKind =
  | 'SERVICE_UP'
  | 'SERVICE_DOWN'
  | 'REQUEST_RECEIVED'
  | 'REQUEST_SENT'
  | 'RESPONSE_RECEIVED'
  | 'RESPONSE_SENT'
  | 'RESULT_PRODUCED'
  | 'ERROR'
  | 'FAULT_INJECTED'
  | DecisionKind
  | 'CLOCK'
  | 'TOPOLOGY_CHANGED'
  | 'LOG_DROPPED';

/**
 * What a policy decided on its state or the time: a breaker's change, a request turned away. Each stands with the request
 * that brought it about, and bears the fields of the attempt where it concerns one.
 */
export type DecisionKind = (typeof DECISION_KINDS)[number];

export const DECISION_KINDS = [
  'BREAKER_OPENED',
  'BREAKER_HALF_OPENED',
  'BREAKER_CLOSED',
  'REQUEST_SHED',
  'RETRY_BUDGET_EXHAUSTED',
  'FALLBACK_USED',
  'HEDGE_SENT',
] as const;

export interface Event {
  /** Wall clock of the host, `2026-11-21T05:44:29.123Z`. */
  readonly timestamp: string;
  /** Hybrid logical clock, 16 hexadecimal digits. */
  readonly hlc: string;
  readonly event: EventKind;
  /**
   * Whole microseconds since the process started, by the monotonic clock: durations, the order within the process and
   * steps of the wall clock are read from it, whatever NTP does to `timestamp`.
   */
  readonly monotonicUs: number;
  /** Counts from 1 per (process, run) without gaps; events without a run count under `-`. */
  readonly seq: number;
  /** New at each start of the process: 8 base32 characters. */
  readonly process: string;
  readonly instance: string;
  readonly service: string;
  readonly topology: string;
  /** A run id, `adhoc`, or `-` for an event of the process itself. */
  readonly run: string;

  // Events of a request.
  /** W3C trace id. */
  readonly traceId?: string;
  /** Id of the request being handled: its span, 16 hexadecimal digits. */
  readonly requestId?: string;
  /** The caller's request id, as `traceparent` brought it; absent at a root that came without. */
  readonly parentRequestId?: string;
  /** Place of the request being handled, 16 hexadecimal digits. */
  readonly place?: string;
  /** Key of the endpoint that handles the request. */
  readonly endpoint?: string;
  /** Request key; left out where it is the trace id. */
  readonly key?: string;
  readonly epoch?: number;
  /** On REQUEST_RECEIVED: `edge` or `mesh` port, or `queue` for the work of an earlier `send`. */
  readonly via?: 'edge' | 'mesh' | 'queue';
  /** On REQUEST_RECEIVED of a request that begins a flow: the faults that it brings along. */
  readonly overlay?: readonly OverlayRule[];
  /** On REQUEST_RECEIVED of a stop of an itinerary: what is to be done there. */
  readonly itinerary?: LoggedItinerary;
  /** On the last event of a request: how many events it has, this one included. */
  readonly spanEvents?: number;

  // What a step does: REQUEST_SENT, then exactly one RESPONSE_RECEIVED or ERROR with the same call and reconnect.
  /** Identity of the step in its endpoint. */
  readonly step?: string;
  /** From 0. */
  readonly repetition?: number;
  /** From 1. */
  readonly attempt?: number;
  /** Connections tried before this one in the same attempt; left out where 0. */
  readonly reconnect?: number;
  /** Place of the request that the step sends; the callee's `place`. */
  readonly callPlace?: string;
  /** `service METHOD /path` that is called. */
  readonly callee?: string;
  /** The other instance, where known. */
  readonly peer?: string;
  /** The other side's request id, on RESPONSE_RECEIVED. */
  readonly peerRequestId?: string;

  /** HTTP status sent or received. */
  readonly status?: number;
  /** Of the attempt, or of the request since REQUEST_RECEIVED; by the monotonic clock. */
  readonly durationMs?: number;
  /** REQUEST_SENT of the load driver: how long after the planned moment it was sent. */
  readonly latenessMs?: number;
  /** Bytes of the body sent or received. */
  readonly bytes?: number;
  readonly error?: EventError;
  readonly fault?: InjectedFault;
  /** What a policy decided, and on which figures. */
  readonly decision?: Decision;

  // Events of a process.
  /** SERVICE_UP, TOPOLOGY_CHANGED: hash of the slice that it runs. */
  readonly slice?: string;
  /** CLOCK and SERVICE_DOWN: last sequence number of every run active since the previous CLOCK. */
  readonly runs?: Readonly<Record<string, number>>;
  readonly clock?: ClockReport;
  /** LOG_DROPPED: events lost since the last such event. */
  readonly dropped?: number;
  /** Free details of a process event: port numbers, restart count, reason of a stop, a whole new slice. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** What FAULT_INJECTED says of a fault, before it begins. */
export interface InjectedFault {
  /** Of the rule, step or call fault. */
  readonly id: string;
  readonly type: FaultType;
  readonly source: FaultSource;
  readonly at: FaultPosition;
  /** As drawn and as the node's bounds leave them. */
  readonly args: Readonly<Record<string, number | string>>;
  /** Among the steps: the step's id. */
  readonly step?: string;
  /** A name for people: a scenario's entry, an itinerary's hop. */
  readonly name?: string;
  /** Why it was logged and not carried out. */
  readonly refused?: string;
}

/** Figures behind a decision. */
export interface Decision {
  /** The service that a breaker or budget is about. */
  readonly callee?: string;
  /** BREAKER_OPENED: failures in a row. */
  readonly failures?: number;
  /** BREAKER_OPENED by an error rate: failures and attempts in its window. */
  readonly windowFailures?: number;
  readonly windowCalls?: number;
  /** RETRY_BUDGET_EXHAUSTED: calls and retries in its window. */
  readonly calls?: number;
  readonly retries?: number;
  /** HEDGE_SENT: how long the first attempt was waited for. */
  readonly afterMs?: number;
  /** FALLBACK_USED: of the answer in the place of the callee's. */
  readonly bytes?: number;
  /** REQUEST_SHED: the limit that is reached, and the places to wait. */
  readonly limit?: number;
  readonly queue?: number;
}

export interface EventError {
  readonly kind: ErrorKind;
  readonly message: string;
}

export type ErrorKind =
  /** Refused or unreachable before any byte was sent. */
  | 'CONNECT'
  /** The connection broke after the request was sent. */
  | 'RESET'
  /** The call's own time-out. */
  | 'TIMEOUT'
  /** No time is left of the request's deadline. */
  | 'DEADLINE'
  /** Discovery names no instance. */
  | 'NO_INSTANCE'
  /** The callee's circuit breaker rejected the attempt. */
  | 'BREAKER_OPEN'
  /** As many attempts to the callee are under way and waiting as its bulkhead allows. */
  | 'BULKHEAD_FULL'
  /** It was called off: the attempt beside it was answered first. */
  | 'CANCELLED'
  /** The answer can't be read: cut short, too long or not JSON. */
  | 'BODY'
  /** A required step failed. */
  | 'STEP_FAILED'
  /** A bound of this node is reached. */
  | 'OVERLOAD'
  /** The caller went away before the answer. */
  | 'CLIENT_GONE'
  /** A fault raised on purpose decided it: the message names the fault. */
  | 'FAULT'
  /** Who asked may not: no token, or none that is good for it. */
  | 'FORBIDDEN'
  | 'BAD_REQUEST'
  | 'NOT_FOUND'
  /** A hybrid clock too far ahead, ignored. */
  | 'CLOCK_AHEAD'
  | 'INTERNAL';

/** Who vouches for the clock: chrony, the one clock that all processes of a machine share, or nobody. */
export type ClockSource = 'chrony' | 'machine' | 'unknown';

export interface ClockReport {
  readonly source: ClockSource;
  /** Processes with the same host share one clock. */
  readonly host: string;
  /** How far the clock may be from true time (chrony) or from the other processes' (machine); null: unknown, infinite. */
  readonly boundMs: number | null;
  /** Estimated offset from true time, positive when the clock is ahead. */
  readonly offsetMs?: number;
  readonly stratum?: number;
  readonly referenceId?: string;
  readonly leapStatus?: string;
  /** Parts per million. */
  readonly frequencyPpm?: number;
  readonly rootDelayMs?: number;
  readonly rootDispersionMs?: number;
}

type FieldType<T> = T extends string
  ? 'text'
  : T extends number
    ? 'number'
    : T extends readonly unknown[]
      ? 'list'
      : 'object';

/** What each field of a line holds, in the order in which a node writes them; `undefined` ones are left out. */
export const EVENT_FIELDS = {
  timestamp: 'text',
  hlc: 'text',
  traceId: 'text',
  requestId: 'text',
  place: 'text',
  parentRequestId: 'text',
  process: 'text',
  event: 'text',
  seq: 'number',
  monotonicUs: 'number',
  run: 'text',
  instance: 'text',
  service: 'text',
  topology: 'text',
  endpoint: 'text',
  key: 'text',
  epoch: 'number',
  via: 'text',
  callPlace: 'text',
  step: 'text',
  repetition: 'number',
  attempt: 'number',
  reconnect: 'number',
  callee: 'text',
  peer: 'text',
  peerRequestId: 'text',
  status: 'number',
  durationMs: 'number',
  latenessMs: 'number',
  bytes: 'number',
  spanEvents: 'number',
  error: 'object',
  fault: 'object',
  overlay: 'list',
  itinerary: 'object',
  decision: 'object',
  slice: 'text',
  runs: 'object',
  clock: 'object',
  dropped: 'number',
  detail: 'object',
} as const satisfies { readonly [K in keyof Event]-?: FieldType<NonNullable<Event[K]>> };

export const FIELD_ORDER = Object.keys(EVENT_FIELDS) as readonly (keyof Event)[];
