import { parseCallee } from '../../model/callee';
import { FLAG, flagsOf, hexOf, hlcMillis, NONE, statusOf, VIA, viaOf, WORD } from '../events/event-record';
import type { Interner } from '../events/interner';
import type { ProcessLog } from '../events/process-log';
import { byHybridClock } from './clock-order';
import type { SpanTable } from './group-spans';
import type { Pairing } from './pair-receipts';
import { isWhole, wasReceived, wasRefused } from './span-facts';
import type { CallNode, FlowNode, FlowWarning, SpanNode } from './span-node';
import { firstEvent } from './span-times';

/** What the whole run knows that bears on single flows. */
export interface RunKnowledge {
  readonly names: Interner;
  readonly processes: readonly ProcessLog[];
  /** Whether the run's driver logs its requests: a root without them has lost them. */
  readonly expectsClient: boolean;
  /** Whether a process is the run's driver. */
  readonly isClient: (origin: number) => boolean;
  /**
   * Whether an instance, or any instance of a service, may have received a request of which its log lacks all events: one
   * that was sent, and given up, at these times by the hybrid clock.
   */
  mayLack(instance: string | undefined, service: string, sentMs: number, endedMs: number): boolean;
}

/**
 * Says of each flow what of it is lost. A span's last event counts its events; an answered call proves a span, a 202
 * proves work that follows, a root's parent id proves a client. A call without any answer proves nothing: whether its
 * receipt is lost is in doubt only where that instance did lose events.
 */
export function judgeCompleteness(
  flows: readonly FlowNode[],
  table: SpanTable,
  pairing: Pairing,
  run: RunKnowledge,
): void {
  for (const flow of flows) {
    const { client, root, orphans, warnings } = flow;
    const found: Finding[] = [];
    judgeTree(client ?? root, found, table, pairing, run);
    for (const orphan of orphans) judgeTree(orphan, found, table, pairing, run);
    if (!client) {
      const hasParent = (flagsOf(table.words[root.record] as number) & FLAG.PARENT) !== 0;
      if (run.expectsClient && hasParent && !warnings.some(({ kind }) => kind === 'orphan')) {
        warnings.push({ kind: 'lost-client', text: "the client's events of this request are lost" });
      }
    }
    if (found.length > 1) sortFindings(found, table.words);
    for (const { warning } of found) warnings.push(warning);
    flow.complete = !warnings.some(({ kind }) => LOSS.has(kind));
  }
}

const LOSS: ReadonlySet<FlowNode['warnings'][number]['kind']> = new Set([
  'lost-events',
  'lost-span',
  'lost-client',
  'may-be-lost',
  'queued-work-missing',
  'orphan',
  'cycle',
] as const);

/** A warning, and the record of whose time it is. */
interface Finding {
  readonly record: number;
  readonly warning: FlowWarning;
}

function sortFindings(found: Finding[], words: Int32Array): void {
  const compare = byHybridClock(words);
  found.sort((a, b) => compare(a.record, b.record));
}

function judgeTree(top: SpanNode, found: Finding[], table: SpanTable, pairing: Pairing, run: RunKnowledge): void {
  const stack = [top];
  for (let span = stack.pop(); span !== undefined; span = stack.pop()) {
    if (span.judged) continue;
    span.judged = true;
    judgeSpan(span, found, table, pairing, run);
    for (let i = 0; i < span.calls.length; i++) {
      const call = span.calls[i] as CallNode;
      if (call.child) stack.push(call.child);
      else judgeUnanswered(call, found, table, run);
    }
    if (span.queued.length > 0) stack.push(...span.queued);
  }
}

function judgeSpan(span: SpanNode, found: Finding[], table: SpanTable, pairing: Pairing, run: RunKnowledge): void {
  const { words } = table;
  const warn = (kind: FlowWarning['kind'], text: string): void => {
    found.push({ record: firstEvent(table, span), warning: { kind, text } });
  };
  if (span.inferred) {
    const name = peerOf(span.record, words, run) ?? calleeOf(span.record, words, run) ?? 'a callee';
    warn('lost-span', `${name} answered, but all its events of that request are lost`);
    return;
  }
  if (!isWhole(span)) {
    warn('lost-events', `${nameOf(span, words, run)}: ${whatIsLost(span)}`);
  } else if (span.expected > 0 && span.events > span.expected) {
    const text = `${nameOf(span, words, run)}: ${span.events} events, where its last one counts ${span.expected}`;
    warn('too-many-events', text);
  }
  if (span.received >= 0) {
    const isSend = span.status === 202 && viaOf(words[span.received] as number) === VIA.mesh;
    if (isSend && span.queued.length === 0) {
      warn('queued-work-missing', `${nameOf(span, words, run)}: accepted with 202, its work left no event`);
    }
    const sent = span.call?.sent ?? -1;
    if (sent >= 0 && hlcMillis(words, span.received) < hlcMillis(words, sent)) {
      const text = `${nameOf(span, words, run)}: received before it was sent, by the hybrid clock`;
      warn('clock-order', text);
    }
  }
  if (pairing.twice.has(span)) {
    warn('received-twice', `${nameOf(span, words, run)}: answers a call that another request answers`);
  }
  if (pairing.unannounced.has(span)) {
    warn('unknown-call', `${nameOf(span, words, run)}: its caller logged no such call`);
  }
}

function nameOf({ record, origin }: SpanNode, words: Int32Array, run: RunKnowledge): string {
  return `request ${hexOf(words, record + WORD.REQUEST, 2)} at ${(run.processes[origin] as ProcessLog).instance}`;
}

function whatIsLost({ isClient, calls, received, expected, events }: SpanNode): string {
  if (isClient) return calls.some(({ sent }) => sent < 0) ? 'the sending is lost' : 'the end is lost';
  const start = received < 0 ? 'the beginning is lost' : '';
  const rest = expected === 0 ? 'the end is lost' : `${expected - events} of ${expected} events are lost`;
  return start && expected === 0 ? `${start}, ${rest}` : rest;
}

function judgeUnanswered(call: CallNode, found: Finding[], { words }: SpanTable, run: RunKnowledge): void {
  const { ended, sent } = call;
  const record = ended >= 0 ? ended : sent;
  if (record < 0 || ended < 0 || wasRefused(call) || wasReceived({ words }, call)) return;
  // An attempt that never started can't have been received.
  if (sent < 0 && !call.caller.isClient && isWhole(call.caller)) return;
  const service = parseCallee(calleeOf(record, words, run) ?? '').service;
  const peer = peerOf(record, words, run) ?? (sent >= 0 ? peerOf(sent, words, run) : undefined);
  const sentMs = hlcMillis(words, sent >= 0 ? sent : ended);
  if (!run.mayLack(peer, service, sentMs, hlcMillis(words, ended))) return;
  const outcome = call.errorKind ?? statusOf(words[ended] as number);
  const text = `a call of ${peer ?? service} ended with ${outcome}; if it was received, its events are lost`;
  found.push({ record: sent >= 0 ? sent : ended, warning: { kind: 'may-be-lost', text } });
}

function peerOf(record: number, words: Int32Array, { names }: RunKnowledge): string | undefined {
  const peer = words[record + WORD.PEER] as number;
  return peer === NONE ? undefined : names.texts[peer];
}

function calleeOf(record: number, words: Int32Array, { names }: RunKnowledge): string | undefined {
  const callee = words[record + WORD.CALLEE] as number;
  return callee === NONE ? undefined : names.texts[callee];
}
