import type { DecisionKind } from '../../../model/event';
import type { Outgoing } from '../../../model/topology';
import type { SpanRecord } from '../span-record';

/** Whether a policy decided so about this call, and this attempt of it. */
export function decided(
  { decisions }: SpanRecord,
  kind: DecisionKind,
  step: Outgoing,
  repetition: number,
  attempt: number,
): boolean {
  return decisions.some(
    (event) =>
      event.event === kind && event.step === step.id && event.repetition === repetition && event.attempt === attempt,
  );
}
