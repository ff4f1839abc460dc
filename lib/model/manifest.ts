import type { Scenario } from './scenario';
import type { Topology } from './topology';

/**
 * What a run's driver says of it: a start record before the first request, an end record after the last answer. Two
 * lines of the run's manifest file here, two events in the client's log stream on AWS. Without the end record a run is
 * unfinished, which is not the same as wrong.
 */
export interface ManifestStart {
  readonly record: 'start';
  readonly timestamp: string;
  readonly run: string;
  /** What runs, as its launcher recorded it; null where the target is a plain URL. */
  readonly topology: Topology | null;
  readonly topologyHash: string | null;
  /** Folder name of the local deployment, null on AWS and for a plain URL. */
  readonly deployment: string | null;
  /** Where the nodes of a deployment on AWS log; left out for any other target. */
  readonly aws?: AwsPlace;
  readonly url: string;
  readonly seed: string;
  /** Process id that the client's events carry. */
  readonly process: string;
  /** Requests per second, from when on (milliseconds since the run's start); the last phase ends the run. */
  readonly plan: LoadPlan;
}

export interface ManifestEnd {
  readonly record: 'end';
  readonly timestamp: string;
  readonly run: string;
  readonly sent: number;
  /** Planned and due, but held back by the bound on requests in flight; left out where 0. */
  readonly notSent?: number;
  readonly answered: number;
  /** Answered with a status of 400 or above, or not answered. */
  readonly failed: number;
  readonly errors: Readonly<Record<string, number>>;
  /** Sequence number of the client's last event. */
  readonly lastSeq: number;
  /** False when the user or an error ended it before its time. */
  readonly finished: boolean;
}

/** Where the logs of a deployment on AWS are. */
export interface AwsPlace {
  readonly region: string;
  readonly logGroup: string;
}

/** Which scenario the run plays, written when its traffic begins. */
export interface ManifestScenario {
  readonly record: 'scenario';
  readonly timestamp: string;
  readonly run: string;
  /** Wall clock of the moment that the scenario's times count from: the traffic's start, its warm-up over. */
  readonly startTime: string;
  /** From then to the planned end of the traffic. */
  readonly lengthMs: number;
  readonly scenario: Scenario;
}

/** A step of the scenario, when it was made or taken back. */
export interface ManifestStep {
  readonly record: 'step';
  readonly timestamp: string;
  readonly run: string;
  /** Name of the step. */
  readonly step: string;
  /** `cleared`: taken back because the traffic ended. */
  readonly what: 'begin' | 'end' | 'cleared';
  /** Milliseconds since the scenario's start: as planned, when it was begun with, and when it was done with. */
  readonly plannedMs: number;
  readonly atMs: number;
  readonly doneMs: number;
  /** What was done, in words. */
  readonly did: string;
  /** The epoch that it began; null where no slice changed. */
  readonly epoch: number | null;
  readonly instances: readonly InstanceOutcome[];
  /** Why it could not be done at all; null where it could. */
  readonly problem: string | null;
}

/** What became of a change at one instance. */
export interface InstanceOutcome {
  readonly instance: string;
  readonly taken: boolean;
  /** Why not. */
  readonly problem?: string;
}

export type ManifestRecord = ManifestStart | ManifestScenario | ManifestStep | ManifestEnd;

export interface LoadPlan {
  readonly arrivals: 'constant' | 'poisson';
  readonly phases: readonly { readonly fromRate: number; readonly toRate: number; readonly durationMs: number }[];
}
