import { isWhole } from './completeness';
import { extraOf, FLAG, flagsOf, hexOf, NONE, statusOf, VIA_NAMES, viaOf, WORD, wallMillis } from './event-record';
import type { Call, Flow, Span } from './flow';
import { hasId, type SpanTable } from './group-spans';
import type { Interner } from './interner';
import type { ProcessLog } from './process-log';
import type { CallNode, FlowNode, SpanNode } from './span-node';
import { callDurationMs, elapsedMs, firstEvent, selfMs } from './span-times';
import { flowDurationMs, flowStatus } from './statistics';

/** What turns numbers back into texts. */
export interface Describing {
  readonly table: SpanTable;
  readonly names: Interner;
  readonly processes: readonly ProcessLog[];
}

/** Timestamps are whole milliseconds, rounded down: a receipt may seem so much earlier than its sending. */
const ROUNDING_MS = 1;

/** A span that others are placed by: its first event, and where that stands in the flow. */
interface Frame {
  readonly start: number;
  readonly offsetMs: number;
}

/** A flow as users see it. */
export function describeFlow(flow: FlowNode, context: Describing): Flow {
  const { table } = context;
  const { words } = table;
  const { root, client } = flow;
  const start = firstEvent(table, root);
  const traceId = hexOf(words, root.record + WORD.TRACE, 4);
  const clientCall = client?.calls[0];
  return {
    traceId,
    key: keyOf(flow, words) ?? traceId,
    startTime: isoTime(wallMillis(words, start)),
    durationMs: known(flowDurationMs(flow, table)),
    status: flowStatus(flow) || null,
    complete: flow.complete,
    warnings: flow.warnings.map(({ text }) => text),
    client: clientCall ? describeCall(clientCall, context, clientOffset(clientCall, flow, table), null) : null,
    root: describeSpan(root, context, 0, 0),
    orphans: flow.orphans.map((orphan) => {
      const offset = wallMillis(words, firstEvent(table, orphan)) - wallMillis(words, start);
      return describeSpan(orphan, context, offset, 0);
    }),
  };
}

function describeSpan(span: SpanNode, context: Describing, offsetMs: number, correctionMs: number): Span {
  const { table, processes } = context;
  const { words } = table;
  const start = firstEvent(table, span);
  const frame = { start, offsetMs };
  return {
    ...(span.inferred ? inferredIdentity(span, context) : identity(span, context)),
    process: processes[span.origin]?.process ?? null,
    via: span.received >= 0 ? (VIA_NAMES[viaOf(words[span.received] as number)] ?? null) : null,
    startTime: isoTime(wallMillis(words, start)),
    offsetMs: round(offsetMs),
    correctionMs: round(correctionMs),
    durationMs: known(span.durationMs),
    selfMs: known(selfMs(table, span)),
    status: span.status || null,
    error: errorOf(span, words),
    faults: span.faults.map((record) => extraOf(words, record).fault ?? {}),
    complete: isWhole(span),
    inferred: span.inferred,
    critical: span.critical,
    calls: span.isClient
      ? []
      : inOrder(span.calls, words).map((call) => describeCall(call, context, callOffset(call, frame, table), frame)),
    queued: span.queued.map((child) => placed(child, context, frame, offsetMs, Number.POSITIVE_INFINITY)),
  };
}

type Identity = Pick<Span, 'service' | 'instance' | 'endpoint' | 'requestId' | 'parentRequestId' | 'place' | 'epoch'>;

function identity(span: SpanNode, { table: { words }, names, processes }: Describing): Identity {
  const { record } = span;
  const { service, instance } = processes[span.origin] as ProcessLog;
  const hasParent = (flagsOf(words[record] as number) & FLAG.PARENT) !== 0;
  const epoch = words[record + WORD.EPOCH] as number;
  return {
    service,
    instance,
    endpoint: textAt(words, names, record + WORD.ENDPOINT),
    requestId: hexOf(words, record + WORD.REQUEST, 2),
    parentRequestId: hasParent ? hexOf(words, record + WORD.PARENT, 2) : null,
    place: idAt(words, record + WORD.PLACE),
    epoch: epoch === NONE ? null : epoch,
  };
}

/** What the caller's events tell of a span that left none. */
function inferredIdentity({ record }: SpanNode, { table: { words }, names }: Describing): Identity {
  const callee = textAt(words, names, record + WORD.CALLEE) ?? '?';
  const space = callee.indexOf(' ');
  return {
    service: space < 0 ? callee : callee.slice(0, space),
    instance: textAt(words, names, record + WORD.PEER) ?? '?',
    endpoint: space < 0 ? null : callee.slice(space + 1),
    requestId: hexOf(words, record + WORD.PEER_REQUEST, 2),
    parentRequestId: hexOf(words, record + WORD.REQUEST, 2),
    place: idAt(words, record + WORD.CALL_PLACE),
    epoch: null,
  };
}

/** @param caller null for the client's call, whose child is the flow's root and stands beside it */
function describeCall(call: CallNode, context: Describing, offsetMs: number, caller: Frame | null): Call {
  const { table, names } = context;
  const { words } = table;
  const { sent, ended, child } = call;
  const record = sent >= 0 ? sent : ended;
  const durationMs = callDurationMs(table, call);
  const latest = Number.isNaN(durationMs) ? Number.POSITIVE_INFINITY : offsetMs + durationMs;
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
 * Places a span: the difference of the raw clocks to its caller, moved just so far that it neither begins before
 * `earliest` nor ends after `latest`. Up to the timestamps' rounding that is no correction worth a word.
 */
function placed(child: SpanNode, context: Describing, caller: Frame, earliest: number, latest: number): Span {
  const { words } = context.table;
  if (child.inferred) return describeSpan(child, context, earliest, 0);
  const apart = wallMillis(words, firstEvent(context.table, child)) - wallMillis(words, caller.start);
  const raw = caller.offsetMs + apart;
  const offset = Math.max(earliest, Math.min(raw, latest - (child.durationMs || 0)));
  const correction = offset - raw;
  return describeSpan(child, context, offset, Math.abs(correction) <= ROUNDING_MS ? 0 : correction);
}

function callOffset({ sent, ended, child }: CallNode, { start, offsetMs }: Frame, table: SpanTable): number {
  if (sent >= 0) return offsetMs + Math.max(0, elapsedMs(table, start, sent));
  if (ended >= 0) return offsetMs + Math.max(0, elapsedMs(table, start, ended));
  if (!child) return offsetMs;
  return offsetMs + Math.max(0, wallMillis(table.words, firstEvent(table, child)) - wallMillis(table.words, start));
}

/** The client sent before the root received, and had its answer after the root's end. */
function clientOffset(call: CallNode, { root, client }: FlowNode, table: SpanTable): number {
  if (client === root || call.sent < 0) return 0;
  const raw = wallMillis(table.words, call.sent) - wallMillis(table.words, firstEvent(table, root));
  const earliest = (root.durationMs || 0) - (callDurationMs(table, call) || Number.POSITIVE_INFINITY);
  return Math.min(0, Math.max(earliest, raw));
}

/** By the caller's sequence; attempts without an event of their own last. */
function inOrder(calls: readonly CallNode[], words: Int32Array): readonly CallNode[] {
  const at = ({ sent, ended }: CallNode): number => {
    const record = sent >= 0 ? sent : ended;
    return record < 0 ? Number.POSITIVE_INFINITY : (words[record + WORD.SEQ] as number) >>> 0;
  };
  return [...calls].sort((a, b) => (at(a) === at(b) ? 0 : at(a) - at(b)));
}

function keyOf({ root, client }: FlowNode, words: Int32Array): string | undefined {
  const sent = client?.calls[0]?.sent ?? -1;
  for (const record of [root.received, sent]) {
    const key = record >= 0 ? extraOf(words, record).key : undefined;
    if (key !== undefined) return key;
  }
  return undefined;
}

function errorOf({ error, result, ended }: SpanNode, words: Int32Array): Span['error'] {
  for (const record of [error, result, ended]) {
    const found = record >= 0 ? extraOf(words, record).error : undefined;
    if (found) return found;
  }
  return null;
}

function textAt(words: Int32Array, names: Interner, at: number): string | null {
  const number = words[at] as number;
  return number === NONE ? null : (names.texts[number] ?? null);
}

function idAt(words: Int32Array, at: number): string | null {
  return hasId(words, at) ? hexOf(words, at, 2) : null;
}

function isoTime(millis: number): string {
  return new Date(millis).toISOString();
}

/** Microseconds are what a process measures. */
function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function known(ms: number): number | null {
  return Number.isNaN(ms) ? null : round(ms);
}
