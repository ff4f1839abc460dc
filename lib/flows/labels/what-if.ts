import { chosenBranch, happens, repetitions, work } from '../../model/decisions';
import { childPlace, type Hash, hashText, parseHash } from '../../model/draw';
import type { CallStep, Endpoint, SendStep, Step } from '../../model/topology';
import type { Described } from '../conformance/topologies';
import type { Span } from '../flow';
import type { AttemptScene } from './attempt-would';
import type { CallScene } from './call-scene';
import { callWould } from './call-would';
import { type FlowFacts, type Injection, upFrom } from './injections';
import { itineraryAsLogged } from './itinerary-as-logged';
import type { Basis } from './label';
import { attemptKey, HEDGE, type LoggedAttempt, loggedAttempts } from './logged-attempts';
import { type Moment, OUT_OF_TIME, together } from './moment';
import { latest, type World } from './world';
import { asMeasured, UNKNOWN, type Would, weaker } from './would-be';

/** So much earlier than drawn may a wait end, and its length is rounded. */
const SLACK_MS = 2;
/** A request that was refused ran no steps. */
const REFUSALS: ReadonlySet<string> = new Set(['OVERLOAD', 'INTERNAL', 'NOT_FOUND', 'BAD_REQUEST', 'FORBIDDEN']);

/**
 * Works out what a request and all below it would have come to without some injections: the steps are walked again with
 * their draws, and each part that nothing taken away bears on keeps the time that it took; the rest moves with it. What
 * never ran and would have is worth what its draws say. Returns what every span on the way would have been; those left out
 * stay as they were.
 */
export function whatIf(
  top: Span,
  removed: ReadonlySet<Injection>,
  facts: FlowFacts,
  world: World,
): ReadonlyMap<Span, Would> {
  const touched = new Set<Span>();
  for (const { span } of removed) for (const above of upFrom(span, facts.callers)) touched.add(above);
  const results = new Map<Span, Would>();

  const spanWould = (span: Span, leftMs: number | undefined, moved: boolean): Would => {
    if (!touched.has(span) && !(moved && facts.cut.has(span))) return asMeasured(span);
    const would = known(span, leftMs);
    results.set(span, would);
    return would;
  };

  const known = (span: Span, leftMs: number | undefined): Would => {
    const decided = (facts.policies.get(span) ?? []).filter((each) => removed.has(each) && each.fault.at !== 'call');
    if (decided.length > 0) return UNKNOWN;
    if (REFUSALS.has(span.error?.kind ?? '') || (span.status === 202 && span.via !== 'queue')) return asMeasured(span);
    const described = world.at(span.service, span.epoch ?? 0);
    const place = parseHash(span.place ?? '');
    const strikes = facts.injections.get(span) ?? [];
    const logged = itineraryAsLogged(span);
    if (logged && strikes.some((strike) => strike.decides && removed.has(strike))) return UNKNOWN;
    const endpoint = logged ?? described?.service.endpoints[span.endpoint ?? ''];
    if (!described || !endpoint || !place || span.inferred) return UNKNOWN;
    return requestWould({ described, endpoint, place, epoch: span.epoch ?? 0 }, span, leftMs ?? endpoint.deadlineMs);
  };

  /** A request that never was. */
  const drawnWould = (step: CallStep | SendStep, place: Hash, epoch: number, leftMs: number): Would => {
    if (step.kind === 'send') return { ...UNKNOWN, ms: 0, status: 202, basis: 'modelled' };
    const described = latest(world, step.service, epoch);
    const endpoint = described?.service.endpoints[step.endpoint];
    if (!described || !endpoint) return UNKNOWN;
    return requestWould({ described, endpoint, place, epoch }, null, leftMs);
  };

  interface Request {
    readonly described: Described;
    readonly endpoint: Endpoint;
    readonly place: Hash;
    readonly epoch: number;
  }

  const requestWould = ({ described, endpoint, place, epoch }: Request, span: Span | null, limitMs: number): Would => {
    const draws = { seed: described.seed, key: world.key, place };
    const strikes = (span && facts.injections.get(span)) ?? [];
    const policies = (span && facts.policies.get(span)) ?? [];
    const attempts: ReadonlyMap<string, LoggedAttempt> = span
      ? loggedAttempts(span, policies.length > 0 ? [...strikes, ...policies] : strikes)
      : new Map();
    const endedMs = span?.durationMs ?? Number.POSITIVE_INFINITY;
    const made = new Set<string>();
    const absent: string[] = [];
    const failing: string[] = [];
    let basis = (span ? 'measured' : 'modelled') as Basis;
    /** Whether the time from the last thing known to the answer is the node's own. */
    let hasTail = span !== null && span.durationMs !== null;

    const seek = (at: Moment, eventMs: number): Moment => ({ ...at, was: eventMs, would: at.would + eventMs - at.was });
    const stop = (at: Moment): Moment => {
      hasTail = false;
      return { ...at, live: false };
    };
    const inTime = (at: Moment): Moment => {
      if (at.would < limitMs) return at;
      return { ...at, would: limitMs, end: OUT_OF_TIME };
    };

    const walkSequence = (steps: readonly Step[], from: Moment): Moment => {
      let at = from;
      for (const step of steps) {
        at = walk(step, at, false);
        if (at.end) break;
      }
      return at;
    };

    const walk = (step: Step, at: Moment, inParallel: boolean): Moment => {
      switch (step.kind) {
        case 'sequence':
          return walkSequence(step.steps, at);
        case 'parallel':
          return together(
            at,
            step.steps.map((branch) => walk(branch, at, true)),
          );
        case 'oneOf':
          return walkSequence(step.branches[chosenBranch(step, draws)]?.steps ?? [], at);
        case 'work': {
          const { latencyMs, cpuMs } = work(step, draws);
          return passed(at, Math.round(latencyMs) + cpuMs);
        }
        case 'fault':
          return strikes.filter(({ fault }) => isStep(fault, step.id)).reduce(strike, at);
        case 'call':
        case 'send': {
          if (!happens(step, draws)) return at;
          const times = Array.from({ length: repetitions(step, draws) }, (_, repetition) => repetition);
          if (inParallel) {
            return together(
              at,
              times.map((repetition) => walkCall(step, at, repetition)),
            );
          }
          return times.reduce((now, repetition) => (now.end ? now : walkCall(step, now, repetition)), at);
        }
      }
    };

    const isCut = (at: Moment, ms: number): boolean =>
      at.was + ms > endedMs + SLACK_MS && span !== null && facts.cut.has(span);

    /** Work is in no event: what was is as long as its draws say, and what is left over stays with what comes next. */
    const passed = (at: Moment, ms: number): Moment => {
      const then = at.live && isCut(at, ms) ? stop(at) : at;
      if (!then.live && ms > 0) basis = weaker(basis, 'modelled');
      return inTime({ ...then, was: then.was + (then.live ? ms : 0), would: then.would + ms });
    };

    const strike = (from: Moment, injection: Injection): Moment => {
      if (from.end) return from;
      const { fault, atMs, waitMs } = injection;
      const at = seek(from, atMs);
      const gone = removed.has(injection);
      if (gone && fault.refused === undefined) basis = weaker(basis, 'drawn');
      if (injection.decides || (fault.type === 'crash' && fault.refused === undefined)) {
        if (gone) return stop(at);
        const status = fault.type === 'error' ? Number(fault.args?.status) : null;
        return { ...at, live: false, end: { status, weight: 2 } };
      }
      const held = isCut(at, waitMs) ? stop(at) : { ...at, was: at.was + waitMs };
      return gone ? held : inTime({ ...held, would: held.would + waitMs });
    };

    const walkCall = (step: CallStep | SendStep, from: Moment, repetition: number): Moment => {
      const scene: CallScene = {
        step,
        repetition,
        draws,
        wasHedged: attempts.get(attemptKey(step.id, repetition, HEDGE))?.isHedge ?? false,
        logged: (attempt) => attempts.get(attemptKey(step.id, repetition, attempt)),
        sceneOf: (attempt, at) => sceneOf(step, childPlace(draws.place, hashText(step.id), repetition, attempt), at),
      };
      const would = callWould(scene, from);
      basis = weaker(basis, would.basis);
      for (const attempt of would.made) {
        const key = attemptKey(step.id, repetition, attempt);
        made.add(key);
        if (!attempts.has(key)) absent.push(`${step.service} ${step.endpoint}`);
      }
      for (const attempt of would.failing) failing.push(attemptKey(step.id, repetition, attempt));
      return would.at;
    };

    const sceneOf = (step: CallStep | SendStep, place: Hash, { was, would }: Moment): AttemptScene => {
      const moved = Math.abs(was - would) > 0.5;
      return {
        leftMs: limitMs - would,
        timeoutMs: step.timeoutMs,
        hopMs: facts.hopMs,
        moved,
        isRemoved: (injection) => removed.has(injection),
        isTouched: (child) => touched.has(child),
        isCut: (child) => facts.cut.has(child),
        removedOf: (child) => (facts.injections.get(child) ?? []).filter((injection) => removed.has(injection)),
        span: (child, leftMs) => spanWould(child, Math.floor(leftMs), moved),
        drawn: (leftMs) => drawnWould(step, place, epoch, Math.floor(leftMs)),
      };
    };

    const pointStrikes = (at: 'before' | 'after') =>
      strikes.filter(({ fault }) => fault.at === at && fault.step === undefined && fault.source !== 'itinerary');
    let at = pointStrikes('before').reduce<Moment>(strike, { was: 0, would: 0, live: span !== null });
    if (!at.end) at = walkSequence(endpoint.steps, at);
    if (!at.end || at.end.weight === 1) {
      const { end, ...steps } = at;
      const after = pointStrikes('after').reduce<Moment>(strike, steps);
      at = after.end || !end ? after : { ...after, end };
    }

    const status = at.end ? at.end.status : 200;
    const tailMs = hasTail && !(at.end && at.live) ? Math.max(0, endedMs - at.was) : 0;
    // Both ends are the deadline's.
    const ms = span && status === 504 && span.status === 504 ? endedMs : at.would + tailMs;
    const unmade = [...attempts].filter(([key]) => !made.has(key));
    return {
      ms: basis === 'unknown' ? Number.NaN : ms,
      status: basis === 'unknown' ? null : status,
      basis,
      absent,
      extra: unmade.flatMap(([, { calls }]) => calls.flatMap(({ child }) => child ?? [])),
      retried: unmade.some(([key, { isHedge }]) => !key.startsWith('1 ') && !isHedge),
      hedged: unmade.some(([, { isHedge }]) => isHedge),
      failing,
    };
  };

  spanWould(top, undefined, false);
  return results;
}

/** A fault that stands among the steps; an itinerary's faults are its steps. */
function isStep({ at, step, source, id }: Injection['fault'], stepId: string): boolean {
  return at !== 'call' && (source === 'itinerary' ? id === stepId : step === stepId);
}
