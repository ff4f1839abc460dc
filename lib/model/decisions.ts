import { type Distribution, quantile } from './distribution';
import { combine, type DrawContext, draw, type Hash, hashText } from './draw';
import type { ErrorKind } from './event';
import type { Fault, FaultPosition } from './fault';
import type { Endpoint, OneOfStep, Outgoing, WorkStep } from './topology';

/**
 * Every decision that a draw makes, as a pure function. The node acts on them and the conformance check repeats them:
 * this file is why the two agree.
 */

/** Whether the step's request is sent at all. */
export function happens(step: Outgoing, context: DrawContext): boolean {
  return step.probability >= 1 || draw(context, purpose(step.id, 'probability')) < step.probability;
}

/** How often the step's request is sent. */
export function repetitions(step: Outgoing, context: DrawContext): number {
  return Math.round(value(step.count, context, step.id, 'count'));
}

/** The index of the branch taken; each with the share that its weight has in the sum. */
export function chosenBranch(step: OneOfStep, context: DrawContext): number {
  const total = step.branches.reduce((sum, { weight }) => sum + weight, 0);
  let left = draw(context, purpose(step.id, 'branch')) * total;
  for (const [index, { weight }] of step.branches.entries()) {
    left -= weight;
    if (left < 0) return index;
  }
  // Rounding left something over.
  return step.branches.findLastIndex(({ weight }) => weight > 0);
}

/** Wait before the attempt that follows `attempt` (from 1): exponential, capped, less a drawn share up to `jitter`. */
export function backoffMs(step: Outgoing, context: DrawContext, repetition: number, attempt: number): number {
  const { backoffMs: base, maxBackoffMs, jitter } = step.retries;
  const full = Math.min(maxBackoffMs, base * 2 ** (attempt - 1));
  if (jitter === 0) return full;
  return full * (1 - jitter * draw(context, nth(purpose(step.id, 'backoff'), repetition, attempt)));
}

export function requestBytes(step: Outgoing, context: DrawContext, repetition: number): number | null {
  if (step.requestBytes === null) return null;
  return Math.round(quantile(step.requestBytes, draw(context, nth(purpose(step.id, 'requestBytes'), repetition, 0))));
}

export function responseBytes(endpoint: Endpoint, context: DrawContext): number {
  return Math.round(value(endpoint.responseBytes, context, 'endpoint', 'responseBytes'));
}

/** The path with each `:name` segment replaced by a whole number from 1 to 1,000. */
export function concretePath(step: Outgoing, context: DrawContext, repetition: number): string {
  if (!step.path.includes(':')) return step.path;
  return fillPath(step.path, (name) => draw(context, nth(purpose(step.id, `path ${name}`), repetition, 0)));
}

/** Replaces each `:name` segment of a path by 1 to 1,000, from a draw in [0, 1) for its name. */
export function fillPath(path: string, drawFor: (name: string) => number): string {
  return path.replaceAll(/:([A-Za-z0-9_]+)/g, (_match, name: string) => String(1 + Math.floor(drawFor(name) * 1000)));
}

export interface Work {
  readonly latencyMs: number;
  readonly cpuMs: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
}

export function work(step: WorkStep, context: DrawContext): Work {
  return {
    latencyMs: value(step.latencyMs ?? 0, context, step.id, 'latencyMs'),
    cpuMs: value(step.cpuMs ?? 0, context, step.id, 'cpuMs'),
    memoryBytes: Math.round(value(step.memoryBytes ?? 0, context, step.id, 'memoryBytes')),
    diskBytes: Math.round(value(step.diskBytes ?? 0, context, step.id, 'diskBytes')),
  };
}

/** What the draws of a fault depend on: its id, and whether a request or an attempt of a call is drawn for. */
export interface DrawnFault {
  readonly id: string;
  readonly probability?: number;
  readonly at: FaultPosition;
}

/**
 * Whether the fault strikes, its conditions on time and state apart.
 *
 * @param context of the request handled; for a fault of a call, of the request that the attempt would send (its place is
 *   the attempt's `childPlace`), so that each repetition and attempt is drawn anew
 */
export function faultHappens({ id, probability = 1, at }: DrawnFault, context: DrawContext): boolean {
  return probability >= 1 || draw(context, faultPurpose(id, at, 'probability')) < probability;
}

/** A fault's arguments, those from distributions drawn; the same context as for `faultHappens`. */
export function faultArgs(
  fault: Fault,
  { id, at }: DrawnFault,
  context: DrawContext,
): Readonly<Record<string, number | string>> {
  if (fault.type !== 'latency') return fault.args;
  const { delay } = fault.args;
  return { delay: typeof delay === 'number' ? delay : quantile(delay, draw(context, faultPurpose(id, at, 'delay'))) };
}

/** An attempt's draws are made at the place that the callee draws at too: its faults may bear the same ids. */
function faultPurpose(id: string, at: FaultPosition, what: string): Hash {
  return purpose(id, at === 'call' ? `fault ${what} on the call` : `fault ${what}`);
}

/** Whether its caller goes on when it has failed, unless the deadline ended it. */
export function isTolerated({ optional, fallback }: Outgoing): boolean {
  return optional || fallback !== undefined;
}

/** With these no further attempt is made: no time is left, or the callee is to be spared. */
export function endsCall(kind: ErrorKind): boolean {
  return kind === 'DEADLINE' || kind === 'BREAKER_OPEN' || kind === 'BULKHEAD_FULL';
}

/** A failed attempt is tried again while retries are left; a callee's own refusal (4xx) is not a failure of the moment. */
export function mayRetry(step: Outgoing, attempt: number, status: number | undefined): boolean {
  return attempt <= step.retries.max && (status === undefined || status >= 500);
}

/** A constant costs no draw. */
function value(distribution: Distribution, context: DrawContext, stepId: string, what: string): number {
  if (typeof distribution === 'number') return distribution;
  return quantile(distribution, draw(context, purpose(stepId, what)));
}

const purposes = new Map<string, Hash>();

/** Purposes are as many as a topology has steps and kinds of draw, so they are hashed once each. */
function purpose(stepId: string, what: string): Hash {
  const text = `${stepId} ${what}`;
  let hash = purposes.get(text);
  if (!hash) {
    hash = hashText(text);
    purposes.set(text, hash);
  }
  return hash;
}

function nth(base: Hash, repetition: number, attempt: number): Hash {
  return combine(base, { high: repetition, low: attempt });
}
