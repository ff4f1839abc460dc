import type { Distribution } from './distribution';

/**
 * What can go wrong on purpose, in one form for all four ways to raise it: `{ type, args }`. Times are milliseconds,
 * sizes of memory and disk mebibytes. An argument with a default may be left out.
 */
export type Fault =
  /** Waits; the deadline cuts it. */
  | { readonly type: 'latency'; readonly args: { readonly delay: Distribution } }
  /** Ends the endpoint with this status; on a call, the attempt fails as if the callee had answered so. */
  | { readonly type: 'error'; readonly args: { readonly status: number } }
  /** Resets the caller's connection. */
  | { readonly type: 'reset'; readonly args: Readonly<Record<string, never>> }
  /** Accepts and does not answer, then drops the connection. */
  | { readonly type: 'hang'; readonly args: { readonly duration: number } }
  /** Answers slowly. */
  | { readonly type: 'slow-body'; readonly args: { readonly bytesPerSecond: number } }
  /** Announces a whole answer and drops the connection half-way. */
  | { readonly type: 'truncate'; readonly args: Readonly<Record<string, never>> }
  /** Answers with bytes that are no JSON. */
  | { readonly type: 'corrupt'; readonly args: Readonly<Record<string, never>> }
  /** Burns CPU time in slices, so that other requests are slowed but served. */
  | { readonly type: 'cpu'; readonly args: { readonly duration: number } }
  /** Holds memory for a while, then gives it back; the request goes on at once. */
  | { readonly type: 'memory-leak'; readonly args: { readonly size: number; readonly duration: number } }
  /** Fills disk for a while, then frees it; the request goes on at once. */
  | { readonly type: 'disk-fill'; readonly args: { readonly size: number; readonly duration: number } }
  /** Blocks the event loop: nothing else runs. */
  | { readonly type: 'block'; readonly args: { readonly duration: number } }
  /** Refuses new connections for a while. */
  | { readonly type: 'refuse'; readonly args: { readonly duration: number } }
  /** Says for a while that it is not ready. */
  | { readonly type: 'unready'; readonly args: { readonly duration: number } }
  /** Ends the process, by an exit code or a signal. */
  | { readonly type: 'crash'; readonly args: { readonly exitCode?: number; readonly signal?: CrashSignal } }
  /** The callee's name does not resolve. */
  | { readonly type: 'dns-failure'; readonly args: Readonly<Record<string, never>> }
  /** Nothing reaches the callee and nothing comes back: the attempt ends by its time-out. */
  | { readonly type: 'partition'; readonly args: Readonly<Record<string, never>> }
  /** The wall clock that the node reports is off for a while; its timers are not. */
  | { readonly type: 'clock-offset'; readonly args: { readonly offset: number; readonly duration: number } };

export type FaultType = Fault['type'];
export type CrashSignal = 'SIGKILL' | 'SIGTERM' | 'SIGABRT';

/** Before the work of a request, after it, on a call that it makes, or on the instance itself. */
export type FaultPosition = 'before' | 'after' | 'call' | 'instance';

/** Where a fault came from. */
export type FaultSource = 'topology' | 'scenario' | 'live' | 'itinerary' | 'overlay';

/** A fault with what decides whether it strikes. */
export interface FaultRule {
  /** Unique among the rules of its service; draws depend on it. */
  readonly id: string;
  readonly fault: Fault;
  readonly at: FaultPosition;
  readonly source: FaultSource;
  /** Key of the endpoint concerned; every one when left out. */
  readonly endpoint?: string;
  /** `call` only: the callee concerned, `service` or `service METHOD /path`; every one when left out. */
  readonly callee?: string;
  /** Drawn for each request, or each attempt of a call. From 0 to 1. @default 1 */
  readonly probability?: number;
  /** Strikes from the n-th request on that the endpoint handles in this process, counted from 1. */
  readonly fromRequest?: number;
  /** Overlays only, on calls: strikes the n-th attempt that a request makes of a fitting call, counted from 1. */
  readonly nth?: number;
  /** Strikes on these instances only; every one when left out. */
  readonly instances?: readonly string[];
  /** Ends so long after the rule first could strike in a process: from its n-th request, or its start. */
  readonly forMs?: number;
  /** The rule begins and ends by the node's wall clock; ISO 8601. Live rules always end. */
  readonly startsAt?: string;
  readonly expiresAt?: string;
  /** Of several rules that decide one answer the highest wins. @default 0 */
  readonly priority?: number;
}

/** A fault of one call, drawn for each attempt. */
export interface CallFault {
  readonly id: string;
  readonly fault: Fault;
  readonly probability: number;
}

/** How far a fault may go on any node, whoever asks for it. */
export const FAULT_BOUNDS = {
  delayMs: 600_000,
  durationMs: 600_000,
  blockMs: 30_000,
  cpuMs: 60_000,
  /** Held at one time by all faults of one node together. */
  memoryMiB: 1_024,
  diskMiB: 1_024,
  offsetMs: 86_400_000,
} as const;

export type ArgumentRule =
  | {
      readonly is: 'number';
      readonly min: number;
      readonly max: number;
      readonly default?: number;
      readonly whole?: true;
    }
  | { readonly is: 'distribution'; readonly max: number }
  | { readonly is: 'one of'; readonly values: readonly string[] };

const { delayMs, durationMs, blockMs, cpuMs, memoryMiB, diskMiB, offsetMs } = FAULT_BOUNDS;
const DURATION: ArgumentRule = { is: 'number', min: 0, max: durationMs };

/** The arguments of each type; validation, the JSON Schema and the documentation are read from here. */
export const FAULT_ARGUMENTS: Readonly<Record<FaultType, Readonly<Record<string, ArgumentRule>>>> = {
  latency: { delay: { is: 'distribution', max: delayMs } },
  error: { status: { is: 'number', min: 400, max: 599, default: 500, whole: true } },
  reset: {},
  hang: { duration: { ...DURATION, default: 60_000 } },
  'slow-body': { bytesPerSecond: { is: 'number', min: 1, max: 1e9 } },
  truncate: {},
  corrupt: {},
  cpu: { duration: { is: 'number', min: 0, max: cpuMs } },
  'memory-leak': { size: { is: 'number', min: 0, max: memoryMiB }, duration: DURATION },
  'disk-fill': { size: { is: 'number', min: 0, max: diskMiB }, duration: DURATION },
  block: { duration: { is: 'number', min: 0, max: blockMs } },
  refuse: { duration: DURATION },
  unready: { duration: DURATION },
  crash: {
    exitCode: { is: 'number', min: 0, max: 255, default: 1, whole: true },
    signal: { is: 'one of', values: ['SIGKILL', 'SIGTERM', 'SIGABRT'] },
  },
  'dns-failure': {},
  partition: {},
  'clock-offset': { offset: { is: 'number', min: -offsetMs, max: offsetMs }, duration: DURATION },
};

/** Where each type may stand. */
export const FAULT_POSITIONS: Readonly<Record<FaultType, readonly FaultPosition[]>> = {
  latency: ['before', 'after', 'call'],
  error: ['before', 'after', 'call'],
  reset: ['before', 'after', 'call'],
  hang: ['before', 'after', 'call'],
  'slow-body': ['before', 'after'],
  truncate: ['before', 'after'],
  corrupt: ['before', 'after'],
  cpu: ['before', 'after', 'instance'],
  'memory-leak': ['before', 'after', 'instance'],
  'disk-fill': ['before', 'after', 'instance'],
  block: ['before', 'after', 'instance'],
  refuse: ['before', 'after', 'instance'],
  unready: ['before', 'after', 'instance'],
  crash: ['before', 'after', 'instance'],
  'dns-failure': ['call'],
  partition: ['call'],
  'clock-offset': ['before', 'after', 'instance'],
};
