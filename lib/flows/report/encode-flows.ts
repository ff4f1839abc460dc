import type { Call, Flow, OrderedEvent, Span } from '../flow';
import { orderMark } from '../formats/order-mark';
import { byteColumn } from './byte-column';
import { CALL_FLAG, COLUMNS, type Column, FLOW_FLAG, type FlowHead, SPAN_FLAG } from './flow-fields';

export interface FlowEncoder {
  readonly count: number;
  add(flow: Flow): void;
  finish(): { readonly head: FlowHead; readonly bytes: Uint8Array };
}

/** See `flow-fields.ts` for the layout. */
export function encodeFlows(): FlowEncoder {
  const columns = Object.fromEntries(COLUMNS.map((name) => [name, byteColumn()])) as Record<
    Column,
    ReturnType<typeof byteColumn>
  >;
  const traceIds = byteColumn();
  const requestIds = byteColumn();
  const texts: string[] = [];
  const numbers = new Map<string, number>();
  let count = 0;
  let lastStart = 0;
  /** Numbers of the spans of the flow under way, in the order of the walk. */
  const walked = new Map<string, number>();
  let spans = 0;

  const text = (value: string | null | undefined): number => {
    if (value === null || value === undefined) return 0;
    let number = numbers.get(value);
    if (number === undefined) {
      texts.push(value);
      number = texts.length;
      numbers.set(value, number);
    }
    return number;
  };

  const put = (column: Column, value: number): void => columns[column].unsigned(value);
  const micros = (ms: number): number => Math.round(ms * 1000);
  const duration = (column: Column, ms: number | null): void =>
    columns[column].optional(ms === null ? null : Math.max(0, micros(ms)));
  const list = (column: Column, values: readonly string[]): void => {
    put(column, values.length);
    for (const value of values) put(column, text(value));
  };

  const addCall = (call: Call, fromMs: number, flow: Flow): void => {
    const { child, error, offsetMs } = call;
    put('callCallee', text(call.callee));
    put('callStep', text(call.step));
    columns.callRepetition.optional(call.repetition);
    columns.callAttempt.optional(call.attempt === null ? null : call.attempt * 16 + Math.min(15, call.reconnect));
    put('callPeer', text(call.peer));
    columns.callOffset.signed(micros(offsetMs) - micros(fromMs));
    duration('callDuration', call.durationMs);
    columns.callStatus.optional(call.status);
    put('callError', text(error?.kind));
    put('callMessage', text(error?.message));
    columns.callBytes.optional(call.bytes);
    put(
      'callFlags',
      (call.critical ? CALL_FLAG.critical : 0) |
        (child ? CALL_FLAG.child : 0) |
        (call.sent === false ? CALL_FLAG.unsent : 0),
    );
    if (child) addSpan(child, offsetMs, flow);
  };

  const addSpan = (span: Span, fromMs: number, flow: Flow): void => {
    const { offsetMs, correctionMs, error, calls, queued } = span;
    const { order, uncertaintyMs } = orderMark(span);
    walked.set(span.requestId, spans++);
    put('spanService', text(span.service));
    put('spanInstance', text(span.instance));
    put('spanProcess', text(span.process));
    put('spanEndpoint', text(span.endpoint));
    put('spanVia', text(span.via));
    requestIds.hex(span.requestId, 16);
    columns.spanOffset.signed(micros(offsetMs) - micros(fromMs));
    columns.spanCorrection.signed(micros(correctionMs));
    // Mostly 0 or 1: raw times are whole milliseconds.
    const expected = Math.floor(Date.parse(flow.startTime) + offsetMs - correctionMs);
    columns.spanRaw.signed(Date.parse(span.startTime) - expected);
    duration('spanDuration', span.durationMs);
    duration('spanSelf', span.selfMs);
    columns.spanStatus.optional(span.status);
    put('spanError', text(error?.kind));
    put('spanMessage', text(error?.message));
    put(
      'spanFlags',
      (span.complete ? SPAN_FLAG.complete : 0) |
        (span.inferred ? SPAN_FLAG.inferred : 0) |
        (span.inferredFrom === 'topology' ? SPAN_FLAG.byTopology : 0) |
        (span.critical ? SPAN_FLAG.critical : 0) |
        (order === 'proved' ? SPAN_FLAG.proved : 0) |
        (order === 'within-clock-error' ? SPAN_FLAG.withinError : 0),
    );
    const known = uncertaintyMs !== undefined && Number.isFinite(uncertaintyMs);
    columns.spanUncertainty.optional(known ? Math.max(0, micros(uncertaintyMs)) : null);
    list(
      'spanFaults',
      span.faults.map((fault) => JSON.stringify(fault)),
    );
    list(
      'spanDecisions',
      span.decisions.map(({ event, callee }) => (callee === null ? event : `${event} ${callee}`)),
    );
    put('spanCalls', calls.length);
    put('spanQueued', queued.length);
    for (const call of calls) addCall(call, offsetMs, flow);
    for (const child of queued) addSpan(child, offsetMs, flow);
  };

  const addOrderings = ({ orderings }: Flow): void => {
    const open = orderings.filter(
      ({ first, second, proof }) => proof === null && walked.has(first.requestId) && walked.has(second.requestId),
    );
    const eventNumber = ({ requestId, at }: OrderedEvent): number =>
      2 * (walked.get(requestId) as number) + (at === 'end' ? 1 : 0);
    put('flowOrderings', orderings.length);
    put('flowOpen', open.length);
    for (const { first, second, apartMs, boundMs } of open) {
      put('openFirst', eventNumber(first));
      columns.openSecond.signed(eventNumber(second) - eventNumber(first));
      columns.openApart.signed(micros(apartMs));
      duration('openBound', boundMs);
    }
  };

  return {
    get count() {
      return count;
    },
    add(flow) {
      const startAt = Date.parse(flow.startTime);
      walked.clear();
      spans = 0;
      count += 1;
      traceIds.hex(flow.traceId, 32);
      columns.flowStart.signed(startAt - lastStart);
      lastStart = startAt;
      put('flowKey', flow.key === flow.traceId ? 0 : text(flow.key));
      duration('flowDuration', flow.durationMs);
      columns.flowStatus.optional(flow.status);
      put('flowFlags', (flow.complete ? FLOW_FLAG.complete : 0) | (flow.client ? FLOW_FLAG.client : 0));
      list('flowWarnings', flow.warnings);
      put('flowOrphans', flow.orphans.length);
      if (flow.client) addCall(flow.client, 0, flow);
      addSpan(flow.root, 0, flow);
      for (const orphan of flow.orphans) addSpan(orphan, 0, flow);
      addOrderings(flow);
    },
    finish() {
      const parts = [...COLUMNS.map((name) => columns[name]), traceIds, requestIds].map((column) => column.bytes());
      const bytes = Buffer.concat(parts);
      return { head: { flows: count, texts, lengths: parts.map(({ length }) => length) }, bytes };
    },
  };
}
