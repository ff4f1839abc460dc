import type { Event } from '../../../model/event';
import { NO_RUN } from '../../../model/run-id';
import { callKey } from '../span-record';
import type { Topologies } from '../topologies';
import type { LimitedRequest } from './limiter-replay';
import { type EndpointGuards, type PolicyStates, policyStates } from './policy-states';
import { sendQueueReplay } from './send-queue-replay';
import { type Moment, type PolicyReport, UNKNOWN_PAST } from './tracked-attempt';
import { type TrackedCall, trackedCall } from './tracked-call';

/** Replays what one process's policies decided, from its events in their order. */
export interface ProcessReplay {
  take(event: Event): void;
  /** Events are missing here: what was under way, and what states held, is not known. */
  lost(): void;
  /** @param stoppingUs see `SendQueueReplay` */
  finish(stoppingUs: number | null | undefined): void;
}

/** A request under way. */
interface TrackedSpan {
  readonly guards: EndpointGuards | undefined;
  readonly received: Moment;
  readonly via: Event['via'];
  readonly report: PolicyReport;
  readonly limited: LimitedRequest | undefined;
  /** Under way. */
  readonly calls: Map<string, TrackedCall>;
  shed: boolean;
  last: Moment;
}

/** Programs that requests under way may still run by. */
const PROGRAMS_KEPT = 64;
/** Events between two looks for what is decided by now. */
const DECIDE_EVERY = 1_024;

/** @param reportFor where a departure of an event's request goes */
export function processReplay(
  service: string,
  topologies: Topologies,
  reportFor: (event: Event) => PolicyReport,
): ProcessReplay {
  const programs = new Map<number, PolicyStates>();
  let program: PolicyStates | undefined;
  const spans = new Map<string, TrackedSpan>();
  /** Calls with an outcome since the last turn that the log tells of. */
  const ended = new Set<TrackedCall>();
  const sends = sendQueueReplay();
  let before = UNKNOWN_PAST;
  let position = 0;
  /** Whether everything since the process's start is there: nothing is known before it has told of that. */
  let whole = false;
  let anyLost = false;

  const replays = () => new Set([...programs.values()].flatMap(({ all }) => [...all.values()]));

  const programOf = (epoch: number): PolicyStates | undefined => {
    const known = programs.get(epoch);
    if (known) return known;
    const described = topologies.at(service, epoch);
    if (!described) {
      lost();
      return undefined;
    }
    program = policyStates(described.service, !whole, program);
    programs.set(epoch, program);
    for (const old of programs.keys()) {
      if (programs.size <= PROGRAMS_KEPT) break;
      programs.delete(old);
    }
    return program;
  };

  const lost = (): void => {
    whole = false;
    anyLost = true;
    spans.clear();
    ended.clear();
    sends.lost();
    before = UNKNOWN_PAST;
    for (const replay of replays()) replay.lost();
  };

  const begin = (event: Event, now: Moment): TrackedSpan | undefined => {
    const guards = programOf(event.epoch ?? 0)?.endpoints.get(event.endpoint ?? '');
    const isReceipt = event.event === 'REQUEST_RECEIVED';
    const isMesh = event.via === 'mesh';
    if (!guards && !isMesh) return undefined;
    const report = reportFor(event);
    const received = isReceipt ? now : UNKNOWN_PAST;
    // The work of a send is not counted.
    const limited = guards?.limiter && isReceipt && event.via !== 'queue';
    const asksAtOnce = event.bytes === undefined;
    const span: TrackedSpan = {
      guards,
      received,
      via: event.via,
      report,
      limited: limited ? { received, report, asksAtOnce } : undefined,
      calls: new Map(),
      shed: false,
      last: received,
    };
    spans.set(event.requestId as string, span);
    if (span.limited) guards?.limiter?.received(span.limited);
    return span;
  };

  const takeCall = (span: TrackedSpan, guards: EndpointGuards, event: Event, now: Moment): void => {
    const { step = '', repetition = 0 } = event;
    const key = callKey(step, repetition);
    if (guards.inTurn) settleOthers(span, key, event, now);
    const own = guards.steps.get(step);
    if (!own) return;
    let call = span.calls.get(key);
    if (!call) {
      const report: PolicyReport = (kind, expected, actual, text) => span.report(kind, expected, actual, text, step);
      call = trackedCall(own, span.received, guards.inTurn, report);
      span.calls.set(key, call);
    }
    call.take(event, now, before, span.last);
    if (event.event === 'RESPONSE_RECEIVED' || event.event === 'ERROR') ended.add(call);
  };

  const endCall = (call: TrackedCall, now: Moment): void => {
    call.end(now);
    ended.delete(call);
  };

  /** In turn: whatever an event tells comes after what the one before told of has been taken in. */
  const settleOthers = ({ calls }: TrackedSpan, key: string, event: Event, now: Moment): void => {
    for (const [each, call] of calls) {
      if (each !== key) {
        endCall(call, now);
        calls.delete(each);
      } else if (!goesOn(event)) call.settle(now);
    }
  };

  /** A node takes in what an attempt came to in the turn of the event loop that logs it, and a request comes in a turn of its own. */
  const turn = (now: Moment): void => {
    for (const call of ended) call.turned(now);
    ended.clear();
  };

  const end = (span: TrackedSpan, event: Event, now: Moment): void => {
    spans.delete(event.requestId as string);
    for (const call of span.calls.values()) endCall(call, now);
    const { error, status } = event;
    const kind = error?.kind;
    if (status === 202 && event.event !== 'RESULT_PRODUCED') sends.accepted();
    if (span.limited) span.guards?.limiter?.ended(span.limited, status !== 202 && !REFUSALS.has(kind ?? ''));
  };

  const takeOfSpan = (event: Event, now: Moment): void => {
    const id = event.requestId as string;
    const isEnd = event.event === 'RESULT_PRODUCED' || event.spanEvents !== undefined;
    if (event.event === 'REQUEST_RECEIVED') {
      if (event.via === 'queue') sends.begun();
      else turn(now);
    }
    const span = spans.get(id) ?? (isEnd ? undefined : begin(event, now));
    if (!span) return;
    const { guards, limited } = span;
    if (guards) {
      if (event.step !== undefined || event.event === 'FAULT_INJECTED') {
        if (limited) guards.limiter?.works(limited);
        takeCall(span, guards, event, now);
      } else if (event.event === 'REQUEST_SHED') {
        span.shed = true;
        if (limited) guards.limiter?.shed(limited);
      }
    }
    if (isEnd) {
      if (event.error?.kind === 'OVERLOAD' && span.via === 'mesh' && !span.shed) sends.refused(now, span.report);
      end(span, event, now);
    }
    span.last = now;
  };

  const decide = (): void => {
    const [oldest] = spans.values();
    const until = oldest ? oldest.received.at : position;
    for (const replay of replays()) if ('decide' in replay) replay.decide(until);
  };

  return {
    take(event) {
      position += 1;
      const now: Moment = { at: position, us: event.monotonicUs };
      if (event.run !== NO_RUN) {
        if (event.requestId !== undefined) takeOfSpan(event, now);
      } else if (event.event === 'SERVICE_UP') whole = !anyLost;
      else if (event.event === 'TOPOLOGY_CHANGED') programOf(event.epoch ?? 0);
      before = now;
      if (position % DECIDE_EVERY === 0) decide();
    },
    lost,
    finish(stoppingUs) {
      decide();
      sends.finish(stoppingUs);
    },
  };
}

/** With these as the cause of its answer a request never asked for its turn. */
const REFUSALS: ReadonlySet<string> = new Set(['BAD_REQUEST', 'FORBIDDEN', 'NOT_FOUND', 'OVERLOAD']);

/** Whether the event tells more of an attempt that has its outcome. */
function goesOn({ event, reconnect = 0 }: Event): boolean {
  return event === 'BREAKER_OPENED' || event === 'BREAKER_CLOSED' || (event === 'REQUEST_SENT' && reconnect > 0);
}
