import type { Topology } from './topology';

/** What the local launcher records of what it started, as `deployment.json` in the deployment's folder. */
export interface Deployment {
  /** Name of its folder: `<topology>-<UTC start>-<random>`. */
  readonly id: string;
  readonly topology: Topology;
  readonly topologyHash: string;
  readonly startTime: string;
  /** When its launcher stopped it; null while it is up, and for ever where the launcher was killed. */
  readonly stopTime: string | null;
  /** Process id of the launcher: the deployment is up while it lives and has not stopped it. */
  readonly pid: number;
  /** Base URL of the edge balancer, without a final slash. */
  readonly url: string;
  /** `address:port` of the embedded DNS server. */
  readonly resolver: string;
  /** Whether the edge takes itineraries and overlays. */
  readonly publicFaults: boolean;
  /** Of the launcher's own control interface, on 127.0.0.1, which starts and stops instances; null where all nodes share one process. */
  readonly controlPort: number | null;
  /** Those that run, or are to run: one that leaves is no longer here while it drains. */
  readonly instances: readonly DeployedInstance[];
}

export interface DeployedInstance {
  readonly instance: string;
  readonly service: string;
  readonly pid: number;
  readonly meshPort: number;
  readonly edgePort: number | null;
  /** Of its control interface, on 127.0.0.1. */
  readonly controlPort: number | null;
  /** Starts after the first. */
  readonly restarts: number;
}
