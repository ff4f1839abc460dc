import type { Flow, Ordering } from '../flow';
import { type Lanes, lanes } from './lanes';
import { openOrderings, openOrderingText } from './open-orderings';
import { orderMark } from './order-mark';
import type { RunName } from './otlp';
import { itemFailed, type TraceItem, traceItems } from './trace-item';

/**
 * The Trace Event Format of Chrome's tracing, for https://ui.perfetto.dev and `chrome://tracing`:
 * https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU.
 *
 * A process is an instance, a thread one of its lanes. Viewers draw the slices of a thread as a stack, so slices of a lane
 * are disjoint or one within the other. Where the order of a beginning or an end is within the clocks' error, an instant
 * says with which other one. Arrows lead from an attempt to the span that answers it, and to queued work.
 * Times are microseconds from `baseTime` in `otherData`.
 */
export function* chrome(flows: Iterable<Flow>, { run, topology }: RunName): Generator<string> {
  const instances = new Map<string, Instance>();
  const arrows = { next: 1 };
  let baseMs: number | undefined;
  for (const flow of flows) {
    if (baseMs === undefined) {
      baseMs = Date.parse(flow.startTime) - MARGIN_MS;
      yield head(run, topology, baseMs);
    }
    const atMs = Date.parse(flow.startTime) - baseMs;
    for (const event of flowEvents(flow, atMs, instances, arrows)) yield `,\n${JSON.stringify(event)}`;
  }
  if (baseMs === undefined) yield head(run, topology, null);
  yield '\n]}\n';
}

/** Clients send before roots receive, and other hosts' clocks may be behind: no time may be below zero. */
const MARGIN_MS = 60_000;

/** The run's name is an event of its own, so that all others may begin with a comma. */
function head(run: string, topology: string, baseMs: number | null): string {
  const baseTime = baseMs === null ? null : new Date(baseMs).toISOString();
  const other = JSON.stringify({ run, topology, baseTime });
  const mark = { name: 'run', ph: 'i', s: 'g', ts: MARGIN_MS * 1000, pid: 0, tid: 0, args: { run } };
  return `{"displayTimeUnit":"ms","otherData":${other},"traceEvents":[\n${JSON.stringify(mark)}`;
}

interface Instance {
  readonly pid: number;
  readonly lanes: Lanes;
  named: number;
}

interface Slice {
  readonly item: TraceItem;
  readonly instance: Instance;
  readonly tid: number;
  readonly startUs: number;
  readonly endUs: number;
}

function* flowEvents(
  flow: Flow,
  atMs: number,
  instances: Map<string, Instance>,
  arrows: { next: number },
): Generator<object> {
  const slices = new Map<string, Slice>();
  const open = openOrderings(flow);
  for (const item of traceItems(flow)) {
    let instance = instances.get(item.instance);
    if (!instance) {
      instance = { pid: instances.size + 1, lanes: lanes(), named: 0 };
      instances.set(item.instance, instance);
      yield { name: 'process_name', ph: 'M', pid: instance.pid, tid: 0, ts: 0, args: { name: item.instance } };
    }
    const startUs = micros(atMs + item.startMs);
    const endUs = Math.max(startUs, micros(atMs + item.endMs));
    const parent = item.parentSpanId === null ? undefined : slices.get(item.parentSpanId);
    // An attempt lies in its span's lane where that is free, so that it is drawn below it.
    const within = item.call && parent ? { lane: parent.tid, startUs: parent.startUs, endUs: parent.endUs } : undefined;
    const tid = instance.lanes.place(startUs, endUs, within);
    while (instance.named < tid) {
      instance.named += 1;
      const args = { name: `lane ${instance.named}` };
      yield { name: 'thread_name', ph: 'M', pid: instance.pid, tid: instance.named, ts: 0, args };
    }
    const slice = { item, instance, tid, startUs, endUs };
    slices.set(item.spanId, slice);
    yield sliceEvent(flow, slice);
    yield* marks(slice, atMs);
    yield* orderInstants(slice, open);
    if (parent && item.span) yield* arrow(parent, slice, arrows);
  }
}

function sliceEvent({ traceId }: Flow, { item, instance, tid, startUs, endUs }: Slice): object {
  const { kind, callee, endpoint, status, error, critical, span, call, endKnown } = item;
  return {
    name: kind === 'server' || kind === 'consumer' ? endpoint : `${kind === 'producer' ? 'send' : 'call'} ${callee}`,
    cat: [kind, ...(itemFailed(item) ? ['failed'] : []), ...(critical ? ['critical'] : [])].join(','),
    ph: 'X',
    ts: startUs,
    dur: rounded(endUs - startUs),
    pid: instance.pid,
    tid,
    args: {
      traceId,
      spanId: item.spanId,
      ...(status !== null && { status }),
      ...(error && { error: `${error.kind}: ${error.message}` }),
      ...(call?.step && { step: call.step, attempt: call.attempt }),
      ...(span && { startTimeRaw: span.startTime, selfMs: span.selfMs }),
      ...(span?.correctionMs && { correctionMs: span.correctionMs }),
      ...(span && orderMark(span)),
      ...(endKnown ? {} : { endKnown }),
    },
    ...(itemFailed(item) && { cname: 'terrible' }),
  };
}

/** Instants of a lane: what struck the span and what policies decided in it, each at its moment, and how it failed. */
function* marks({ item, instance: { pid }, tid, startUs, endUs }: Slice, atMs: number): Generator<object> {
  const { span, error } = item;
  const instant = { ph: 'i', s: 't', pid, tid };
  const momentUs = ({ offsetMs }: { readonly offsetMs: number }): number =>
    Math.min(endUs, Math.max(startUs, micros(atMs + offsetMs)));
  for (const fault of span?.faults ?? []) {
    const name = `fault ${fault.type ?? ''}`.trim();
    yield { ...instant, name, cat: 'fault', ts: momentUs(fault), args: fault };
  }
  for (const decision of span?.decisions ?? []) {
    const { event, step, callee, attempt, figures } = decision;
    const args = { ...(step !== null && { step, callee, attempt }), ...figures };
    yield { ...instant, name: event, cat: 'decision', ts: momentUs(decision), args };
  }
  if (span && error) {
    yield { ...instant, name: error.kind, cat: 'error', ts: endUs, args: { message: error.message } };
  }
}

function* orderInstants(
  { item: { span }, instance: { pid }, tid, startUs, endUs }: Slice,
  open: ReadonlyMap<string, readonly Ordering[]>,
): Generator<object> {
  for (const ordering of open.get(span?.requestId ?? '') ?? []) {
    const { first, second, apartMs, boundMs } = ordering;
    const ts = second.at === 'start' ? startUs : endUs;
    const args = { what: openOrderingText(ordering), with: first.instance, its: first.at, apartMs, boundMs };
    yield { name: 'order within clock error', cat: 'order', ph: 'i', s: 't', ts, pid, tid, args };
  }
}

/** Bound to the slices that enclose its ends. */
function* arrow(from: Slice, to: Slice, arrows: { next: number }): Generator<object> {
  const id = arrows.next++;
  const common = { name: 'request', cat: 'flow', id };
  yield { ...common, ph: 's', ts: from.startUs, pid: from.instance.pid, tid: from.tid };
  yield { ...common, ph: 'f', bp: 'e', ts: to.startUs, pid: to.instance.pid, tid: to.tid };
}

function micros(ms: number): number {
  return rounded(ms * 1000);
}

/** To nanoseconds, which is what viewers keep. */
function rounded(us: number): number {
  return Math.round(us * 1000) / 1000;
}
