import { ITINERARY_ENDPOINT } from '../../../model/contract';
import { parseHash } from '../../../model/draw';
import type { FaultRule } from '../../../model/fault';
import { itineraryAsEndpoint } from '../../../model/itinerary-steps';
import { explain } from '../departure';
import { loggedCause } from '../logged-causes';
import type { SpanRecord } from '../span-record';
import { checkSteps } from '../steps/check-steps';
import type { StepsContext } from '../steps/walk';
import type { Described } from '../topologies';
import { checkAnswer, wasOutOfTime } from './check-answer';
import { checkDecisions } from './check-decisions';
import { checkAccepted, checkRefused, isAccepted } from './check-unworked';
import { checkComplete, checkCourse, checkKey } from './check-whole';
import type { SpanContext } from './span-context';
import { type Report, reporter } from './span-report';

/** Checks what one service did for one request: its completeness, its key, its steps, and its answer. */
export function checkSpan(span: SpanRecord, context: SpanContext): void {
  const { findings } = context;
  const report = reporter(span, findings);
  checkComplete(span, context, report);
  const described = describedAs(span, context, report);
  if (!described) return;
  checkKey(span, context, report);

  const { received } = span;
  const endpointKey = received?.endpoint ?? span.events[0]?.endpoint;
  if (endpointKey === ITINERARY_ENDPOINT) explain(findings, 'itinerary');
  if (endpointKey === ITINERARY_ENDPOINT && !received?.itinerary) {
    // Refused before it was read, or its receipt is lost: nothing else says what it was to do.
    checkCourse(span, report);
  } else if (endpointKey === undefined) {
    if (received) checkRefused(span, context, report);
  } else checkEndpoint(span, endpointKey, described, context, report);
}

/** The service as it should have been for this request; undefined where nobody said how, which is reported. */
function describedAs(span: SpanRecord, { topologies }: SpanContext, report: Report): Described | undefined {
  const { service, received, events } = span;
  if (!topologies.has(service)) {
    report('undeclared', null, `a service of ${topologies.name}`, service, `${service} is not in the topology`);
    return undefined;
  }
  const epoch = (received ?? events[0])?.epoch ?? 0;
  const described = topologies.at(service, epoch);
  if (!described) {
    const text = `${service} handled the request at epoch ${epoch}, which nothing in the log describes`;
    report('lost', null, 'a TOPOLOGY_CHANGED event', 'none', text);
  }
  return described;
}

function checkEndpoint(
  span: SpanRecord,
  endpointKey: string,
  described: Described,
  context: SpanContext,
  report: Report,
): void {
  const { service, received, result } = span;
  const { endpoints } = described.service;
  const itinerary = received?.itinerary;
  const written = Object.hasOwn(endpoints, endpointKey) ? endpoints[endpointKey] : undefined;
  const endpoint = itinerary ? itineraryAsEndpoint(itinerary) : written;
  const place = parseHash(span.events[0]?.place ?? '');
  if (!endpoint) {
    const text = `${service} handled ${endpointKey}, which it does not have`;
    report('wrong-endpoint', null, `an endpoint of ${service}`, endpointKey, text);
    return;
  }
  if (!place) {
    report('wrong-place', null, 'a place', 'none', `${service} ${endpointKey} was handled without a place`);
    return;
  }
  if (isAccepted(span)) {
    checkAccepted(span, context, report);
    return;
  }
  checkCourse(span, report);
  checkDecisions(span, endpoint, described.service, place, context.findings, report);
  const refused = result?.error && loggedCause(result.error.kind)?.nothingRan === true;
  if (refused) checkRefused(span, context, report);
  else {
    const draws = { seed: described.seed, key: context.key.hash, place };
    checkWork(span, { endpoint, draws, rules: rulesFor(span, described.service.faults, context) }, context, report);
  }
}

/** The steps that ran, and the answer that they led to. */
function checkWork(
  span: SpanRecord,
  asked: Pick<StepsContext, 'endpoint' | 'draws' | 'rules'>,
  context: SpanContext,
  report: Report,
): void {
  const { findings, overlay, clockMoved } = context;
  const { result, last, complete } = span;
  const outOfTime = wasOutOfTime(span, context.deadlineMs);
  const crashedInside = result?.error?.kind === 'INTERNAL' && result.status === 500;
  const clientGone = last?.error?.kind === 'CLIENT_GONE';
  if (clientGone) explain(findings, 'CLIENT_GONE');
  if (crashedInside) explain(findings, 'INTERNAL');
  const verdict = checkSteps({
    ...asked,
    span,
    source: span.received?.itinerary ? 'itinerary' : 'topology',
    overlayKnown: overlay !== undefined,
    clockMoved,
    outOfTime,
    uncertain: !complete || crashedInside || (clientGone && result === undefined),
    findings,
    report,
  });
  // Without the result its cause is unknown: a refusal, say, runs no step and takes no time.
  if (crashedInside || (result === undefined && !complete)) return;
  checkAnswer(span, verdict, outOfTime, context, report);
}

/** An itinerary carries out its own faults only; on its calls those that the flow brought strike too. */
function rulesFor(
  { service, received }: SpanRecord,
  ofService: readonly FaultRule[],
  { overlay = [] }: SpanContext,
): readonly FaultRule[] {
  const own = received?.itinerary ? [] : ofService;
  const brought = overlay.filter((rule) => rule.service === service && (!received?.itinerary || rule.at === 'call'));
  return brought.length > 0 ? [...own, ...brought] : own;
}
