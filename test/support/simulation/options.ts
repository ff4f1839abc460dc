import type { Topology } from '../../../lib/model/topology';
import type { HostClock } from '../simulated-log';

/** Probabilities, each of one attempt to meet that fate. */
export interface Failures {
  /** Refused by one instance: another is tried in the same attempt. */
  readonly connect?: number;
  readonly noInstance?: number;
  readonly reset?: number;
  /** The request vanishes on its way: only a time-out or the deadline ends the attempt. */
  readonly lost?: number;
  /** The callee answers 503 (OVERLOAD), or 500 (INTERNAL), and runs nothing. */
  readonly overload?: number;
  readonly internal?: number;
  /** The answer arrives and can't be read. */
  readonly body?: number;
  /** The balancer answers the client 502 itself: no node sees the request. */
  readonly balancer?: number;
}

export interface Crash {
  readonly instance: string;
  /** Since the simulation's start. */
  readonly atMs: number;
  readonly restartAfterMs: number;
  readonly lostTailMs: number;
}

export interface SimulationOptions {
  readonly topology: Topology;
  /** @default `<topology>-20261121t054429z-simu` */
  readonly run?: string;
  /** For all that is chance: ids, arrivals, network, failures. @default 1 */
  readonly seed?: number;
  readonly requests: number;
  /** Per second, evenly spread. @default 100 */
  readonly rate?: number;
  /** True time of the first request. @default 2026-11-21T05:44:29Z */
  readonly startAt?: number;
  readonly failures?: Failures;
  readonly crashes?: readonly Crash[];
  /** One way, in milliseconds, above 0. @default 0.1 to 0.4 by chance */
  readonly networkMs?: (from: string, to: string) => number;
  /** Host of an instance. @default one host, `machine`, for all */
  readonly hostOf?: (instance: string) => string;
  /** By host; true time where absent. */
  readonly clocks?: Readonly<Record<string, HostClock>>;
  /**
   * Breakers are asked, and not passed over. What they decide is right where attempts to one service from one process
   * follow one another, as requests far apart with steps in sequence do.
   *
   * @default false
   */
  readonly breakers?: boolean;
  /** Request keys in turn; the trace id where absent. */
  readonly keys?: readonly string[];
}
