import type { ErrorKind } from '../../lib/model/event';
import { quote } from '../../lib/model/event-line';

/** What a step came to. */
export interface Outcome {
  /** What it adds to `responses`: JSON values with commas between them; empty where it adds none. */
  readonly responses: string;
  /** Undefined where every required step within did what it should. */
  readonly failure: Failure | undefined;
}

/** Why a required step failed. */
export interface Failure {
  /** DEADLINE makes the answer 504, anything else 502. */
  readonly kind: ErrorKind;
  readonly step: string;
  readonly message: string;
  /** Set where a fault raised on purpose decides the answer. */
  readonly fault?: FaultEnd;
}

/** How a fault ends a request: with a status, or with no answer at all. */
export type FaultEnd =
  | { readonly status: number }
  | { readonly drop: 'reset' }
  | { readonly drop: 'hang'; readonly over: Promise<void> };

export const NOTHING: Outcome = { responses: '', failure: undefined };

export function joinResponses(left: string, right: string): string {
  if (left === '') return right;
  return right === '' ? left : `${left},${right}`;
}

/** Side by side: all answers in the order of the steps; the deadline counts before a fault, and that before others. */
export function combineOutcomes(outcomes: readonly Outcome[]): Outcome {
  let responses = '';
  let failure: Failure | undefined;
  for (const outcome of outcomes) {
    responses = joinResponses(responses, outcome.responses);
    if (outcome.failure && rank(outcome.failure) > rank(failure)) failure = outcome.failure;
  }
  return { responses, failure };
}

function rank(failure: Failure | undefined): number {
  if (!failure) return 0;
  if (failure.kind === 'DEADLINE') return 3;
  return failure.fault ? 2 : 1;
}

/** How a failed call stands in `responses`. */
export function failedResponse(service: string, kind: ErrorKind, message: string): string {
  return `{"service":${quote(service)},"error":{"kind":"${kind}","message":${quote(message)}}}`;
}
