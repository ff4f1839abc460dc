import { hashText } from '../../model/draw';
import type { Topologies } from '../conformance/topologies';
import type { Flow, Span } from '../flow';
import type { FailedAttempt, Opening } from './breaker-openings';
import { neededFailures } from './breaker-openings';
import { below } from './effects';
import type { Exposures } from './exposure';
import { type FlowFacts, flowFacts, upFrom } from './injections';
import { attemptKey } from './logged-attempts';
import { whatIf } from './what-if';
import type { Would } from './would-be';

/** Whether a breaker would have been open then without any injection. */
export interface Judgement {
  /** `injected`: it would not. `natural`: it would all the same. */
  readonly because: 'injected' | 'natural' | 'unknown';
  /** Injections without which failures before it would not have been, by name; the first ones. */
  readonly injections: readonly string[];
  /** In words. */
  readonly reason: string;
}

/** So many injections are named for one opening. */
const MOST_NAMED = 20;

interface JudgedFailure {
  readonly because: Judgement['because'];
  readonly injections: readonly string[];
}

/**
 * Judges openings by what would have become of the failures that each rests on.
 *
 * @param flows those in which the failures are
 */
export function judgeOpenings(
  openings: readonly Opening[],
  flows: Iterable<Flow>,
  topologies: Topologies,
  exposures: Exposures,
): ReadonlyMap<Opening, Judgement> {
  const failures = new Map<string, JudgedFailure>();
  const wanted = new Set(openings.flatMap((opening) => opening.failures.map(nameOf)));
  for (const flow of flows) judgeFailures(flow, wanted, topologies, exposures, failures);
  const judged = new Map<Opening, Judgement>();
  /** The last opening of each breaker of each process. */
  const before = new Map<string, Judgement>();
  for (const opening of openings) {
    const key = `${opening.origin} ${opening.breaker}`;
    const own = opening.failures.map((failure) => failures.get(nameOf(failure)) ?? LOST);
    const judgement = opening.probing ? judgeProbe(opening, own, before.get(key)) : judgeFirst(opening, own);
    judged.set(opening, judgement);
    before.set(key, judgement);
  }
  return judged;
}

const LOST: JudgedFailure = { because: 'unknown', injections: [] };

function nameOf({ requestId, step, repetition, attempt }: FailedAttempt): string {
  return `${requestId} ${attemptKey(step, repetition, attempt)}`;
}

function judgeFirst(opening: Opening, own: readonly JudgedFailure[]): Judgement {
  const { settings, figures } = opening;
  const { consecutiveFailures, errorRate } = settings;
  const { failures = 0, windowFailures = 0, windowCalls = 0 } = figures;
  const injected = own.filter(({ because }) => because === 'injected');
  const injections = namesOf(injected);
  const whole = own.length === neededFailures(opening);
  const inARow = own.slice(-failures).some(({ because }) => because === 'injected');
  const byRow = consecutiveFailures !== null && failures >= consecutiveFailures && !inARow;
  const byRate = errorRate !== null && windowFailures - injected.length >= errorRate.share * windowCalls;
  if (!byRow && !byRate && injected.length > 0) {
    const reason = `${injected.length} of the ${own.length} failures that opened it would not have been`;
    return { because: 'injected', injections, reason };
  }
  if (whole && own.every(({ because }) => because === 'natural')) {
    return { because: 'natural', injections: [], reason: 'the failures that opened it would have been all the same' };
  }
  return { because: 'unknown', injections, reason: 'the log does not tell of enough failures that opened it' };
}

/** A breaker that was half open: a probe failed. */
function judgeProbe({ settings }: Opening, own: readonly JudgedFailure[], before: Judgement | undefined): Judgement {
  const probe = own[own.length - 1] ?? LOST;
  if (probe.because === 'injected') {
    return { because: 'injected', injections: namesOf([probe]), reason: 'the probe would not have failed' };
  }
  if (before?.because === 'injected' && settings.consecutiveFailures !== 1) {
    return { ...before, reason: 'it would not have been open before' };
  }
  if (before?.because === 'natural' && probe.because === 'natural') {
    return { because: 'natural', injections: [], reason: 'it was open before, and the probe would have failed' };
  }
  return { because: 'unknown', injections: [], reason: 'the log does not tell why it was open before' };
}

function namesOf(failures: readonly JudgedFailure[]): readonly string[] {
  return [...new Set(failures.flatMap(({ injections }) => injections))].slice(0, MOST_NAMED);
}

/** What would have become of those attempts of a flow that are asked about. */
function judgeFailures(
  flow: Flow,
  wanted: ReadonlySet<string>,
  topologies: Topologies,
  exposures: Exposures,
  into: Map<string, JudgedFailure>,
): void {
  const facts = flowFacts(flow);
  const world = { at: topologies.at, key: hashText(flow.key) };
  const withouts = new Map<Span, ReadonlyMap<Span, Would>>();
  const withoutOf = (top: Span): ReadonlyMap<Span, Would> => {
    let without = withouts.get(top);
    if (!without) {
      const all = [...facts.injections.values()].flat();
      without = whatIf(top, new Set(all.filter(({ span }) => topOf(span, facts) === top)), facts, world);
      withouts.set(top, without);
    }
    return without;
  };
  const startMs = Date.parse(flow.startTime);
  for (const span of facts.spans) {
    for (const call of span.calls) {
      const key = attemptKey(call.step ?? '', call.repetition ?? 0, call.attempt ?? 1);
      const name = `${span.requestId} ${key}`;
      if (!wanted.has(name)) continue;
      const would = withoutOf(topOf(span, facts)).get(span);
      const ofAttempt = (facts.injections.get(span) ?? []).filter(
        ({ fault }) =>
          fault.at === 'call' && attemptKey(fault.step ?? '', fault.repetition ?? 0, fault.attempt ?? 1) === key,
      );
      const direct = [...ofAttempt, ...injectionsBelow(call.child, facts)];
      // An attempt too many is the doing of the one before it.
      const injections = (direct.length > 0 ? direct : injectionsBelow(span, facts)).map((injection) => injection.name);
      const because =
        would === undefined || (would.basis !== 'unknown' && would.failing.includes(key))
          ? naturalUnless(call.child, exposures(span, startMs).length > 0, startMs, exposures)
          : would.basis === 'unknown' || injections.length === 0
            ? 'unknown'
            : 'injected';
      into.set(name, { because, injections });
    }
  }
}

/** A failure that is no injection's own may be one's interference, or the doing of a policy below. */
function naturalUnless(
  child: Span | null,
  isExposed: boolean,
  startMs: number,
  exposures: Exposures,
): Judgement['because'] {
  if (isExposed) return 'unknown';
  for (const span of child ? below(child) : []) {
    const byPolicy = span.error?.kind === 'OVERLOAD' || span.calls.some(({ error }) => BY_STATE.has(error?.kind ?? ''));
    if (byPolicy || exposures(span, startMs).length > 0) return 'unknown';
  }
  return 'natural';
}

const BY_STATE: ReadonlySet<string> = new Set(['BREAKER_OPEN', 'BULKHEAD_FULL']);

function injectionsBelow(child: Span | null, { injections }: FlowFacts) {
  return child ? [...below(child)].flatMap((span) => injections.get(span) ?? []) : [];
}

function topOf(span: Span, { callers }: FlowFacts): Span {
  let top = span;
  for (const above of upFrom(span, callers)) top = above;
  return top;
}
