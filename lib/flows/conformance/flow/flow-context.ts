import type { Event } from '../../../model/event';
import type { Findings } from '../departure';
import type { LostTails } from '../lost-tails';
import type { Topologies } from '../topologies';

/** What the check must know beside a flow's own events. */
export interface FlowContext {
  readonly topologies: Topologies;
  /** Why the tail of a process's or an instance's log may be missing without a word, and undefined where nothing may. */
  readonly tails: LostTails;
  /** False while the run has no end record: what has not ended yet is not held against it. */
  readonly finished: boolean;
  /** Whether a client's events belong to every flow: not for requests outside of a run. */
  readonly hasClient: boolean;
  /** Whether the wall clock of the event's process was not true then. */
  readonly clockMoved: (event: Event) => boolean;
  readonly findings: Findings;
}
