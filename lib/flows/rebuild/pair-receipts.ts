import { FLAG, flagsOf, NONE, statusOf, VIA, viaOf, WORD } from '../events/event-record';
import { byHybridClock } from './clock-order';
import { findSpan, hasId, type SpanTable, sameId } from './group-spans';
import { isWhole, wasReceived, wasRefused } from './span-facts';
import type { CallNode, SpanNode } from './span-node';
import { firstEvent } from './span-times';

/** What pairing could not settle by itself, for the flows that it concerns. */
export interface Pairing {
  /** Spans without a caller among the events: roots, and spans whose caller's events are lost. */
  readonly parentless: readonly SpanNode[];
  /** Spans that answer a call which another span answers too. */
  readonly twice: ReadonlySet<SpanNode>;
  /** Spans whose caller logged all its events, but no such call. */
  readonly unannounced: ReadonlySet<SpanNode>;
}

/**
 * Finds for each span the call that it answers. A pair is (caller's request id, place of the call); the client's request
 * has no place, its pair is the request id alone; the work of a `send` hangs on the span that answered 202.
 *
 * Where the caller's answer proves that a span was there which left no event, an inferred one takes its place, so that
 * what lies below it does not fall apart from the flow.
 */
export function pairReceipts(table: SpanTable): Pairing {
  const pairs: Pairs = { table, byPlace: new Map(), twice: new Set(), unannounced: new Set() };
  const { spans } = table;
  const waiting: SpanNode[] = [];
  for (let i = 0; i < spans.length; i++) if (!pair(spans[i] as SpanNode, pairs)) waiting.push(spans[i] as SpanNode);
  for (let i = 0; i < spans.length; i++) inferChildren(spans[i] as SpanNode, table);
  const parentless = waiting.filter((span) => !pair(span, pairs));
  return { parentless: inTime(parentless, table), twice: pairs.twice, unannounced: pairs.unannounced };
}

/** Which of several spans without a caller becomes a flow's root is not for the order of lines to say. */
function inTime(spans: readonly SpanNode[], table: SpanTable): readonly SpanNode[] {
  if (spans.length < 2) return spans;
  const compare = byHybridClock(table.words);
  const firsts = new Map(spans.map((span) => [span, firstEvent(table, span)]));
  return [...spans].sort((a, b) => compare(firsts.get(a) as number, firsts.get(b) as number));
}

interface Pairs {
  readonly table: SpanTable;
  /** Calls of spans that made many, by the first word of their place. */
  readonly byPlace: Map<SpanNode, ReadonlyMap<number, readonly CallNode[]>>;
  readonly twice: Set<SpanNode>;
  readonly unannounced: Set<SpanNode>;
}

/** True where the span has found its place, or needs none: the client's. */
function pair(span: SpanNode, pairs: Pairs): boolean {
  if (span.isClient) return true;
  const { table } = pairs;
  const { words } = table;
  const { record } = span;
  if ((flagsOf(words[record] as number) & FLAG.PARENT) === 0) return false;
  const parent = findSpan(table, record, record + WORD.PARENT);
  if (parent === undefined || parent === span) return false;
  span.parent = parent;
  if (isQueued(words, span, parent)) {
    parent.queued = [...parent.queued, span];
    return true;
  }
  const call = callAt(parent, record + WORD.PLACE, pairs);
  if (call?.child?.inferred === false) pairs.twice.add(span);
  if (call && (call.child === null || call.child.inferred)) {
    call.child = span;
    span.call = call;
    return true;
  }
  if (!call && isWhole(parent)) pairs.unannounced.add(span);
  const lost = table.nodes.call(parent, -1, -1);
  lost.child = span;
  span.call = lost;
  return true;
}

/** Where the receipt itself is lost, the same place as the parent's tells the work of a `send` from a call. */
function isQueued(words: Int32Array, span: SpanNode, parent: SpanNode): boolean {
  if (span.received >= 0) return viaOf(words[span.received] as number) === VIA.queue;
  if (parent.isClient) return false;
  const place = parent.inferred ? parent.record + WORD.CALL_PLACE : parent.record + WORD.PLACE;
  return hasId(words, place) && sameId(words, place, span.record + WORD.PLACE);
}

/** From this many calls on a span's calls are looked up in a map. */
const MANY_CALLS = 16;

/** A span's call by its place. Of several connections of one attempt the last one reached somebody. */
function callAt(parent: SpanNode, place: number, { table, byPlace }: Pairs): CallNode | undefined {
  const { calls } = parent;
  if (parent.isClient) return calls[0];
  const { words } = table;
  if (calls.length < MANY_CALLS) return latestAt(words, calls, place);
  let known = byPlace.get(parent);
  if (!known) {
    known = callsByPlace(words, calls);
    byPlace.set(parent, known);
  }
  return latestAt(words, known.get(words[place] as number) ?? [], place);
}

function callsByPlace(words: Int32Array, calls: readonly CallNode[]): ReadonlyMap<number, readonly CallNode[]> {
  const found = new Map<number, CallNode[]>();
  for (const call of calls) {
    const key = words[placeOf(call)] as number;
    const same = found.get(key);
    if (same) same.push(call);
    else found.set(key, [call]);
  }
  return found;
}

function latestAt(words: Int32Array, calls: readonly CallNode[], place: number): CallNode | undefined {
  for (let i = calls.length - 1; i >= 0; i--) {
    const call = calls[i] as CallNode;
    if (call.sent < 0 && call.ended < 0) continue;
    if (sameId(words, placeOf(call), place) && !wasRefused(call)) return call;
  }
  return undefined;
}

function placeOf({ sent, ended }: CallNode): number {
  return (sent >= 0 ? sent : ended) + WORD.CALL_PLACE;
}

function inferChildren({ calls }: SpanNode, table: SpanTable): void {
  for (let i = 0; i < calls.length; i++) {
    const call = calls[i] as CallNode;
    if (call.child === null && wasReceived(table, call)) inferChild(table, call);
  }
}

function inferChild(table: SpanTable, call: CallNode): void {
  const { words } = table;
  const span = table.nodes.span(call.ended, NONE, false, true);
  span.status = statusOf(words[call.ended] as number);
  span.parent = call.caller;
  span.call = call;
  call.child = span;
  if (hasId(words, call.ended + WORD.PEER_REQUEST)) table.inferred.push({ span, id: call.ended + WORD.PEER_REQUEST });
}
