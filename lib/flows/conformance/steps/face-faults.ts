import type { Event } from '../../../model/event';
import { rulesOfCall } from '../../../model/faced-faults';
import type { FaultRule } from '../../../model/fault';
import type { FaultStep, Outgoing } from '../../../model/topology';
import { explain } from '../departure';
import type { Attempt } from '../span-record';
import { attemptPlace } from './attempt-place';
import { attemptRank, facedAny } from './attempt-rank';
import { checkFaults, type FacedPoint, type FaultPoint } from './check-faults';
import { type Ended, leastMs, type Walk, WELL } from './walk';

/** A fault among the steps. */
export function faceStep(walk: Walk, { id, fault, probability }: FaultStep): Ended {
  const { span, source } = walk;
  const rule: FaultRule = { id, fault, probability, at: 'before', source };
  const logged = span.faults.filter((event) => (source === 'itinerary' ? isOwn(event, id) : event.fault?.step === id));
  return asEnded(walk, face(walk, [rule], logged, { step: id, where: 'among its steps' }));
}

/** The rules' faults before or after the work; `reached` is false where it is not known whether the node came there. */
export function faceRules(walk: Walk, at: 'before' | 'after', reached: boolean): Ended {
  const { span, rules, endpoint, source, uncertain } = walk;
  const candidates = rules.filter(
    (rule) => rule.at === at && (rule.endpoint === undefined || rule.endpoint === endpoint.key),
  );
  const logged = span.faults.filter(
    (event) => event.fault?.at === at && event.fault.step === undefined && !(source === 'itinerary' && isOwn(event)),
  );
  if (candidates.length === 0 && logged.length === 0) return WELL;
  return asEnded(walk, face(walk, candidates, logged, { uncertain: uncertain || !reached, where: `${at} its work` }));
}

/** The faults of one attempt, held against how it ended. */
export function faceAttempt(walk: Walk, step: Outgoing, repetition: number, made: Attempt): FacedPoint | undefined {
  const { span, endpoint, rules, draws, report } = walk;
  const { attempt, connections } = made;
  const candidates = facedAny(made) ? rulesOfCall(step, endpoint.key, rules) : [];
  const logged = span.faults.filter(
    (event) =>
      event.fault?.at === 'call' &&
      event.step === step.id &&
      event.repetition === repetition &&
      event.attempt === attempt,
  );
  if (candidates.length === 0 && logged.length === 0) return undefined;
  const faced = face(walk, candidates, logged, {
    draws: { ...draws, place: attemptPlace(walk, step, repetition, attempt) },
    step: step.id,
    where: `on attempt ${attempt} of ${step.id}`,
    rank: (rule) => attemptRank(rule, walk, step, repetition, made),
  });
  const { deciding } = faced;
  if (!deciding) return faced;
  const { outcome, sent } = connections[0] ?? {};
  if (deciding.type === 'error') {
    const status = Number(deciding.args.status);
    if (outcome && (outcome.error?.kind !== 'FAULT' || outcome.status !== status)) {
      const text = `${deciding.id} made attempt ${attempt} of ${step.id} end with ${status}, and it ended otherwise`;
      const actual = `${outcome.error?.kind ?? ''} ${outcome.status ?? ''}`.trim();
      report('wrong-status', step.id, String(status), actual, text);
    }
  }
  if (deciding.type !== 'reset' && sent) {
    const text = `${deciding.id} let nothing of attempt ${attempt} of ${step.id} out, and a request was sent`;
    report('extra-call', step.id, 'no request', 'REQUEST_SENT', text);
  }
  return faced;
}

function face(
  walk: Walk,
  candidates: readonly FaultRule[],
  logged: readonly Event[],
  more: Partial<FaultPoint> & Pick<FaultPoint, 'where'>,
): FacedPoint {
  for (const event of logged) {
    walk.faults.add(event);
    explain(walk.findings, `fault: ${event.fault?.type}`);
  }
  const { draws, span, overlayKnown, clockMoved, uncertain, outOfTime, report } = walk;
  const common = { draws, span, overlayKnown, clockMoved, uncertain, outOfTime, report, step: null };
  return checkFaults({ candidates, logged, ...common, ...more });
}

function asEnded({ outOfTime }: Walk, { end, cut, delayMs, seqs }: FacedPoint): Ended {
  const minimumMs = outOfTime ? 0 : leastMs(delayMs);
  return { how: end ? 'fault' : cut ? 'deadline' : 'well', end, seqs, minimumMs };
}

/** A fault of an itinerary's stop, and perhaps a certain one. */
function isOwn({ fault }: Event, id = fault?.id): boolean {
  return fault?.source === 'itinerary' && fault.id === id;
}
