import { ITINERARY_ENDPOINT } from '../../model/contract';
import { type Hash, hashText, parseHash } from '../../model/draw';
import type { Event } from '../../model/event';
import type { FaultRule } from '../../model/fault';
import { itineraryAsEndpoint } from '../../model/itinerary-steps';
import type { OverlayRule } from '../../model/overlay';
import { checkDecisions } from './check-decisions';
import type { FaultEnd } from './check-faults';
import { checkSteps } from './check-steps';
import { type Departure, type DepartureKind, explain, type Findings } from './departure';
import { loggedCause } from './logged-causes';
import { type LostTail, TAIL_CAUSES } from './lost-tails';
import type { SpanRecord } from './span-record';
import type { Topologies } from './topologies';

export interface SpanContext {
  readonly topologies: Topologies;
  readonly findings: Findings;
  /** The flow's key, as its root has it. */
  readonly keyText: string;
  readonly key: Hash;
  /** Time that the span had, as its caller's events tell it; undefined where they are lost. */
  readonly deadlineMs: number | undefined;
  /** Why the span may end without a word. */
  readonly cutBy: LostTail | undefined;
  /** Rules that the flow brought along; undefined where that is not known: their faults are then taken as logged. */
  readonly overlay: readonly OverlayRule[] | undefined;
  /** Whether the caller asked for a `send`; undefined where that is not known. */
  readonly asked: 'call' | 'send' | undefined;
  /** Its times are not those by which the node judged when rules begin and end. */
  readonly clockMoved: boolean;
}

/** Timers fire up to a millisecond early, and what is left is handed on in whole milliseconds. */
const DEADLINE_SLACK_MS = 3;

/** Checks what one service did for one request: its key, its steps, its answer, the time it took, and its completeness. */
export function checkSpan(span: SpanRecord, context: SpanContext): void {
  const { findings, topologies } = context;
  const report = reporter(span, findings);
  const { received, result, last } = span;
  const endpointKey = received?.endpoint ?? span.events[0]?.endpoint;

  if (!span.complete) reportIncomplete(span, context, report);
  if (!topologies.has(span.service)) {
    report(
      'undeclared',
      null,
      `a service of ${topologies.name}`,
      span.service,
      `${span.service} is not in the topology`,
    );
    return;
  }
  const epoch = (received ?? span.events[0])?.epoch ?? 0;
  const described = topologies.at(span.service, epoch);
  if (!described) {
    const text = `${span.service} handled the request at epoch ${epoch}, which nothing in the log describes`;
    report('lost', null, 'a TOPOLOGY_CHANGED event', 'none', text);
    return;
  }
  checkKey(span, context, report);
  const errand = endpointKey === ITINERARY_ENDPOINT;
  const itinerary = received?.itinerary;
  if (errand) explain(findings, 'itinerary');
  if (errand && !itinerary) {
    // Refused before it was read, or its receipt is lost: nothing else says what it was to do.
    checkOrder(span, report);
    checkStatusesAgree(span, report);
    return;
  }
  if (endpointKey === undefined) {
    if (received) checkRefused(span, context, report);
    return;
  }
  const endpoint = itinerary
    ? itineraryAsEndpoint(itinerary)
    : Object.hasOwn(described.service.endpoints, endpointKey)
      ? described.service.endpoints[endpointKey]
      : undefined;
  const place = parseHash(span.events[0]?.place ?? '');
  if (!endpoint || !place) {
    const text = `${span.service} handled ${endpointKey}, which it does not have`;
    if (!endpoint) report('wrong-endpoint', null, `an endpoint of ${span.service}`, endpointKey, text);
    else report('wrong-place', null, 'a place', 'none', `${span.service} ${endpointKey} was handled without a place`);
    return;
  }

  if (isAccepted(span)) {
    checkAccepted(span, context, report);
    return;
  }
  checkOrder(span, report);
  checkStatusesAgree(span, report);
  checkDecisions(span, endpoint, described.service, place, findings, report);
  const refusal = result?.error && loggedCause(result.error.kind)?.nothingRan === true;
  if (refusal) {
    checkRefused(span, context, report);
    return;
  }

  const outOfTime = wasOutOfTime(span, context.deadlineMs);
  const crashedInside = result?.error?.kind === 'INTERNAL' && result.status === 500;
  const clientGone = last?.error?.kind === 'CLIENT_GONE';
  if (clientGone) explain(findings, 'CLIENT_GONE');
  if (crashedInside) explain(findings, 'INTERNAL');
  const verdict = checkSteps({
    span,
    endpoint,
    source: errand ? 'itinerary' : 'topology',
    rules: rulesFor(span, errand ? [] : described.service.faults, context),
    overlayKnown: context.overlay !== undefined,
    clockMoved: context.clockMoved,
    draws: { seed: described.seed, key: context.key, place },
    outOfTime,
    uncertain: !span.complete || crashedInside || (clientGone && result === undefined),
    findings,
    report,
  });
  // Without the result its cause is unknown: a refusal, say, runs no step and takes no time.
  if (crashedInside || verdict.how === 'unknown' || (result === undefined && !span.complete)) return;
  if (verdict.how === 'fault') checkFaulted(span, verdict.end, outOfTime, report);
  else checkStatus(span, verdict.how, outOfTime, findings, report);
  checkCut(span, verdict.end, report);
  const took = result?.durationMs ?? last?.durationMs;
  if (took !== undefined && verdict.how === 'well' && took < verdict.minimumMs) {
    const text = `${span.service} ${endpoint.key} took ${took} ms, less than its steps' drawn latencies`;
    report('too-fast', null, `at least ${verdict.minimumMs.toFixed(3)} ms`, `${took} ms`, text);
  }
}

export type Report = (
  kind: DepartureKind,
  step: string | null,
  expected: string,
  actual: string,
  message: string,
) => void;

export function reporter(span: SpanRecord, { departures }: Findings): Report {
  const { traceId, requestId, service } = span;
  return (kind, step, expected, actual, message): void => {
    const departure: Departure = { kind, traceId, span: requestId, service, step, expected, actual, message };
    departures.push(departure);
  };
}

/** The request of a `send`, answered 202: its work is another span. */
export function isAccepted({ last, result, received }: SpanRecord): boolean {
  return last?.status === 202 && result === undefined && received?.via !== 'queue';
}

/** Milliseconds from the span's receipt to the event, by the monotonic clock. */
export function elapsedMs({ received }: SpanRecord, event: Event): number | undefined {
  const us = event.monotonicUs - (received?.monotonicUs ?? Number.NaN);
  return Number.isFinite(us) ? us / 1000 : undefined;
}

function reportIncomplete(span: SpanRecord, { cutBy, findings }: SpanContext, report: Report): void {
  const { received, last, events, service } = span;
  const whole = received !== undefined && last === undefined;
  if (whole && cutBy) {
    explain(findings, TAIL_CAUSES[cutBy]);
    return;
  }
  const missing: string[] = [];
  if (!received) missing.push('its beginning');
  if (!last) missing.push('its end');
  const expected = last?.spanEvents === undefined ? 'a whole span' : `${last.spanEvents} events`;
  if (missing.length === 0) missing.push(`some of its ${last?.spanEvents} events`);
  const text = `${missing.join(' and ')} at ${service} is lost: what it did is not known in full`;
  report('lost', null, expected, `${events.length} events`, text);
}

function checkKey(span: SpanRecord, { keyText }: SpanContext, report: Report): void {
  for (const event of span.events) {
    const key = event.key ?? span.traceId;
    if (key === keyText) continue;
    report('wrong-key', null, keyText, key, `${span.service} drew with another key than the flow's`);
    return;
  }
}

/** An itinerary carries out its own faults only; on its calls those that the flow brought strike too. */
function rulesFor({ service, received }: SpanRecord, own: readonly FaultRule[], { overlay = [] }: SpanContext) {
  const brought = overlay.filter((rule) => rule.service === service && (!received?.itinerary || rule.at === 'call'));
  return brought.length > 0 ? [...own, ...brought] : own;
}

/** A request that was refused before any step: the status fits the cause, and nothing ran. */
function checkRefused(span: SpanRecord, { findings }: SpanContext, report: Report): void {
  const { result, last } = span;
  const kind = result?.error?.kind ?? last?.error?.kind;
  const status = result?.status ?? last?.status;
  if (status === undefined) return;
  explain(findings, kind ?? `answered ${status}`);
  const answers = loggedCause(kind)?.answers ?? [];
  if (!answers.includes(status)) {
    const expected = answers.length > 0 ? answers.join(' or ') : 'a status with a cause';
    report(
      'wrong-status',
      null,
      expected,
      String(status),
      `${span.service} answered ${status} for ${kind ?? 'no cause'}`,
    );
  }
  for (const { step, repetition } of span.calls.values()) {
    const text = `${step} ran although the request was refused (${kind})`;
    report('extra-call', step, 'no call', `repetition ${repetition}`, text);
  }
}

function checkAccepted(span: SpanRecord, { asked }: SpanContext, report: Report): void {
  if (asked === 'call') {
    report(
      'wrong-status',
      null,
      'the answer of the work',
      '202',
      `${span.service} queued a call that waits for its answer`,
    );
  }
  for (const { step } of span.calls.values()) {
    report('extra-call', step, 'no call before 202', step, `${step} ran in the request that was answered 202`);
  }
}

/** Calls lie between the receipt and the result, and the result before the end. */
function checkOrder(span: SpanRecord, report: Report): void {
  const { received, result, last } = span;
  const from = received?.seq ?? 0;
  const to = result?.seq ?? last?.seq ?? Number.POSITIVE_INFINITY;
  for (const call of span.calls.values()) {
    if (call.firstSeq < from || call.lastSeq > to) {
      const text = `${call.step} ran before the request was received or after its result was produced`;
      report('reordered', call.step, `events ${from} to ${to}`, `events ${call.firstSeq} to ${call.lastSeq}`, text);
    }
  }
  if (result && last && last.seq < result.seq) {
    report('reordered', null, 'the result before the answer', 'after it', `${span.service} answered before its result`);
  }
}

function checkStatusesAgree({ service, result, last }: SpanRecord, report: Report): void {
  if (result?.status === undefined || last?.status === undefined || result.status === last.status) return;
  const text = `${service} produced ${result.status} and sent ${last.status}`;
  report('wrong-status', null, String(result.status), String(last.status), text);
}

/** A fault decided: the answer has its status, or there is none. */
function checkFaulted(span: SpanRecord, end: FaultEnd | undefined, outOfTime: boolean, report: Report): void {
  const { result, last, service } = span;
  const status = result?.status ?? last?.status;
  // Side by side with a fault the deadline counts first.
  if (status === 504 && outOfTime) return;
  if (end === 'dropped') {
    if (!result) return;
    const text = `${service} was to give no answer, as a fault had it, and gave ${status}`;
    report('wrong-status', null, 'no answer', String(status), text);
  } else if (end && status !== undefined && status !== end.status) {
    const text = `${service} answered ${status}, and a fault had it answer ${end.status}`;
    report('wrong-status', null, String(end.status), String(status), text);
  }
}

/** An answer that a fault cut off has such a fault. */
function checkCut({ last, faults, service }: SpanRecord, end: FaultEnd | undefined, report: Report): void {
  if (last?.error?.kind !== 'FAULT' || last.event !== 'ERROR' || end === 'dropped') return;
  if (faults.some(({ fault }) => fault?.type === 'truncate')) return;
  report('wrong-status', null, 'an answer', 'none', `${service} gave no whole answer, and no fault had it so`);
}

function checkStatus(
  span: SpanRecord,
  how: 'well' | 'failed' | 'deadline',
  outOfTime: boolean,
  findings: Findings,
  report: Report,
): void {
  const status = span.result?.status ?? span.last?.status;
  if (status === undefined) return;
  const implied = { well: 200, failed: 502, deadline: 504 }[how];
  if (status === implied || (status === 504 && outOfTime)) {
    if (status === 504) explain(findings, 'answered 504: out of time');
    return;
  }
  const why = {
    well: 'no required step failed',
    failed: 'a required step failed',
    deadline: 'the deadline ended a step',
  };
  const text = `${span.service} answered ${status}, and ${why[how]}${status === 504 ? ' before the deadline' : ''}`;
  report('wrong-status', null, String(implied), String(status), text);
}

/** Whether the deadline may have cut the span: an attempt says so, or so much time had passed. */
function wasOutOfTime(span: SpanRecord, deadlineMs: number | undefined): boolean {
  for (const { error, step } of span.events) if (step !== undefined && error?.kind === 'DEADLINE') return true;
  const end = span.result ?? span.last;
  const took = end && (elapsedMs(span, end) ?? end.durationMs);
  if (deadlineMs === undefined) return end?.status === 504;
  return took !== undefined && took >= deadlineMs - DEADLINE_SLACK_MS;
}

/** The flow's key: what its events carry, or the trace id where they carry none. */
export function flowKey(
  spans: Iterable<SpanRecord>,
  traceId: string,
): { readonly keyText: string; readonly key: Hash } {
  const counts = new Map<string, number>();
  for (const { events } of spans) {
    for (const { key = traceId } of events) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  let [keyText, most] = [traceId, 0];
  for (const [text, count] of counts) if (count > most) [keyText, most] = [text, count];
  return { keyText, key: hashText(keyText) };
}
