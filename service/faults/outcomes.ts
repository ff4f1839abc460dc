import type { FaultEnd, Outcome } from '../steps/outcome';

/** The deadline ended the request in the middle of a fault. */
export function outOfTime(id: string): Outcome {
  return { responses: '', failure: { kind: 'DEADLINE', step: id, message: `${id}: the deadline passed` } };
}

/** The fault decides how the request ends. */
export function endedBy(id: string, fault: FaultEnd): Outcome {
  return { responses: '', failure: { kind: 'FAULT', step: id, message: id, fault } };
}
