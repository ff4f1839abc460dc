import { CLIENT_SERVICE } from '../../model/contract';
import { DECISION_KINDS, type Event, type EventKind } from '../../model/event';

/** One connection of an attempt: REQUEST_SENT and what became of it, either of which may be missing. */
export interface Connection {
  readonly reconnect: number;
  sent: Event | undefined;
  outcome: Event | undefined;
  /** More than one of either: a fault of the node's. */
  surplus: number;
}

export interface Attempt {
  readonly attempt: number;
  /** By rising `reconnect`. */
  readonly connections: Connection[];
}

/** One repetition of a step that sends. */
export interface CallRecord {
  readonly step: string;
  readonly repetition: number;
  /** By rising `attempt`. */
  readonly attempts: Attempt[];
  firstSeq: number;
  lastSeq: number;
}

/** What one process logged of one request. */
export interface SpanRecord {
  readonly requestId: string;
  readonly traceId: string;
  readonly process: string;
  readonly instance: string;
  readonly service: string;
  /** By sequence number, each once. */
  readonly events: readonly Event[];
  readonly received: Event | undefined;
  readonly result: Event | undefined;
  /** The event that carries `spanEvents`. */
  readonly last: Event | undefined;
  /** By `callKey`. */
  readonly calls: ReadonlyMap<string, CallRecord>;
  /** Its FAULT_INJECTED events. */
  readonly faults: readonly Event[];
  /** What policies decided. */
  readonly decisions: readonly Event[];
  /** Nothing of it is lost. */
  readonly complete: boolean;
}

/** All spans of one flow, the client's apart. */
export interface FlowRecord {
  readonly traceId: string;
  readonly spans: ReadonlyMap<string, SpanRecord>;
  readonly client: ReadonlyMap<string, SpanRecord>;
}

export function callKey(step: string, repetition: number): string {
  return `${repetition} ${step}`;
}

/** Groups the events of one trace id, which may come in any order and more than once, into spans. */
export function flowRecord(traceId: string, events: Iterable<Event>): FlowRecord {
  const byRequest = new Map<string, Event[]>();
  for (const event of events) {
    if (event.requestId === undefined) continue;
    const list = byRequest.get(event.requestId);
    if (list) list.push(event);
    else byRequest.set(event.requestId, [event]);
  }
  const spans = new Map<string, SpanRecord>();
  const client = new Map<string, SpanRecord>();
  for (const [requestId, list] of byRequest) {
    const span = spanRecord(requestId, traceId, list);
    (span.service === CLIENT_SERVICE ? client : spans).set(requestId, span);
  }
  return { traceId, spans, client };
}

const DECISIONS: ReadonlySet<EventKind> = new Set(DECISION_KINDS);

function spanRecord(requestId: string, traceId: string, unordered: Event[]): SpanRecord {
  const events = inOrder(unordered);
  const first = events[0] as Event;
  let received: Event | undefined;
  let result: Event | undefined;
  let last: Event | undefined;
  const calls = new Map<string, CallRecord>();
  const faults: Event[] = [];
  const decisions: Event[] = [];
  for (const event of events) {
    if (event.event === 'REQUEST_RECEIVED') received ??= event;
    else if (event.event === 'RESULT_PRODUCED') result ??= event;
    else if (event.event === 'FAULT_INJECTED') faults.push(event);
    else if (DECISIONS.has(event.event)) decisions.push(event);
    else if (event.step !== undefined) addToCall(calls, event);
    if (event.spanEvents !== undefined) last = event;
  }
  const { process, instance, service } = first;
  const complete = received !== undefined && last !== undefined && last.spanEvents === events.length;
  return {
    requestId,
    traceId,
    process,
    instance,
    service,
    events,
    received,
    result,
    last,
    calls,
    faults,
    decisions,
    complete,
  };
}

function inOrder(events: Event[]): readonly Event[] {
  let sorted = true;
  for (let i = 1; i < events.length && sorted; i++) sorted = (events[i - 1] as Event).seq < (events[i] as Event).seq;
  if (sorted) return events;
  events.sort((a, b) => a.seq - b.seq);
  return events.filter((event, i) => event.seq !== events[i - 1]?.seq || event.process !== events[i - 1]?.process);
}

function addToCall(calls: Map<string, CallRecord>, event: Event): void {
  const { step = '', repetition = 0, attempt: number = 1, reconnect = 0, seq } = event;
  const isSent = event.event === 'REQUEST_SENT';
  if (!isSent && event.event !== 'RESPONSE_RECEIVED' && event.event !== 'ERROR') return;
  const key = callKey(step, repetition);
  let call = calls.get(key);
  if (!call) {
    call = { step, repetition, attempts: [], firstSeq: seq, lastSeq: seq };
    calls.set(key, call);
  }
  call.lastSeq = seq;
  const attempt = find(call.attempts, number, 'attempt', () => ({ attempt: number, connections: [] }));
  const connection = find(attempt.connections, reconnect, 'reconnect', () => ({
    reconnect,
    sent: undefined,
    outcome: undefined,
    surplus: 0,
  }));
  if (isSent) {
    if (connection.sent || connection.outcome) connection.surplus += 1;
    connection.sent ??= event;
  } else {
    if (connection.outcome) connection.surplus += 1;
    connection.outcome ??= event;
  }
}

/** Finds or inserts, keeping the list in order; nearly always it is the last. */
function find<N extends string, T extends Readonly<Record<N, number>>>(
  list: T[],
  number: number,
  name: N,
  make: () => T,
): T {
  let i = list.length;
  while (i > 0 && (list[i - 1] as T)[name] > number) i -= 1;
  const found = list[i - 1];
  if (found !== undefined && found[name] === number) return found;
  const made = make();
  list.splice(i, 0, made);
  return made;
}
