import type { EventLog } from '../log/event-log';
import type { Span } from '../span';

/** What a node lets its faults take hold of. */
export interface NodeControls {
  readonly instance: string;
  readonly log: EventLog;
  /** Whether the process is this node's alone: no fault may end the others with it. */
  readonly alone: boolean;
  /** Added to the wall clock that the node reports. */
  readonly clock: { offsetMs: number };
  /** Faults that now keep the node from being ready. */
  readonly unready: { count: number };
  readonly listeners: Listeners;
}

/** The node's listening sockets. */
export interface Listeners {
  /** New connections are refused until as many calls of `accept` have followed. */
  refuse(): void;
  accept(): void;
}

/** Where a fault takes effect. */
export interface Scene {
  /** Names the fault in messages. */
  readonly id: string;
  /** The request that it strikes; undefined where it strikes the instance. */
  readonly span: Span | undefined;
  readonly node: NodeControls;
  /** Calls `end` once: after so many milliseconds, when the rule behind it is gone, or when the node stops. */
  lasting(durationMs: number, end: () => void): void;
}
