import {
  backoffMs,
  chosenBranch,
  faultArgs,
  faultHappens,
  happens,
  isTolerated,
  mayRetry,
  repetitions,
  work,
} from './decisions';
import { childPlace, type DrawContext, type Hash, hashText, rootPlace } from './draw';
import type { Endpoint, FaultStep, Outgoing, Step, Topology } from './topology';

/** How long requests to one endpoint take, in milliseconds, with the share that a time-out or deadline ends. */
export interface LatencyEstimate {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failedShare: number;
  readonly samples: number;
}

/** Deeper call chains count as failed; only a cycle gets there. */
const DEEPEST = 500;
const MOST_SAMPLES = 2_000;
const FEWEST_SAMPLES = 100;
/** Requests walked for one estimate, about a second's work. */
const BUDGET = 400_000;

/**
 * A static estimate by the Monte Carlo method: walks the call tree of fixed request keys, with the draws that a node
 * would make for them. Work takes its latency plus its CPU time; a list takes the sum of its steps, a parallel group its
 * longest; a call takes as long as its callee, cut by its time-out and then tried again; a send takes none. Left out are the
 * network, the nodes' own overhead, queueing for CPUs, disk, and every failure but time-outs: real latencies are higher.
 *
 * @param expectedCalls calls that one request leads to; more of them mean fewer samples
 */
export function estimateLatency(
  topology: Topology,
  service: string,
  endpoint: Endpoint,
  expectedCalls: number,
): LatencyEstimate {
  const samples = Math.max(FEWEST_SAMPLES, Math.min(MOST_SAMPLES, Math.round(BUDGET / (1 + expectedCalls))));
  const seed = hashText(topology.seed);
  const place = rootPlace(seed, service, endpoint.key);
  const latencies = new Float64Array(samples);
  let failed = 0;
  for (let sample = 0; sample < samples; sample++) {
    const context = { seed, key: hashText(`estimate ${sample}`), place };
    const outcome = withLimit(walkSteps(endpoint.steps, { topology, context, depth: 0 }), endpoint.deadlineMs);
    latencies[sample] = outcome.ms;
    if (outcome.failed) failed += 1;
  }
  latencies.sort();
  const at = (share: number) => latencies[Math.min(samples - 1, Math.floor(share * samples))] ?? 0;
  return { p50Ms: at(0.5), p99Ms: at(0.99), failedShare: failed / samples, samples };
}

interface Outcome {
  readonly ms: number;
  readonly failed: boolean;
}

interface Walk {
  readonly topology: Topology;
  readonly context: DrawContext;
  /** Hops from the edge. */
  readonly depth: number;
}

const NOTHING: Outcome = { ms: 0, failed: false };

/** One after the other; a failure ends it. */
function walkSteps(steps: readonly Step[], walk: Walk): Outcome {
  let ms = 0;
  for (const step of steps) {
    const outcome = walkStep(step, walk, false);
    ms += outcome.ms;
    if (outcome.failed) return { ms, failed: true };
  }
  return { ms, failed: false };
}

/** @param sideBySide the step stands in a parallel group, so that its repetitions start together */
function walkStep(step: Step, walk: Walk, sideBySide: boolean): Outcome {
  switch (step.kind) {
    case 'work': {
      const { latencyMs, cpuMs } = work(step, walk.context);
      return { ms: latencyMs + cpuMs, failed: false };
    }
    case 'fault':
      return { ms: faultMs(step, walk.context), failed: false };
    case 'call':
      return happens(step, walk.context) ? walkCall(step, walk, sideBySide) : NOTHING;
    case 'send':
      return NOTHING;
    case 'parallel':
      return together(step.steps.map((inner) => walkStep(inner, walk, true)));
    case 'sequence':
      return walkSteps(step.steps, walk);
    case 'oneOf':
      return walkSteps(step.branches[chosenBranch(step, walk.context)]?.steps ?? [], walk);
  }
}

/** Of faults only latency among the steps counts: what others do is no matter of a call's normal course. */
function faultMs({ id, fault, probability }: FaultStep, context: DrawContext): number {
  const drawn = { id, probability, at: 'before' } as const;
  if (fault.type !== 'latency' || !faultHappens(drawn, context)) return 0;
  return Number(faultArgs(fault, drawn, context).delay);
}

function walkCall(step: Outgoing, walk: Walk, sideBySide: boolean): Outcome {
  const outcomes: Outcome[] = [];
  const count = repetitions(step, walk.context);
  for (let repetition = 0; repetition < count; repetition++) {
    const outcome = walkAttempts(step, walk, repetition);
    const tolerated = isTolerated(step);
    outcomes.push(tolerated ? { ...outcome, failed: false } : outcome);
    if (outcome.failed && !tolerated && !sideBySide) break;
  }
  if (sideBySide) return together(outcomes);
  return { ms: outcomes.reduce((sum, { ms }) => sum + ms, 0), failed: outcomes.some(({ failed }) => failed) };
}

function walkAttempts(step: Outgoing, walk: Walk, repetition: number): Outcome {
  const endpoint = walk.topology.services[step.service]?.endpoints[step.endpoint];
  if (!endpoint || walk.depth >= DEEPEST) return { ms: 0, failed: true };
  const id = stepHash(step.id);
  let ms = 0;
  for (let attempt = 1; ; attempt++) {
    const place = childPlace(walk.context.place, id, repetition, attempt);
    const callee = { ...walk, context: { ...walk.context, place }, depth: walk.depth + 1 };
    const outcome = withLimit(walkSteps(endpoint.steps, callee), step.timeoutMs ?? Number.POSITIVE_INFINITY);
    ms += outcome.ms;
    if (!outcome.failed || !mayRetry(step, attempt, undefined)) return { ms, failed: outcome.failed };
    ms += backoffMs(step, walk.context, repetition, attempt);
  }
}

function together(outcomes: readonly Outcome[]): Outcome {
  return { ms: Math.max(0, ...outcomes.map(({ ms }) => ms)), failed: outcomes.some(({ failed }) => failed) };
}

function withLimit({ ms, failed }: Outcome, limitMs: number): Outcome {
  return ms > limitMs ? { ms: limitMs, failed: true } : { ms, failed };
}

const hashes = new Map<string, Hash>();

function stepHash(id: string): Hash {
  const known = hashes.get(id) ?? hashText(id);
  hashes.set(id, known);
  return known;
}
