import { formatHash } from '../../../model/draw';
import type { ErrorKind } from '../../../model/event';
import type { Outgoing } from '../../../model/topology';
import { explain } from '../departure';
import { loggedCause } from '../logged-causes';
import type { Attempt, Connection } from '../span-record';
import { attemptPlace } from './attempt-place';
import type { FacedPoint } from './check-faults';
import type { Walk } from './walk';

export type AttemptOutcome =
  | 'well'
  | 'unknown'
  | { readonly kind: ErrorKind; readonly status: number | undefined; readonly outOfTime: boolean };

const MAX_RECONNECTS = 3;

/** An attempt goes to the step's callee, at a place that follows from the caller's. */
export function checkAddress(walk: Walk, step: Outgoing, repetition: number, { attempt, connections }: Attempt): void {
  const place = formatHash(attemptPlace(walk, step, repetition, attempt));
  const callee = `${step.service} ${step.endpoint}`;
  for (const event of connections.flatMap(({ sent, outcome }) => [sent, outcome])) {
    if (!event) continue;
    if (event.callPlace !== place) {
      const text = `the call of ${callee} carries a place that does not follow from the caller's`;
      walk.report('wrong-place', step.id, place, event.callPlace ?? 'none', text);
      return;
    }
    if (event.callee !== callee) {
      const kind = event.callee?.startsWith(`${step.service} `) ? 'wrong-endpoint' : 'wrong-callee';
      const text = `the step calls ${callee}, and ${event.callee ?? 'nothing'} was called`;
      walk.report(kind, step.id, callee, event.callee ?? 'none', text);
      return;
    }
  }
}

/** What an attempt came to; the causes of its failures are counted. */
export function outcomeOf(
  walk: Walk,
  step: Outgoing,
  { attempt, connections }: Attempt,
  faced: FacedPoint | undefined,
): AttemptOutcome {
  const { findings, uncertain } = walk;
  const report = uncertain ? () => {} : walk.report;
  let failure: Exclude<AttemptOutcome, 'well'> = 'unknown';
  for (const [index, connection] of connections.entries()) {
    const isLast = index === connections.length - 1;
    const problem = connectionProblem(step, connection, index, faced);
    if (problem) {
      const text = `attempt ${attempt} of ${step.id}: ${problem}`;
      report('extra-call', step.id, 'one request and one outcome for each connection', problem, text);
    }
    const { outcome } = connection;
    if (!outcome) {
      const text = `attempt ${attempt} of ${step.id} was sent, and neither answer nor error is logged`;
      report('missing-call', step.id, 'an outcome', 'none', text);
      return 'unknown';
    }
    if (outcome.event === 'RESPONSE_RECEIVED') {
      if (!isLast && !uncertain) reportExtraRetry(walk, step, attempt, 'the connection before was answered');
      if (outcome.status !== undefined && outcome.status < 400) return 'well';
      explain(findings, `answered ${outcome.status}`);
      return { kind: 'STEP_FAILED', status: outcome.status, outOfTime: false };
    }
    const kind = outcome.error?.kind;
    const cause = loggedCause(kind);
    explain(findings, kind ?? 'error without a kind');
    if (!isLast && !cause?.reconnects && !uncertain) {
      reportExtraRetry(walk, step, attempt, `${kind} allows no other connection in the same attempt`);
    }
    if (!isLast) explain(findings, 'reconnect');
    failure = {
      kind: kind ?? 'INTERNAL',
      status: kind === 'FAULT' ? outcome.status : undefined,
      outOfTime: cause?.outOfTime ?? false,
    };
  }
  return failure;
}

export function reportExtraRetry({ report }: Walk, step: Outgoing, attempt: number, why: string): void {
  report('extra-retry', step.id, 'no such attempt', `attempt ${attempt}`, `attempt ${attempt} of ${step.id}: ${why}`);
}

function connectionProblem(
  step: Outgoing,
  { reconnect, sent, outcome, surplus }: Connection,
  index: number,
  faced: FacedPoint | undefined,
): string | undefined {
  if (surplus > 0) return 'more than one request or outcome in one connection';
  if (reconnect !== index || reconnect > MAX_RECONNECTS)
    return `a connection numbered ${reconnect} where ${index} was due`;
  if (!outcome || outcome.event === 'RESPONSE_RECEIVED') return sent ? undefined : 'an answer to nothing sent';
  const kind = outcome.error?.kind;
  const cause = loggedCause(kind);
  if (!cause || cause.attempt === 'never') return `an attempt ended with ${kind}, which no attempt can`;
  const held = faced !== undefined && (faced.deciding !== undefined || faced.delayMs > 0);
  if (kind === 'FAULT' && faced?.deciding?.type !== 'error') return 'FAULT without a fault injected';
  if (cause.attempt === 'after-sent' && !sent && !held) return `${kind} without a request sent`;
  if (kind === 'BREAKER_OPEN' && !step.breaker) return 'BREAKER_OPEN without a breaker';
  if (kind === 'CANCELLED' && !step.hedge) return 'CANCELLED without a hedge';
  if (kind === 'BULKHEAD_FULL' && !step.bulkhead) return 'BULKHEAD_FULL without a bulkhead';
  if (cause.attempt === 'alone' && sent) return `${kind} although a request was sent`;
  if (sent && outcome.seq < sent.seq) return 'the outcome stands before the request';
  return undefined;
}
