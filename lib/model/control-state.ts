import type { FaultRule } from './fault';

/** What a node's control interface answers to `GET /state`. */
export interface ControlState {
  readonly service: string;
  readonly instance: string;
  readonly process: string;
  readonly epoch: number;
  readonly slice: string;
  readonly publicFaults: boolean;
  /** Milliseconds left of those that end; 0 once over. */
  readonly rules: readonly (FaultRule & { readonly leftMs?: number })[];
  readonly counters: {
    readonly inFlight: number;
    /** Requests handled since the process started, by endpoint. */
    readonly requests: Readonly<Record<string, number>>;
  };
}
