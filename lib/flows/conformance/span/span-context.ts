import type { OverlayRule } from '../../../model/overlay';
import type { Findings } from '../departure';
import type { FlowKey } from '../flow/flow-key';
import type { LostTail } from '../lost-tails';
import type { Topologies } from '../topologies';

/** What the check must know beside a span's own events. */
export interface SpanContext {
  readonly topologies: Topologies;
  readonly findings: Findings;
  /** The flow's. */
  readonly key: FlowKey;
  /** Time that the span had, as its caller's events tell it; undefined where they are lost. */
  readonly deadlineMs: number | undefined;
  /** Why the span may end without a word. */
  readonly cutBy: LostTail | undefined;
  /** Rules that the flow brought along; undefined where that is not known: their faults are then taken as logged. */
  readonly overlay: readonly OverlayRule[] | undefined;
  /** Whether the caller asked for a `send`; undefined where that is not known. */
  readonly asked: 'call' | 'send' | undefined;
  /** Its times are not those by which the node judged when rules begin and end. */
  readonly clockMoved: boolean;
}
