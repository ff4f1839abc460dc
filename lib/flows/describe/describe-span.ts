import { roundMs } from '../../model/event-line';
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
} from '../events/event-record';
import type { Call, Span, SpanDecision, SpanFault } from '../flow';
import type { SpanTable } from '../rebuild/group-spans';
import { isWhole } from '../rebuild/span-facts';
import type { CallNode, SpanNode } from '../rebuild/span-node';
import { callDurationMs, elapsedMs, firstEvent, selfMs, startMillis, unseenMs } from '../rebuild/span-times';
import { bounded, isoTime, known } from './figures';
import { callOffset, childOffset, correctionOf, type Describing, type Frame, type Within } from './placing';
import { errorOf, idAt, identityOf, textAt } from './span-identity';

export function describeSpan(span: SpanNode, context: Within, offsetMs: number): Span {
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
    offsetMs: roundMs(offsetMs),
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
    queued: span.queued.map((child) => {
      const at = childOffset(child, context, frame, offsetMs, Number.POSITIVE_INFINITY);
      return describeSpan(child, context, at);
    }),
  };
}

/** @param caller null for the client's call, whose child is the flow's root and stands beside it */
export function describeCall(call: CallNode, context: Within, offsetMs: number, caller: Frame | null): Call {
  const { table, names } = context;
  const { words } = table;
  const { sent, ended, child } = call;
  const record = sent >= 0 ? sent : ended;
  const durationMs = callDurationMs(table, call);
  // Only who gave the answer had to end before it: after a time-out the other side goes on.
  const answered = ended >= 0 && kindOf(words[ended] as number) === KIND.RESPONSE_RECEIVED;
  const latest = answered && !Number.isNaN(durationMs) ? offsetMs + durationMs : Number.POSITIVE_INFINITY;
  const answer =
    child && caller ? describeSpan(child, context, childOffset(child, context, caller, offsetMs, latest)) : null;
  const common = { offsetMs: roundMs(offsetMs), durationMs: known(durationMs), critical: call.critical, child: answer };
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

function describeDecision(record: number, { start, offsetMs }: Frame, { table, names }: Within): SpanDecision {
  const { words } = table;
  const meta = words[record] as number;
  const isCall = (flagsOf(meta) & FLAG.CALL) !== 0;
  const repetition = words[record + WORD.REPETITION] as number;
  return {
    event: DECISIONS.get(kindOf(meta)) as SpanDecision['event'],
    offsetMs: roundMs(offsetMs + Math.max(0, elapsedMs(table, start, record))),
    step: isCall ? textAt(words, names, record + WORD.STEP) : null,
    callee: isCall ? textAt(words, names, record + WORD.CALLEE) : null,
    repetition: isCall && repetition !== NONE ? repetition : null,
    attempt: isCall ? (words[record + WORD.ATTEMPT] as number) >> 16 || null : null,
    figures: { ...extraOf(words, record).decision },
  };
}

function describeFault(record: number, { start, offsetMs }: Frame, { table, names }: Describing): SpanFault {
  const { words } = table;
  const at = { offsetMs: roundMs(offsetMs + Math.max(0, elapsedMs(table, start, record))) };
  const fault: Partial<SpanFault> = extraOf(words, record).fault ?? {};
  const isCall = fault.at === 'call' && (flagsOf(words[record] as number) & FLAG.CALL) !== 0;
  if (!isCall) return { ...fault, ...at };
  const step = textAt(words, names, record + WORD.STEP);
  const repetition = Math.max(0, words[record + WORD.REPETITION] as number);
  const attempt = (words[record + WORD.ATTEMPT] as number) >> 16 || 1;
  return { ...fault, ...(step !== null && { step }), repetition, attempt, ...at };
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
