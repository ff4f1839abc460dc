import { type NodeOrdering, orderings } from './clocks/orderings';
import { type Placement, placeFlow } from './clocks/place-flow';
import { eachSpan, type RunClocks } from './clocks/run-clocks';
import {
  DECISIONS,
  extraOf,
  FLAG,
  flagsOf,
  hexOf,
  KIND,
  kindOf,
  NONE,
  statusOf,
  VIA_NAMES,
  viaOf,
  WORD,
  wallMillis,
} from './event-record';
import type { Call, Flow, Ordering, Span, SpanDecision, SpanFault } from './flow';
import type { SpanTable } from './group-spans';
import type { Expectation } from './inference/expectation';
import { inferExpected } from './inference/infer-expected';
import type { Interner } from './interner';
import type { ProcessLog } from './process-log';
import { isWhole } from './span-facts';
import { errorOf, idAt, identityOf, textAt } from './span-identity';
import type { CallNode, FlowNode, SpanNode } from './span-node';
import { callDurationMs, elapsedMs, firstEvent, selfMs, startMillis, unseenMs } from './span-times';
import { flowDurationMs, flowStatus } from './statistics';

/** What turns numbers back into texts. */
export interface Describing {
  readonly table: SpanTable;
  readonly names: Interner;
  readonly processes: readonly ProcessLog[];
  readonly clocks: RunClocks;
  /** What the topology says of lost requests; null where it is not known. */
  readonly expectation: Expectation | null;
}

/** A flow while it is described. */
interface Within extends Describing {
  readonly placement: Placement;
  readonly origin: Frame;
  readonly orders: ReadonlyMap<SpanNode, 'proved' | 'within-clock-error'>;
}

/** Timestamps are whole milliseconds, rounded down: a receipt may seem so much earlier than its sending. */
const ROUNDING_MS = 1;

/** A span that others are placed by: its first event that was found, and where that stands in the flow. */
interface Frame {
  readonly start: number;
  readonly offsetMs: number;
}

/** A flow as users see it. */
export function describeFlow(flow: FlowNode, describing: Describing): Flow {
  const { table, clocks } = describing;
  const { words } = table;
  const { root, client } = flow;
  const start = firstEvent(table, root);
  const startMs = startMillis(table, root);
  const placement = placeFlow(flow, table, clocks);
  const ordered = orderings(flow, table, placement, clocks);
  const orders = new Map<SpanNode, 'proved' | 'within-clock-error'>();
  for (const { second, proof } of ordered) {
    if (second.at !== 'start') continue;
    if (proof === null) orders.set(second.span, 'within-clock-error');
    else if (!orders.has(second.span)) orders.set(second.span, 'proved');
  }
  const context = { ...describing, placement, origin: { start, offsetMs: unseenMs(table, root) }, orders };
  const traceId = hexOf(words, root.record + WORD.TRACE, 4);
  const clientCall = client?.calls[0];
  const key = keyOf(flow, words);
  const described: Flow = {
    traceId,
    key: key ?? traceId,
    startTime: isoTime(startMs),
    durationMs: known(flowDurationMs(flow, table)),
    status: flowStatus(flow) || null,
    complete: flow.complete,
    warnings: flow.warnings.map(({ text }) => text),
    client: clientCall ? describeCall(clientCall, context, clientOffset(clientCall, flow, context), null) : null,
    root: describeSpan(root, context, 0),
    orphans: flow.orphans.map((orphan) => describeSpan(orphan, context, startOffset(orphan, context))),
    orderings: ordered.map((ordering) => describeOrdering(ordering, describing)),
  };
  const isDoubtful = key === undefined || flow.warnings.some(({ kind }) => kind === 'second-root' || kind === 'cycle');
  return describing.expectation === null || isDoubtful ? described : inferExpected(described, describing.expectation);
}

function describeSpan(span: SpanNode, context: Within, offsetMs: number): Span {
  const { table, processes, clocks, placement, orders } = context;
  const uncertaintyMs = span.inferred ? null : bounded(placement.likely(firstEvent(table, span)).boundMs);
  const order = orders.get(span);
  const { words } = table;
  const start = firstEvent(table, span);
  const frame = { start, offsetMs: offsetMs + unseenMs(table, span) };
  return {
    ...identityOf(span, context),
    process: processes[span.origin]?.process ?? null,
    via: span.received >= 0 ? (VIA_NAMES[viaOf(words[span.received] as number)] ?? null) : null,
    startTime: isoTime(startMillis(table, span)),
    host: span.inferred ? null : (clocks.domains.domains[clocks.domains.domainOf(span.origin)]?.name ?? null),
    offsetMs: round(offsetMs),
    correctionMs: span.inferred ? 0 : correctionOf(frame, context),
    ...(uncertaintyMs !== null && { uncertaintyMs }),
    ...(order && { order }),
    durationMs: known(span.durationMs),
    selfMs: known(selfMs(table, span)),
    status: span.status || null,
    error: errorOf(span, words),
    faults: span.faults.map((record) => describeFault(record, frame, context)),
    decisions: span.decisions.map((record) => describeDecision(record, frame, context)),
    complete: isWhole(span),
    inferred: span.inferred,
    ...(span.inferred && { inferredFrom: 'caller' as const }),
    critical: span.critical,
    calls: span.isClient
      ? []
      : inOrder(span.calls, table).map((call) => describeCall(call, context, callOffset(call, frame, context), frame)),
    queued: span.queued.map((child) => placed(child, context, frame, offsetMs, Number.POSITIVE_INFINITY)),
  };
}

function describeDecision(record: number, { start, offsetMs }: Frame, { table, names }: Within): SpanDecision {
  const { words } = table;
  const meta = words[record] as number;
  const isCall = (flagsOf(meta) & FLAG.CALL) !== 0;
  const repetition = words[record + WORD.REPETITION] as number;
  return {
    event: DECISIONS.get(kindOf(meta)) as SpanDecision['event'],
    offsetMs: round(offsetMs + Math.max(0, elapsedMs(table, start, record))),
    step: isCall ? textAt(words, names, record + WORD.STEP) : null,
    callee: isCall ? textAt(words, names, record + WORD.CALLEE) : null,
    repetition: isCall && repetition !== NONE ? repetition : null,
    attempt: isCall ? (words[record + WORD.ATTEMPT] as number) >> 16 || null : null,
    figures: { ...extraOf(words, record).decision },
  };
}

function describeFault(record: number, { start, offsetMs }: Frame, { table, names }: Describing): SpanFault {
  const { words } = table;
  const at = { offsetMs: round(offsetMs + Math.max(0, elapsedMs(table, start, record))) };
  const fault: Partial<SpanFault> = extraOf(words, record).fault ?? {};
  const isCall = fault.at === 'call' && (flagsOf(words[record] as number) & FLAG.CALL) !== 0;
  if (!isCall) return { ...fault, ...at };
  const step = textAt(words, names, record + WORD.STEP);
  const repetition = Math.max(0, words[record + WORD.REPETITION] as number);
  const attempt = (words[record + WORD.ATTEMPT] as number) >> 16 || 1;
  return { ...fault, ...(step !== null && { step }), repetition, attempt, ...at };
}

/** @param caller null for the client's call, whose child is the flow's root and stands beside it */
function describeCall(call: CallNode, context: Within, offsetMs: number, caller: Frame | null): Call {
  const { table, names } = context;
  const { words } = table;
  const { sent, ended, child } = call;
  const record = sent >= 0 ? sent : ended;
  const durationMs = callDurationMs(table, call);
  // Only who gave the answer had to end before it: after a time-out the other side goes on.
  const answered = ended >= 0 && kindOf(words[ended] as number) === KIND.RESPONSE_RECEIVED;
  const latest = answered && !Number.isNaN(durationMs) ? offsetMs + durationMs : Number.POSITIVE_INFINITY;
  const answer = child && caller ? placed(child, context, caller, offsetMs, latest) : null;
  const common = { offsetMs: round(offsetMs), durationMs: known(durationMs), critical: call.critical, child: answer };
  if (record < 0) return { ...LOST_CALL, ...common, callPlace: child && idAt(words, child.record + WORD.PLACE) };
  const either = (word: number): string | null =>
    (ended >= 0 ? textAt(words, names, ended + word) : null) ?? (sent >= 0 ? textAt(words, names, sent + word) : null);
  const repetition = words[record + WORD.REPETITION] as number;
  const attempt = words[record + WORD.ATTEMPT] as number;
  const bytes = ended >= 0 ? (words[ended + WORD.BYTES] as number) : NONE;
  return {
    ...common,
    callee: either(WORD.CALLEE),
    step: either(WORD.STEP),
    repetition: repetition === NONE ? null : repetition,
    attempt: attempt >> 16 || null,
    reconnect: attempt & 0xffff,
    callPlace: idAt(words, record + WORD.CALL_PLACE),
    peer: either(WORD.PEER),
    peerRequestId: ended >= 0 ? idAt(words, ended + WORD.PEER_REQUEST) : null,
    sent: sent >= 0 ? true : isWhole(call.caller) ? false : null,
    status: ended >= 0 ? statusOf(words[ended] as number) || null : null,
    error: ended >= 0 ? (extraOf(words, ended).error ?? null) : null,
    bytes: bytes === NONE ? null : bytes >>> 0,
  };
}

const LOST_CALL = {
  callee: null,
  step: null,
  repetition: null,
  attempt: null,
  reconnect: 0,
  callPlace: null,
  peer: null,
  peerRequestId: null,
  sent: null,
  status: null,
  error: null,
  bytes: null,
} as const;

/**
 * Places a span where its host's clock says. Only where logs contradict themselves is that not yet between its sending
 * and its answer; it is then moved just so far.
 */
function placed(child: SpanNode, context: Within, caller: Frame, earliest: number, latest: number): Span {
  const { table } = context;
  if (child.inferred) return describeSpan(child, context, earliest);
  const first = firstEvent(table, child);
  // Within a process its monotonic clock tells, as it does for the calls.
  const sameProcess = table.words[first + WORD.ORIGIN] === table.words[caller.start + WORD.ORIGIN];
  const unseen = unseenMs(table, child);
  const own = sameProcess
    ? caller.offsetMs + elapsedMs(table, caller.start, first) - unseen
    : startOffset(child, context);
  const answered = kindOf(table.words[child.ended] ?? 0) === KIND.RESPONSE_SENT;
  // Bars are as long as their process measured; a clock that runs fast must not draw one past its answer's receipt.
  const ends = answered ? Math.max(unseen + elapsedMs(table, first, child.ended), child.durationMs || 0) : 0;
  return describeSpan(child, context, Math.max(earliest, Math.min(own, latest - ends)));
}

/** Up to the timestamps' rounding a difference to the hosts' own clocks is no correction worth a word. */
function correctionOf({ start, offsetMs }: Frame, { table, clocks, origin }: Within): number {
  const { words, floats } = table;
  const hostTime = (event: number): number =>
    clocks.hostTime(
      words[event + WORD.ORIGIN] as number,
      floats[(event + WORD.MONOTONIC) >> 1] as number,
      wallMillis(words, event),
    );
  const correction = offsetMs - origin.offsetMs - (hostTime(start) - hostTime(origin.start));
  return Math.abs(correction) <= ROUNDING_MS ? 0 : round(correction);
}

function describeOrdering({ first, second, apartMs, boundMs, proof }: NodeOrdering, context: Describing): Ordering {
  const { table, processes } = context;
  const event = ({ span, at }: NodeOrdering['first']): Ordering['first'] => ({
    requestId: hexOf(table.words, span.record + WORD.REQUEST, 2),
    instance: processes[span.origin]?.instance ?? '?',
    at,
  });
  return { first: event(first), second: event(second), apartMs: round(apartMs), boundMs: bounded(boundMs), proof };
}

/** Of an attempt whose sending is lost its end tells, by the duration that it bears. */
function callOffset(call: CallNode, { start, offsetMs }: Frame, context: Within): number {
  const { table } = context;
  const { sent, ended, child } = call;
  if (sent >= 0) return offsetMs + Math.max(0, elapsedMs(table, start, sent));
  if (ended >= 0) return offsetMs + elapsedMs(table, start, ended) - (callDurationMs(table, call) || 0);
  if (!child || child.inferred) return offsetMs;
  return Math.max(offsetMs, startOffset(child, context));
}

/** Where a span's beginning stands by its host's clock, also where its event is lost and its end tells of it. */
function startOffset(span: SpanNode, { table, placement }: Within): number {
  return placement.offsetMs(firstEvent(table, span)) - unseenMs(table, span);
}

/** The client sent before the root received, and had its answer after the root's end. */
function clientOffset(call: CallNode, { root, client }: FlowNode, { table, placement }: Within): number {
  if (client === root || (call.sent < 0 && call.ended < 0)) return 0;
  const durationMs = callDurationMs(table, call);
  const earliest = (root.durationMs || 0) - (durationMs || Number.POSITIVE_INFINITY);
  const own = call.sent >= 0 ? placement.offsetMs(call.sent) : placement.offsetMs(call.ended) - durationMs;
  return Math.min(0, Math.max(earliest, own || 0));
}

/** By the caller's sequence; attempts without an event of their own last, as their callees began. */
function inOrder(calls: readonly CallNode[], table: SpanTable): readonly CallNode[] {
  const { words } = table;
  const sequence = ({ sent, ended }: CallNode): number => {
    const record = sent >= 0 ? sent : ended;
    return record < 0 ? Number.POSITIVE_INFINITY : (words[record + WORD.SEQ] as number) >>> 0;
  };
  const began = ({ child }: CallNode): string => {
    if (!child) return '';
    const record = firstEvent(table, child);
    return hexOf(words, record + WORD.HLC, 2) + hexOf(words, record + WORD.REQUEST, 2);
  };
  return [...calls].sort((a, b) => {
    const [first, second] = [sequence(a), sequence(b)];
    if (first !== second) return first - second;
    return began(a) < began(b) ? -1 : 1;
  });
}

/** As the beginning of any of its requests tells; undefined where all of those are lost. */
function keyOf({ root, client, orphans }: FlowNode, words: Int32Array): string | undefined {
  const of = (record: number): string => extraOf(words, record).key ?? hexOf(words, record + WORD.TRACE, 4);
  const sent = client?.calls[0]?.sent ?? -1;
  if (root.received >= 0) return of(root.received);
  if (sent >= 0) return of(sent);
  let key: string | undefined;
  for (const top of [root, ...orphans]) {
    eachSpan(top, ({ received }) => {
      if (received >= 0) key ??= of(received);
    });
  }
  return key;
}

function isoTime(millis: number): string {
  return new Date(millis).toISOString();
}

/** Microseconds are what a process measures. */
function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function bounded(ms: number): number | null {
  return Number.isFinite(ms) ? round(ms) : null;
}

function known(ms: number): number | null {
  return Number.isNaN(ms) ? null : round(ms);
}
