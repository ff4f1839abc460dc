import { backoffMs, chosenBranch, endsCall, happens, mayRetry, repetitions, work } from '../../model/decisions';
import { childPlace, type DrawContext, formatHash, type Hash, hashText } from '../../model/draw';
import type { DecisionKind, ErrorKind, Event } from '../../model/event';
import { rulesOfCall } from '../../model/faced-faults';
import type { FaultRule } from '../../model/fault';
import { stepsWithin } from '../../model/resolve';
import type { CallStep, Endpoint, FaultStep, SendStep, Step } from '../../model/topology';
import { attemptRank, facedAny } from './attempt-rank';
import { checkFaults, type FacedPoint, type FaultEnd, type FaultPoint } from './check-faults';
import { type DepartureKind, explain, type Findings } from './departure';
import { loggedCause } from './logged-causes';
import { type Attempt, type CallRecord, type Connection, callKey, type SpanRecord } from './span-record';

type Outgoing = CallStep | SendStep;

/** How a step ended, given what was logged of it. */
interface Ended {
  /** `failed`: a required step failed. `fault`: a fault raised on purpose ended it. `deadline`: the deadline did. `unknown`: the log does not say. */
  readonly how: 'well' | 'failed' | 'fault' | 'deadline' | 'unknown';
  /** With `fault`: how it ended the request. */
  readonly end?: FaultEnd | undefined;
  /** Sequence numbers of its first and last event; null where it logged none. */
  readonly seqs: readonly [first: number, last: number] | null;
  /** What it took at the least, as its draws say. */
  readonly minimumMs: number;
}

/** What the steps imply for the request's own answer. */
export interface StepsVerdict {
  readonly how: Ended['how'];
  readonly end: FaultEnd | undefined;
  readonly minimumMs: number;
}

export interface StepsContext {
  readonly span: SpanRecord;
  readonly endpoint: Endpoint;
  /** Whose steps they are: faults among an itinerary's steps are its own. */
  readonly source: 'topology' | 'itinerary';
  /** Of its service, then those that the flow brought. */
  readonly rules: readonly FaultRule[];
  /** Whether the flow brought no others. */
  readonly overlayKnown: boolean;
  /** The span's times are not those by which the node judged when rules begin and end. */
  readonly clockMoved: boolean;
  readonly draws: DrawContext;
  /** Time may have run out: what was not begun may be missing. */
  readonly outOfTime: boolean;
  /** Part of the span's log is lost, or the span was cut short: what is missing proves nothing. */
  readonly uncertain: boolean;
  readonly findings: Findings;
  readonly report: (kind: DepartureKind, step: string | null, expected: string, actual: string, text: string) => void;
}

/**
 * A timer counts whole milliseconds and may fire almost one early, and a latency is rounded to them: so much less than
 * drawn may a wait last.
 */
const TIMER_SLACK_MS = 2;
const MAX_RECONNECTS = 3;
/** A hedge stands beside the first attempt, and has the next number. */
const HEDGE = 2;

/**
 * Walks an endpoint's steps as a node does, with the draws repeated and every logged outcome taken as given, and reports
 * each call that should be there and is not, that is there and should not be, or that is not as it should be.
 */
export function checkSteps(context: StepsContext): StepsVerdict {
  const { span, source, rules, overlayKnown, clockMoved, draws, uncertain, outOfTime, findings, report } = context;
  const used = new Set<CallRecord>();

  const walkSequence = (steps: readonly Step[]): Ended => {
    let [first, last] = [-1, -1];
    let minimumMs = 0;
    for (const step of steps) {
      const ended = walk(step, false);
      minimumMs += ended.minimumMs;
      if (ended.seqs) {
        if (last >= ended.seqs[0]) reportReordered(step, last, ended.seqs[0]);
        if (first < 0) first = ended.seqs[0];
        last = Math.max(last, ended.seqs[1]);
      }
      if (ended.how !== 'well') return { ...ended, seqs: first < 0 ? null : [first, last], minimumMs };
    }
    return { how: 'well', seqs: first < 0 ? null : [first, last], minimumMs };
  };

  const sideBySide = (branches: readonly Ended[]): Ended => {
    let seqs: Ended['seqs'] = null;
    let minimumMs = 0;
    let how: Ended['how'] = 'well';
    let end: FaultEnd | undefined;
    for (const branch of branches) {
      if (branch.seqs)
        seqs = seqs ? [Math.min(seqs[0], branch.seqs[0]), Math.max(seqs[1], branch.seqs[1])] : branch.seqs;
      minimumMs = Math.max(minimumMs, branch.minimumMs);
      if (SEVERITY[branch.how] <= SEVERITY[how]) continue;
      how = branch.how;
      end = branch.end;
    }
    return { how, end, seqs, minimumMs };
  };

  const walk = (step: Step, inParallel: boolean): Ended => {
    switch (step.kind) {
      case 'sequence':
        return walkSequence(step.steps);
      case 'parallel':
        return sideBySide(step.steps.map((branch) => walk(branch, true)));
      case 'oneOf':
        return walkSequence(step.branches[chosenBranch(step, draws)]?.steps ?? []);
      case 'work': {
        if (workFailed(span, step.id)) {
          explain(findings, 'work failed');
          return { how: 'failed', seqs: null, minimumMs: 0 };
        }
        const minimumMs = outOfTime ? 0 : Math.max(0, work(step, draws).latencyMs - TIMER_SLACK_MS);
        return { how: 'well', seqs: null, minimumMs };
      }
      case 'fault':
        return walkFault(step);
      case 'call':
      case 'send': {
        if (!happens(step, draws)) return WELL;
        const times = repetitions(step, draws);
        if (inParallel) return sideBySide(Array.from({ length: times }, (_, repetition) => walkCall(step, repetition)));
        return inTurn(step, times);
      }
    }
  };

  const seen = new Set<Event>();

  /** The faults at one point of the request; `reached` is false where it is not known whether the node came there. */
  const face = (candidates: readonly FaultRule[], logged: readonly Event[], more: Partial<FaultPoint>): FacedPoint => {
    for (const event of logged) seen.add(event);
    for (const { fault } of logged) explain(findings, `fault: ${fault?.type}`);
    const step = null;
    const where = '';
    return checkFaults({
      candidates,
      logged,
      draws,
      span,
      overlayKnown,
      clockMoved,
      uncertain,
      outOfTime,
      step,
      where,
      report,
      ...more,
    });
  };

  const asEnded = ({ end, cut, delayMs, seqs }: FacedPoint): Ended => {
    const minimumMs = outOfTime ? 0 : Math.max(0, delayMs - TIMER_SLACK_MS);
    return { how: end ? 'fault' : cut ? 'deadline' : 'well', end, seqs, minimumMs };
  };

  const walkFault = ({ id, fault, probability }: FaultStep): Ended => {
    const rule: FaultRule = { id, fault, probability, at: 'before', source };
    const logged = span.faults.filter((event) =>
      source === 'itinerary' ? isOwn(event, id) : event.fault?.step === id,
    );
    return asEnded(face([rule], logged, { step: id, where: 'among its steps' }));
  };

  const faceRules = (at: 'before' | 'after', known: boolean): Ended => {
    const candidates = rules.filter(
      (rule) => rule.at === at && (rule.endpoint === undefined || rule.endpoint === context.endpoint.key),
    );
    const logged = span.faults.filter(
      (event) => event.fault?.at === at && event.fault.step === undefined && !(source === 'itinerary' && isOwn(event)),
    );
    if (candidates.length === 0 && logged.length === 0) return WELL;
    return asEnded(face(candidates, logged, { uncertain: uncertain || !known, where: `${at} its work` }));
  };

  /** The faults of one attempt, held against how it ended. */
  const faceAttempt = (step: Outgoing, repetition: number, made: Attempt): FacedPoint | undefined => {
    const { attempt, connections } = made;
    const candidates = facedAny(made) ? rulesOfCall(step, context.endpoint.key, rules) : [];
    const logged = span.faults.filter(
      (event) =>
        event.fault?.at === 'call' &&
        event.step === step.id &&
        event.repetition === repetition &&
        event.attempt === attempt,
    );
    if (candidates.length === 0 && logged.length === 0) return undefined;
    const place = childPlace(draws.place, stepHash(step.id), repetition, attempt);
    const faced = face(candidates, logged, {
      draws: { ...draws, place },
      step: step.id,
      where: `on attempt ${attempt} of ${step.id}`,
      rank: (rule) => attemptRank(rule, context, step, repetition, made),
    });
    const { deciding } = faced;
    if (!deciding) return faced;
    const [connection] = connections;
    const { outcome, sent } = connection ?? {};
    if (deciding.type === 'error') {
      const status = Number(deciding.args.status);
      if (outcome && (outcome.error?.kind !== 'FAULT' || outcome.status !== status)) {
        const text = `${deciding.id} made attempt ${attempt} of ${step.id} end with ${status}, and it ended otherwise`;
        report(
          'wrong-status',
          step.id,
          String(status),
          `${outcome.error?.kind ?? ''} ${outcome.status ?? ''}`.trim(),
          text,
        );
      }
    }
    if (deciding.type !== 'reset' && sent) {
      const text = `${deciding.id} let nothing of attempt ${attempt} of ${step.id} out, and a request was sent`;
      report('extra-call', step.id, 'no request', 'REQUEST_SENT', text);
    }
    return faced;
  };

  const inTurn = (step: Outgoing, times: number): Ended => {
    let ended = WELL;
    for (let repetition = 0; repetition < times && ended.how === 'well'; repetition++) {
      const next = walkCall(step, repetition);
      if (ended.seqs && next.seqs && next.seqs[0] <= ended.seqs[1]) reportReordered(step, ended.seqs[1], next.seqs[0]);
      const seqs: Ended['seqs'] = ended.seqs && next.seqs ? [ended.seqs[0], next.seqs[1]] : (next.seqs ?? ended.seqs);
      ended = { how: next.how, seqs, minimumMs: ended.minimumMs + next.minimumMs };
    }
    return ended;
  };

  /** Whether a policy decided so about this call, and this attempt of it. */
  const decided = (kind: DecisionKind, step: Outgoing, repetition: number, attempt: number): boolean =>
    span.decisions.some(
      (event) =>
        event.event === kind && event.step === step.id && event.repetition === repetition && event.attempt === attempt,
    );

  /** What a required call that failed with this attempt came to: a fallback may have answered it. */
  const afterFailure = (step: Outgoing, repetition: number, attempt: number): Ended['how'] => {
    if (decided('FALLBACK_USED', step, repetition, attempt)) return 'well';
    if (!step.fallback) return 'failed';
    if (uncertain) return 'unknown';
    const text = `${step.id} failed with attempt ${attempt}, and its fallback was not used`;
    report('missing-decision', step.id, 'FALLBACK_USED', 'none', text);
    return 'failed';
  };

  /** One repetition with all its attempts. */
  const walkCall = (step: Outgoing, repetition: number): Ended => {
    const call = span.calls.get(callKey(step.id, repetition));
    const title = `${step.kind} of ${step.service} ${step.endpoint}${repetition > 0 ? `, repetition ${repetition}` : ''}`;
    if (!call) {
      if (outOfTime) {
        return { how: 'deadline', seqs: null, minimumMs: 0 };
      }
      if (!uncertain) report('missing-call', step.id, title, 'nothing', `the ${title} was drawn and not made`);
      return { how: 'unknown', seqs: null, minimumMs: 0 };
    }
    used.add(call);
    let minimumMs = 0;
    let ended: Ended['how'] | undefined;
    let expected = 1;
    let lastSeq = -1;
    const hedges = wasHedged(step, call) ? 1 : 0;
    const beside = hedges > 0 ? call.attempts.find(({ attempt }) => attempt === HEDGE) : undefined;
    if (hedges > 0 && !beside && !uncertain) {
      report('missing-call', step.id, 'the hedge', 'none', `a hedge of the ${title} was to be sent, and was not`);
    }
    for (const attempt of call.attempts) {
      if (attempt === beside) continue;
      if (attempt.attempt !== expected) {
        if (attempt.attempt > expected && ended === undefined) break;
        reportExtraRetry(step, attempt, 'no further attempt was due');
        continue;
      }
      const firstSeq = seqsOf(attempt)[0];
      if (firstSeq <= lastSeq) reportReordered(step, lastSeq, firstSeq);
      lastSeq = seqsOf(attempt)[1];
      const number = attempt.attempt === 1 ? 1 + hedges : attempt.attempt;
      const tries = number - hedges;
      const pair = number > attempt.attempt ? beside : undefined;
      if (pair) lastSeq = Math.max(lastSeq, seqsOf(pair)[1]);
      checkAddress(step, repetition, attempt);
      const faced = faceAttempt(step, repetition, attempt);
      if (faced && !pair && !outOfTime) minimumMs += Math.max(0, faced.delayMs - TIMER_SLACK_MS);
      const outcome = outcomeOfPair(step, repetition, outcomeOf(step, attempt, faced), pair);
      if (outcome === 'unknown') return { how: 'unknown', seqs: [call.firstSeq, call.lastSeq], minimumMs };
      if (outcome === 'well') {
        if (decided('FALLBACK_USED', step, repetition, number)) {
          const text = `${step.id} was answered, and its fallback used all the same`;
          report('extra-decision', step.id, 'no fallback', 'FALLBACK_USED', text);
        }
        ended = 'well';
        expected = Number.POSITIVE_INFINITY;
      } else if (outcome.outOfTime) {
        ended = step.optional ? 'well' : 'deadline';
        expected = Number.POSITIVE_INFINITY;
      } else if (
        !endsCall(outcome.kind) &&
        mayRetry(step, tries, outcome.status) &&
        !decided('RETRY_BUDGET_EXHAUSTED', step, repetition, number)
      ) {
        expected = number + 1;
        const wait = Math.max(0, backoffMs(step, draws, repetition, tries) - TIMER_SLACK_MS);
        const next = call.attempts.find((other) => other.attempt === expected);
        if (next && !(next.connections[0]?.outcome?.error?.kind === 'DEADLINE')) minimumMs += wait;
        if (next) explain(findings, 'retry');
      } else {
        ended = step.optional ? 'well' : afterFailure(step, repetition, number);
        if (step.optional) explain(findings, 'optional call failed');
        expected = Number.POSITIVE_INFINITY;
      }
    }
    if (ended === undefined) {
      if (outOfTime) ended = step.optional ? 'well' : 'deadline';
      else {
        ended = 'unknown';
        if (!uncertain) {
          const text = `attempt ${expected - 1} of the ${title} failed, may be retried, and was not`;
          report('missing-retry', step.id, `attempt ${expected}`, `${expected - 1} attempts`, text);
        }
      }
    }
    return { how: ended, seqs: [call.firstSeq, call.lastSeq], minimumMs };
  };

  /** Whether the first attempt had a hedge beside it; where events are lost, an attempt of that number may have been one. */
  const wasHedged = (step: Outgoing, { repetition, attempts }: CallRecord): boolean =>
    decided('HEDGE_SENT', step, repetition, HEDGE) ||
    (uncertain && step.hedge !== undefined && attempts.some(({ attempt }) => attempt === HEDGE));

  /** Of an attempt and the hedge beside it one good answer will do; where both fail, the attempt's own failure counts. */
  const outcomeOfPair = (
    step: Outgoing,
    repetition: number,
    own: AttemptOutcome,
    beside: Attempt | undefined,
  ): AttemptOutcome => {
    if (!beside) return own;
    checkAddress(step, repetition, beside);
    const other = outcomeOf(step, beside, faceAttempt(step, repetition, beside));
    if (own === 'well' || other === 'well') return 'well';
    if (own === 'unknown' || other === 'unknown') return 'unknown';
    if ((own.kind === 'CANCELLED' || other.kind === 'CANCELLED') && !uncertain) {
      const text = `an attempt of ${step.id} was called off, and none beside it was answered`;
      report('extra-decision', step.id, 'an answer', 'CANCELLED', text);
    }
    return own;
  };

  const checkAddress = (step: Outgoing, repetition: number, { attempt, connections }: Attempt): void => {
    const place = formatHash(childPlace(draws.place, stepHash(step.id), repetition, attempt));
    const callee = `${step.service} ${step.endpoint}`;
    for (const { sent, outcome } of connections) {
      for (const event of [sent, outcome]) {
        if (!event) continue;
        if (event.callPlace !== place) {
          const text = `the call of ${callee} carries a place that does not follow from the caller's`;
          report('wrong-place', step.id, place, event.callPlace ?? 'none', text);
          return;
        }
        if (event.callee !== callee) {
          const kind = event.callee?.startsWith(`${step.service} `) ? 'wrong-endpoint' : 'wrong-callee';
          const text = `the step calls ${callee}, and ${event.callee ?? 'nothing'} was called`;
          report(kind, step.id, callee, event.callee ?? 'none', text);
          return;
        }
      }
    }
  };

  /** What an attempt came to; the causes of its failures are counted. */
  const outcomeOf = (
    step: Outgoing,
    { attempt, connections }: Attempt,
    faced: FacedPoint | undefined,
  ): AttemptOutcome => {
    let failure: Exclude<AttemptOutcome, 'well'> = 'unknown';
    for (const [index, connection] of connections.entries()) {
      const isLast = index === connections.length - 1;
      const problem = connectionProblem(step, connection, index, faced);
      if (problem && !uncertain) {
        report(
          'extra-call',
          step.id,
          'one request and one outcome for each connection',
          problem,
          `attempt ${attempt} of ${step.id}: ${problem}`,
        );
      }
      const { outcome } = connection;
      if (!outcome) {
        if (!uncertain) {
          const text = `attempt ${attempt} of ${step.id} was sent, and neither answer nor error is logged`;
          report('missing-call', step.id, 'an outcome', 'none', text);
        }
        return 'unknown';
      }
      if (outcome.event === 'RESPONSE_RECEIVED') {
        if (!isLast && !uncertain)
          reportExtraRetry(step, { attempt, connections }, 'the connection before was answered');
        if (outcome.status !== undefined && outcome.status < 400) return 'well';
        explain(findings, `answered ${outcome.status}`);
        return { kind: 'STEP_FAILED', status: outcome.status, outOfTime: false };
      }
      const kind = outcome.error?.kind;
      const cause = loggedCause(kind);
      explain(findings, kind ?? 'error without a kind');
      if (!isLast && !cause?.reconnects && !uncertain) {
        reportExtraRetry(step, { attempt, connections }, `${kind} allows no other connection in the same attempt`);
      }
      if (!isLast) explain(findings, 'reconnect');
      failure = {
        kind: kind ?? 'INTERNAL',
        status: kind === 'FAULT' ? outcome.status : undefined,
        outOfTime: cause?.outOfTime ?? false,
      };
    }
    return failure;
  };

  const connectionProblem = (
    step: Outgoing,
    { reconnect, sent, outcome, surplus }: Connection,
    index: number,
    faced: FacedPoint | undefined,
  ): string | undefined => {
    if (surplus > 0) return 'more than one request or outcome in one connection';
    if (reconnect !== index || reconnect > MAX_RECONNECTS)
      return `a connection numbered ${reconnect} where ${index} was due`;
    if (!outcome || outcome.event === 'RESPONSE_RECEIVED') return sent ? undefined : 'an answer to nothing sent';
    const cause = loggedCause(outcome.error?.kind);
    if (!cause || cause.attempt === 'never')
      return `an attempt ended with ${outcome.error?.kind}, which no attempt can`;
    const held = faced !== undefined && (faced.deciding !== undefined || faced.delayMs > 0);
    if (outcome.error?.kind === 'FAULT' && faced?.deciding?.type !== 'error') return 'FAULT without a fault injected';
    if (cause.attempt === 'after-sent' && !sent && !held) return `${outcome.error?.kind} without a request sent`;
    const kind = outcome.error?.kind;
    if (kind === 'BREAKER_OPEN' && !step.breaker) return 'BREAKER_OPEN without a breaker';
    if (kind === 'CANCELLED' && !step.hedge) return 'CANCELLED without a hedge';
    if (kind === 'BULKHEAD_FULL' && !step.bulkhead) return 'BULKHEAD_FULL without a bulkhead';
    if (cause.attempt === 'alone' && sent) return `${outcome.error?.kind} although a request was sent`;
    if (sent && outcome.seq < sent.seq) return 'the outcome stands before the request';
    return undefined;
  };

  const reportReordered = (step: Step, before: number, begun: number): void =>
    report(
      'reordered',
      step.id,
      `a start after event ${before}`,
      `a start at event ${begun}`,
      `${step.id} began before what stands ahead of it in the sequence had ended`,
    );

  const reportExtraRetry = (step: Outgoing, { attempt }: Attempt, why: string): void =>
    report('extra-retry', step.id, 'no such attempt', `attempt ${attempt}`, `attempt ${attempt} of ${step.id}: ${why}`);

  /** A fault before the work, or the deadline in one, leaves the steps out; one after it may decide another answer. */
  const walkWhole = (): Ended => {
    const before = faceRules('before', true);
    if (before.how !== 'well') return before;
    const steps = walkSequence(context.endpoint.steps);
    if (steps.how === 'fault') return steps;
    const after = faceRules('after', steps.how === 'well' || steps.how === 'failed');
    const minimumMs = before.minimumMs + steps.minimumMs + after.minimumMs;
    return after.how === 'well' ? { ...steps, minimumMs } : { ...after, minimumMs };
  };

  const whole = walkWhole();
  for (const call of span.calls.values()) if (!used.has(call)) reportExtra(context, call, whole.how);
  for (const { fault, step = null, seq } of span.faults.filter((event) => !seen.has(event))) {
    if (uncertain || whole.how === 'unknown' || !fault || (fault.source === 'overlay' && !overlayKnown)) continue;
    const text = `${fault?.id} struck at ${span.service} (event ${seq}), where its endpoint never came`;
    report('extra-fault', step, 'no such fault', fault?.id ?? 'none', text);
  }
  return { how: whole.how, end: whole.end, minimumMs: whole.minimumMs };
}

type AttemptOutcome =
  | 'well'
  | 'unknown'
  | { readonly kind: ErrorKind; readonly status: number | undefined; readonly outOfTime: boolean };

const WELL: Ended = { how: 'well', seqs: null, minimumMs: 0 };
/** In a group the deadline counts before other failures. */
const SEVERITY = { well: 0, failed: 1, fault: 2, deadline: 3, unknown: 4 } as const;

/** A fault of an itinerary's stop, and perhaps a certain one. */
function isOwn({ fault }: Event, id = fault?.id): boolean {
  return fault?.source === 'itinerary' && fault.id === id;
}

/** Says why a call that no walk of the steps asked for should not be. */
function reportExtra(
  { endpoint, draws, uncertain, report }: StepsContext,
  call: CallRecord,
  ended: Ended['how'],
): void {
  const { step: id, repetition } = call;
  const callee = call.attempts[0]?.connections[0]?.sent?.callee ?? call.attempts[0]?.connections[0]?.outcome?.callee;
  const actual = `${callee ?? 'a call'} by ${id}, repetition ${repetition}`;
  const step = [...stepsWithin(endpoint.steps)].find((candidate) => candidate.id === id);
  const extra = (expected: string, why: string) => report('extra-call', id, expected, actual, `${actual}: ${why}`);
  if (!step || (step.kind !== 'call' && step.kind !== 'send')) {
    extra('no such step', `${endpoint.key} has no such step`);
  } else if (!happens(step, draws)) {
    extra('no call', `its probability of ${step.probability} was drawn against it`);
  } else if (repetition >= repetitions(step, draws)) {
    extra(`${repetitions(step, draws)} repetitions`, 'it was made more often than drawn');
  } else if (ended === 'unknown' || uncertain) {
    // Whether the walk should have come here depends on what is not known.
  } else extra('no call', 'the steps ended before it, or took another branch');
}

/** A work step's own failure (a full disk) has no event of its own: the answer's error names it. */
function workFailed({ result }: SpanRecord, id: string): boolean {
  return result?.error?.kind === 'STEP_FAILED' && result.error.message.startsWith(`${id}: `);
}

function seqsOf({ connections }: Attempt): readonly [number, number] {
  const seqs = connections.flatMap(({ sent, outcome }) =>
    [sent, outcome].flatMap((event) => (event ? [event.seq] : [])),
  );
  return [Math.min(...seqs), Math.max(...seqs)];
}

const hashes = new Map<string, Hash>();

/** Step ids are as many as a topology has, so they are hashed once each. */
function stepHash(id: string): Hash {
  let hash = hashes.get(id);
  if (!hash) {
    hash = hashText(id);
    hashes.set(id, hash);
  }
  return hash;
}
