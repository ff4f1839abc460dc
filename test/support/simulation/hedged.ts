import type { CallStep, SendStep } from '../../../lib/model/topology';
import { attemptFields, beginAttempt, type Side, type Underway } from './attempt';
import { isClosed } from './breakers';
import type { AttemptOutcome, Span, World } from './world';

export interface Hedged {
  readonly outcome: AttemptOutcome;
  readonly hedged: boolean;
}

/** The first attempt, and beside it a second one to another instance where it takes longer than `afterMs`. */
export function hedged(
  step: CallStep | SendStep,
  span: Span,
  startAt: number,
  repetition: number,
  afterMs: number,
  world: World,
): Hedged {
  const side: Side = {};
  const first = beginAttempt(step, span, startAt, { repetition, attempt: 1 }, world, side);
  const hedgeAt = startAt + afterMs;
  const replicas = world.topology.services[step.service]?.replicas ?? 1;
  const maySend = replicas > 1 && isClosed(step, span, world) && span.deadlineAt - hedgeAt >= 1;
  let now = first.next();
  while (!now.done && (!maySend || now.value <= hedgeAt)) now = first.next();
  if (now.done) return { outcome: now.value, hedged: false };
  const number = { repetition, attempt: 2 };
  world.emit(span, hedgeAt, { event: 'HEDGE_SENT', ...attemptFields(step, span, number), decision: { afterMs } });
  const second = beginAttempt(step, span, hedgeAt + 0.01, number, world, side);
  return { outcome: race({ underway: first, now }, { underway: second, now: second.next() }), hedged: true };
}

interface Racing {
  readonly underway: Underway;
  now: IteratorResult<number, AttemptOutcome>;
}

/** The first good answer wins, and calls the other one off; where both fail the first one's failure counts. */
function race(first: Racing, second: Racing): AttemptOutcome {
  for (;;) {
    for (const [one, other] of [
      [first, second],
      [second, first],
    ] as const) {
      const { now } = one;
      if (!now.done || now.value.status === undefined || now.value.status >= 400) continue;
      const off = other.now.done ? other.now : other.underway.next(now.value.at);
      return { ...now.value, at: off.done ? Math.max(now.value.at, off.value.at) : now.value.at };
    }
    if (first.now.done && second.now.done) {
      return { ...first.now.value, at: Math.max(first.now.value.at, second.now.value.at) };
    }
    const next = first.now.done || (!second.now.done && second.now.value < first.now.value) ? second : first;
    next.now = next.underway.next();
  }
}
