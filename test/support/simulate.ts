import { CLIENT_SERVICE, instanceName } from '../../lib/model/contract';
import {
  backoffMs,
  chosenBranch,
  faultArgs,
  faultHappens,
  happens,
  mayRetry,
  repetitions,
  responseBytes,
  work,
} from '../../lib/model/decisions';
import { childPlace, draw, formatHash, type Hash, hashText, rootPlace } from '../../lib/model/draw';
import type { ErrorKind, Event, EventError, InjectedFault } from '../../lib/model/event';
import { concerns, facedFaults, rulesOfCall } from '../../lib/model/faced-faults';
import type { FaultRule } from '../../lib/model/fault';
import type { ManifestRecord } from '../../lib/model/manifest';
import { NO_RUN } from '../../lib/model/run-id';
import { hashValue, sliceOf } from '../../lib/model/slice';
import type { CallStep, Endpoint, SendStep, Step, Topology } from '../../lib/model/topology';
import { type Random, seededRandom } from './random';
import { type HostClock, type LoggedEvent, lineOf, logWriter, type Process, type RawEvent } from './simulated-log';

/** Probabilities, each of one attempt to meet that fate. */
export interface Failures {
  /** Refused by one instance: another is tried in the same attempt. */
  readonly connect?: number;
  readonly noInstance?: number;
  readonly reset?: number;
  /** The request vanishes on its way: only a time-out or the deadline ends the attempt. */
  readonly lost?: number;
  /** The callee answers 503 (OVERLOAD), or 500 (INTERNAL), and runs nothing. */
  readonly overload?: number;
  readonly internal?: number;
  /** The answer arrives and can't be read. */
  readonly body?: number;
  /** The balancer answers the client 502 itself: no node sees the request. */
  readonly balancer?: number;
}

export interface Crash {
  readonly instance: string;
  /** Since the simulation's start. */
  readonly atMs: number;
  readonly restartAfterMs: number;
  readonly lostTailMs: number;
}

export interface SimulationOptions {
  readonly topology: Topology;
  /** @default `<topology>-20261121t054429z-simu` */
  readonly run?: string;
  /** For all that is chance: ids, arrivals, network, failures. @default 1 */
  readonly seed?: number;
  readonly requests: number;
  /** Per second, evenly spread. @default 100 */
  readonly rate?: number;
  /** True time of the first request. @default 2026-11-21T05:44:29Z */
  readonly startAt?: number;
  readonly failures?: Failures;
  readonly crashes?: readonly Crash[];
  /** One way, in milliseconds, above 0. @default 0.1 to 0.4 by chance */
  readonly networkMs?: (from: string, to: string) => number;
  /** Host of an instance. @default one host, `machine`, for all */
  readonly hostOf?: (instance: string) => string;
  /** By host; true time where absent. */
  readonly clocks?: Readonly<Record<string, HostClock>>;
  /** Request keys in turn; the trace id where absent. */
  readonly keys?: readonly string[];
}

/** What truly happened to one handled request. Times are true ones, in milliseconds since 1970. */
export interface TrueSpan {
  readonly requestId: string;
  readonly service: string;
  readonly instance: string;
  readonly endpoint: string;
  readonly place: string;
  readonly via: 'edge' | 'mesh' | 'queue';
  readonly startAt: number;
  /** When the answer was known; infinite where the process died first. */
  endAt: number;
  status: number;
  /** In the order sent; the work of an accepted `send` is the child of the span that answered 202. */
  readonly children: TrueSpan[];
}

export interface TrueFlow {
  readonly traceId: string;
  readonly key: string;
  /** What the client saw; undefined without an answer. */
  readonly status: number | undefined;
  /** Null where no node saw the request. */
  readonly root: TrueSpan | null;
}

export interface Simulation {
  readonly run: string;
  /** In the order of true time. */
  readonly events: readonly Event[];
  /** Lines by file, as each process wrote them. */
  readonly files: ReadonlyMap<string, readonly string[]>;
  readonly manifest: readonly ManifestRecord[];
  readonly flows: readonly TrueFlow[];
}

/** Everything in memory: for some ten thousand events. */
export function simulate(options: SimulationOptions): Simulation {
  const events: Event[] = [];
  const files = new Map<string, string[]>();
  const flows: TrueFlow[] = [];
  const { run, manifest } = simulateInto(
    options,
    ({ file, event }) => {
      events.push(event);
      const lines = files.get(file);
      if (lines) lines.push(lineOf(event));
      else files.set(file, [lineOf(event)]);
    },
    (flow) => flows.push(flow),
  );
  return { run, events, files, manifest, flows };
}

interface Span {
  readonly process: Process;
  readonly truth: TrueSpan;
  readonly fields: Partial<Event>;
  readonly key: Hash;
  readonly place: Hash;
  readonly endpoint: Endpoint;
  readonly deadlineAt: number;
  events: number;
  last: RawEvent | undefined;
}

/** How a step, or a list of them, ended. */
interface Ended {
  readonly at: number;
  readonly failure?: { readonly status: number; readonly error: EventError };
}

/** What the caller of a request sees: no `status` where no answer comes. */
interface Answer {
  readonly at: number;
  readonly status?: number;
  readonly requestId?: string;
  readonly from?: RawEvent | undefined;
}

interface Incoming {
  readonly at: number;
  readonly traceId: string;
  readonly keyText: string;
  readonly parentRequestId: string;
  readonly service: string;
  readonly endpoint: string;
  readonly place: Hash;
  readonly via: 'edge' | 'mesh' | 'queue';
  readonly from: RawEvent | undefined;
  readonly process: Process;
  readonly peer?: string | undefined;
  readonly deadlineMs: number;
  /** When the caller stops listening. */
  readonly goneAt: number;
  readonly refusal?: { readonly status: 500 | 503; readonly error: EventError } | undefined;
  readonly siblings: TrueSpan[];
}

/**
 * The same, event by event in the order of true time: for a million of them. Work is not slowed by other work: a span
 * takes what its draws and its callees say, plus some microseconds for each event.
 */
export function simulateInto(
  options: SimulationOptions,
  sink: (logged: LoggedEvent) => void,
  onFlow: (flow: TrueFlow) => void = () => {},
): { readonly run: string; readonly manifest: readonly ManifestRecord[] } {
  const { topology, requests, rate = 100, failures = {}, hostOf = () => 'machine', keys = [] } = options;
  const startAt = options.startAt ?? Date.UTC(2026, 10, 21, 5, 44, 29);
  const run = options.run ?? `${topology.name}-20261121t054429z-simu`;
  const random = seededRandom(options.seed ?? 1);
  const network = options.networkMs ?? (() => 0.1 + 0.3 * random.next());
  const seed = hashText(topology.seed);
  const log = logWriter(topology.name, startAt, options.clocks ?? {}, sink);
  const fleet = makeFleet(topology, options, startAt, random);
  const turns = new Map<string, number>();
  const chance = (probability = 0): boolean => probability > 0 && random.next() < probability;
  let endAt = startAt;

  for (const process of [...fleet.values()].flat()) {
    const slice = hashValue(sliceOf(topology, process.service));
    log.add({ at: process.upAt, process, run: NO_RUN, fields: { event: 'SERVICE_UP', slice } });
  }

  const emit = (span: Span, at: number, fields: Partial<Event>, from?: RawEvent): RawEvent | undefined => {
    if (at >= span.process.diesAt) return undefined;
    span.events += 1;
    const raw = { at, process: span.process, run, common: span.fields, fields, from };
    log.add(raw);
    span.last = raw;
    endAt = Math.max(endAt, at);
    return raw;
  };

  const nextInstance = (service: string): readonly Process[] => {
    const instances = Array.from({ length: topology.services[service]?.replicas ?? 0 }, (_, i) =>
      instanceName(service, i + 1),
    );
    const turn = (turns.get(service) ?? 0) + 1;
    turns.set(service, turn);
    return fleet.get(instances[turn % instances.length] as string) as readonly Process[];
  };

  /** Handles one request and everything below it. */
  const handle = (incoming: Incoming): Answer => {
    const { traceId, keyText, service, via, process, at } = incoming;
    const endpoint = topology.services[service]?.endpoints[incoming.endpoint] as Endpoint;
    const place = formatHash(incoming.place);
    const truth: TrueSpan = {
      requestId: random.hex(2),
      service,
      instance: process.instance,
      endpoint: endpoint.key,
      place,
      via,
      startAt: at,
      endAt: Number.POSITIVE_INFINITY,
      status: 0,
      children: [],
    };
    incoming.siblings.push(truth);
    const span: Span = {
      process,
      truth,
      fields: {
        traceId,
        requestId: truth.requestId,
        parentRequestId: incoming.parentRequestId,
        place,
        endpoint: endpoint.key,
        ...(keyText !== traceId && { key: keyText }),
        epoch: 0,
      },
      key: hashText(keyText),
      place: incoming.place,
      endpoint,
      deadlineAt: at + incoming.deadlineMs,
      events: 0,
      last: undefined,
    };
    const received = emit(
      span,
      at,
      { event: 'REQUEST_RECEIVED', via, ...(incoming.peer && { peer: incoming.peer }) },
      incoming.from,
    );
    const ended: Ended | { at: number; failure: NonNullable<Incoming['refusal']> } = incoming.refusal
      ? { at: at + 0.02, failure: incoming.refusal }
      : runAmongFaults(span, at + 0.02);
    const status = ended.failure?.status ?? 200;
    const knownAt = ended.at + 0.03;
    if (knownAt + 0.04 >= process.diesAt) return { at: process.diesAt };
    const result = {
      event: 'RESULT_PRODUCED',
      status,
      durationMs: round(knownAt - at),
      ...(ended.failure && { error: ended.failure.error }),
    } as const;
    truth.endAt = knownAt;
    truth.status = status;
    if (via === 'queue') {
      emit(span, knownAt, { ...result, spanEvents: span.events + 1 });
      return { at: knownAt, status };
    }
    const produced = emit(span, knownAt, result);
    finish(span, incoming, knownAt + 0.04, status, responseBytes(endpoint, { seed, key: span.key, place: span.place }));
    return { at: knownAt, status, requestId: truth.requestId, from: produced ?? received };
  };

  const finish = (span: Span, { at, goneAt }: Incoming, sentAt: number, status: number, bytes: number): void => {
    const last = { durationMs: round(sentAt - at), spanEvents: span.events + 1 };
    if (sentAt < goneAt) emit(span, sentAt, { event: 'RESPONSE_SENT', status, bytes, ...last });
    else
      emit(span, sentAt, {
        event: 'ERROR',
        status,
        error: { kind: 'CLIENT_GONE', message: 'caller went away' },
        ...last,
      });
  };

  /** Takes a `send` in, answers 202, and works on it afterwards. */
  const accept = (incoming: Incoming): Answer => {
    if (incoming.refusal) return handle(incoming);
    const { at, process, service, traceId, keyText } = incoming;
    const endpoint = topology.services[service]?.endpoints[incoming.endpoint] as Endpoint;
    const truth: TrueSpan = {
      requestId: random.hex(2),
      service,
      instance: process.instance,
      endpoint: endpoint.key,
      place: formatHash(incoming.place),
      via: incoming.via,
      startAt: at,
      endAt: at + 0.02,
      status: 202,
      children: [],
    };
    incoming.siblings.push(truth);
    const fields = {
      traceId,
      requestId: truth.requestId,
      parentRequestId: incoming.parentRequestId,
      place: truth.place,
      endpoint: endpoint.key,
      ...(keyText !== traceId && { key: keyText }),
      epoch: 0,
    };
    const { place } = incoming;
    const span: Span = {
      process,
      truth,
      fields,
      key: hashText(keyText),
      place,
      endpoint,
      deadlineAt: 0,
      events: 0,
      last: undefined,
    };
    const received = emit(
      span,
      at,
      { event: 'REQUEST_RECEIVED', via: incoming.via, ...(incoming.peer && { peer: incoming.peer }) },
      incoming.from,
    );
    finish(span, incoming, at + 0.05, 202, 60);
    if (at + 0.05 >= process.diesAt) return { at: process.diesAt };
    handle({
      ...incoming,
      at: at + 0.1 + random.next(),
      via: 'queue',
      parentRequestId: truth.requestId,
      from: undefined,
      goneAt: Number.POSITIVE_INFINITY,
      deadlineMs: endpoint.deadlineMs,
      siblings: truth.children,
      peer: undefined,
    });
    return { at: at + 0.02, status: 202, requestId: truth.requestId, from: received };
  };

  const runAmongFaults = (span: Span, at: number): Ended => {
    const { service } = span.process;
    const rules = (topology.services[service]?.faults ?? []).filter((rule) => concerns(rule, span.endpoint.key));
    const point = (position: 'before' | 'after'): readonly FaultRule[] => rules.filter((rule) => rule.at === position);
    const before = strike(point('before'), span, at);
    if (before.failure) return before;
    const worked = runSequence(span.endpoint.steps, span, before.at);
    if (worked.failure && worked.failure.error.kind !== 'STEP_FAILED') return worked;
    const after = strike(point('after'), span, worked.at);
    return after.failure ? after : { ...worked, at: after.at };
  };

  /** Latencies and errors; an event takes ten microseconds, as elsewhere. */
  const strike = (rules: readonly FaultRule[], span: Span, startAt: number, step?: string): Ended => {
    const context = { seed, key: span.key, place: span.place };
    let at = startAt;
    for (const rule of facedFaults(rules.filter((each) => faultHappens(each, context)))) {
      const fault = injected(rule, faultArgs(rule.fault, rule, context), step);
      emit(span, at, { event: 'FAULT_INJECTED', fault, ...(step !== undefined && { step }) });
      if (fault.type === 'error') {
        const status = Number(fault.args.status);
        return { at: at + 0.01, failure: { status, error: { kind: 'FAULT', message: rule.id } } };
      }
      at += Math.round(Number(fault.args.delay));
      if (at >= span.deadlineAt) {
        const error: EventError = { kind: 'DEADLINE', message: `${rule.id}: the deadline passed` };
        return { at: Math.max(startAt, span.deadlineAt), failure: { status: 504, error } };
      }
    }
    return { at };
  };

  const runSequence = (steps: readonly Step[], span: Span, startAt: number): Ended => {
    let at = startAt;
    for (const step of steps) {
      const ended = runStep(step, span, at, false);
      if (ended.failure) return ended;
      at = ended.at;
    }
    return { at };
  };

  const runStep = (step: Step, span: Span, at: number, inParallel: boolean): Ended => {
    const context = { seed, key: span.key, place: span.place };
    switch (step.kind) {
      case 'sequence':
        return runSequence(step.steps, span, at);
      case 'oneOf':
        return runSequence(step.branches[chosenBranch(step, context)]?.steps ?? [], span, at);
      case 'parallel':
        return latest(
          at,
          step.steps.map((branch) => runStep(branch, span, at, true)),
        );
      case 'work': {
        const { latencyMs, cpuMs } = work(step, context);
        const doneAt = at + cpuMs + Math.round(latencyMs);
        if (doneAt < span.deadlineAt) return { at: doneAt };
        const atDeadline = Math.max(at, span.deadlineAt);
        return {
          at: atDeadline,
          failure: { status: 504, error: { kind: 'DEADLINE', message: `${step.id} cut short` } },
        };
      }
      case 'fault':
        return strike([{ ...step, at: 'before', source: 'topology' }], span, at, step.id);
      case 'call':
      case 'send': {
        if (!happens(step, context)) return { at };
        const times = repetitions(step, context);
        if (inParallel) {
          return latest(
            at,
            Array.from({ length: times }, (_, repetition) => callOnce(step, span, at, repetition)),
          );
        }
        let ended: Ended = { at };
        for (let repetition = 0; repetition < times && !ended.failure; repetition++) {
          ended = callOnce(step, span, ended.at, repetition);
        }
        return ended;
      }
    }
  };

  /** All attempts of one repetition. */
  const callOnce = (step: CallStep | SendStep, span: Span, startAt: number, repetition: number): Ended => {
    const context = { seed, key: span.key, place: span.place };
    let at = startAt;
    for (let attempt = 1; ; attempt++) {
      const outcome = attemptCall(step, span, at, repetition, attempt);
      at = outcome.at;
      if (outcome.status !== undefined && outcome.status < 400) return { at };
      const message = `${step.id}: ${outcome.kind ?? outcome.status}`;
      const deadline = outcome.kind === 'DEADLINE';
      if (deadline || !mayRetry(step, attempt, outcome.status)) {
        if (step.kind === 'call' && step.fallback && !deadline) {
          const callPlace = formatHash(childPlace(span.place, hashText(step.id), repetition, attempt));
          const used = { callPlace, step: step.id, repetition, attempt, callee: `${step.service} ${step.endpoint}` };
          emit(span, at, { event: 'FALLBACK_USED', ...used, decision: { bytes: 1 } });
          return { at: at + 0.01 };
        }
        if (step.optional) return { at };
        const error: EventError = { kind: deadline ? 'DEADLINE' : 'STEP_FAILED', message };
        return { at, failure: { status: deadline ? 504 : 502, error } };
      }
      at = Math.min(at + backoffMs(step, context, repetition, attempt), Math.max(at, span.deadlineAt));
    }
  };

  const attemptCall = (
    step: CallStep | SendStep,
    span: Span,
    startAt: number,
    repetition: number,
    attempt: number,
  ): { readonly at: number; readonly status?: number; readonly kind?: ErrorKind } => {
    const place = childPlace(span.place, hashText(step.id), repetition, attempt);
    const call = {
      callPlace: formatHash(place),
      step: step.id,
      repetition,
      attempt,
      callee: `${step.service} ${step.endpoint}`,
    };
    const fail = (at: number, kind: ErrorKind, more: Partial<Event> = {}) => {
      emit(span, at, { event: 'ERROR', ...call, ...more, error: { kind, message: `${kind} at ${step.service}` } });
      return { at: at + 0.01, kind };
    };
    const rules = rulesOfCall(step, span.endpoint.key, topology.services[span.process.service]?.faults ?? []);
    const draws = { seed, key: span.key, place };
    let begunAt = startAt;
    for (const rule of facedFaults(rules.filter((each) => faultHappens(each, draws)))) {
      const fault = injected(rule, faultArgs(rule.fault, rule, draws));
      emit(span, begunAt, { event: 'FAULT_INJECTED', ...call, fault });
      if (fault.type === 'error') {
        const status = Number(fault.args.status);
        return { ...fail(begunAt + 0.01, 'FAULT', { status }), status };
      }
      begunAt += Math.round(Number(fault.args.delay));
      const limit = Math.min(startAt + (step.timeoutMs ?? Number.POSITIVE_INFINITY), span.deadlineAt);
      if (begunAt >= limit) return fail(limit, limit === span.deadlineAt ? 'DEADLINE' : 'TIMEOUT');
    }
    const leftMs = Math.floor(span.deadlineAt - begunAt);
    if (leftMs <= 0) return fail(begunAt + 0.01, 'DEADLINE');
    if (chance(failures.noInstance)) return fail(begunAt + 0.01, 'NO_INSTANCE');
    let sentAt = begunAt + 0.01;
    for (let reconnect = 0; ; reconnect++) {
      const lives = nextInstance(step.service);
      const peer = (lives[0] as Process).instance;
      const extra = { ...(reconnect > 0 && { reconnect }), peer };
      const ownMs = step.timeoutMs === null ? Number.POSITIVE_INFINITY : step.timeoutMs - (begunAt - startAt);
      const timeoutMs = Math.min(ownMs, leftMs);
      const endsAt = begunAt + timeoutMs;
      const timeoutKind: ErrorKind = timeoutMs === leftMs ? 'DEADLINE' : 'TIMEOUT';
      const sent = emit(span, sentAt, { event: 'REQUEST_SENT', ...call, ...extra });
      if (sent === undefined) return { at: span.process.diesAt, kind: 'RESET' };
      const process = aliveAt(lives, sentAt);
      const ms = (at: number) => ({ durationMs: round(at - begunAt) });
      if (!process || chance(failures.connect)) {
        const failedAt = sentAt + 0.2;
        if (failedAt >= endsAt) return fail(endsAt, timeoutKind, { ...extra, ...ms(endsAt) });
        const failed = fail(failedAt, 'CONNECT', { ...extra, ...ms(failedAt) });
        if (reconnect === 3 || (topology.services[step.service]?.replicas ?? 1) <= reconnect + 1) return failed;
        sentAt = failed.at;
        continue;
      }
      if (chance(failures.lost)) return fail(endsAt, timeoutKind, { ...extra, ...ms(endsAt) });
      const resetAt = chance(failures.reset) ? sentAt + 0.5 + 5 * random.next() : Number.POSITIVE_INFINITY;
      const arrivesAt = sentAt + network(span.process.instance, peer);
      if (arrivesAt >= endsAt) return fail(endsAt, timeoutKind, { ...extra, ...ms(endsAt) });
      const answer = (step.kind === 'send' ? accept : handle)({
        at: arrivesAt,
        traceId: span.fields.traceId as string,
        keyText: span.fields.key ?? (span.fields.traceId as string),
        parentRequestId: span.truth.requestId,
        service: step.service,
        endpoint: step.endpoint,
        place,
        via: 'mesh',
        from: sent,
        process,
        peer: span.process.instance,
        deadlineMs: leftMs,
        goneAt: Math.min(endsAt, resetAt, span.process.diesAt),
        refusal: refusal(),
        siblings: span.truth.children,
      });
      const answeredAt = answer.at + network(peer, span.process.instance);
      if (Math.min(answeredAt, resetAt) >= endsAt) return fail(endsAt, timeoutKind, { ...extra, ...ms(endsAt) });
      if (resetAt <= answeredAt) return fail(resetAt, 'RESET', { ...extra, ...ms(resetAt) });
      if (answer.status === undefined) return fail(answeredAt, 'RESET', { ...extra, ...ms(answeredAt) });
      if (chance(failures.body)) return fail(answeredAt, 'BODY', { ...extra, ...ms(answeredAt) });
      const { status, requestId: peerRequestId } = answer;
      const seen = {
        event: 'RESPONSE_RECEIVED',
        ...call,
        ...extra,
        status,
        ...ms(answeredAt),
        ...(peerRequestId && { peerRequestId }),
      } as const;
      emit(span, answeredAt, seen, answer.from);
      return { at: answeredAt + 0.01, status };
    }
  };

  const refusal = (): Incoming['refusal'] => {
    if (chance(failures.overload)) return { status: 503, error: { kind: 'OVERLOAD', message: 'too many requests' } };
    if (chance(failures.internal)) return { status: 500, error: { kind: 'INTERNAL', message: 'internal error' } };
    return undefined;
  };

  // The client.
  const client: Process = {
    id: processId(random),
    instance: `${CLIENT_SERVICE}-1`,
    service: CLIENT_SERVICE,
    host: hostOf(`${CLIENT_SERVICE}-1`),
    upAt: startAt,
    diesAt: Number.POSITIVE_INFINITY,
    lostTailMs: 0,
  };
  const totals = { sent: 0, answered: 0, failed: 0, lastSeq: 0 };
  const errors: Record<string, number> = {};
  const edges = edgeEndpoints(topology);
  for (let i = 0; i < requests; i++) {
    const at = startAt + (i * 1000) / rate;
    log.flush(at);
    const traceId = random.hex(4);
    const requestId = random.hex(2);
    const keyText = keys[i] ?? traceId;
    const { service, endpoint } = weighted(
      edges,
      draw({ seed, key: hashText(keyText), place: seed }, hashText('endpoint')),
    );
    const span = {
      traceId,
      requestId,
      ...(keyText !== traceId && { key: keyText }),
      callee: `${service} ${endpoint.key}`,
    };
    const put = (time: number, fields: Partial<Event>, from?: RawEvent): RawEvent => {
      const raw = { at: time, process: client, run, fields: { ...span, ...fields }, from };
      log.add(raw);
      totals.lastSeq += 1;
      endAt = Math.max(endAt, time);
      return raw;
    };
    const sent = put(at, { event: 'REQUEST_SENT' });
    totals.sent += 1;
    const arrivesAt = at + network(client.instance, service);
    const process = balance(service, arrivesAt);
    const spans: TrueSpan[] = [];
    let answer: Answer = { at: arrivesAt, status: process ? 502 : 503 };
    if (process && !chance(failures.balancer)) {
      answer = handle({
        at: arrivesAt,
        traceId,
        keyText,
        parentRequestId: requestId,
        service,
        endpoint: endpoint.key,
        place: rootPlace(seed, service, endpoint.key),
        via: 'edge',
        from: sent,
        process,
        deadlineMs: endpoint.deadlineMs,
        goneAt: Number.POSITIVE_INFINITY,
        refusal: refusal(),
        siblings: spans,
      });
    }
    const { status = 502, requestId: peerRequestId } = answer;
    const answeredAt = answer.at + network(service, client.instance);
    const durationMs = round(answeredAt - at);
    put(
      answeredAt,
      { event: 'RESPONSE_RECEIVED', status, durationMs, ...(peerRequestId && { peerRequestId }), spanEvents: 2 },
      answer.from,
    );
    totals.answered += 1;
    if (status >= 400) {
      totals.failed += 1;
      errors[`HTTP_${status}`] = (errors[`HTTP_${status}`] ?? 0) + 1;
    }
    onFlow({ traceId, key: keyText, status, root: spans[0] ?? null });
  }

  function balance(service: string, at: number): Process | undefined {
    for (let tries = 0; tries < (topology.services[service]?.replicas ?? 0); tries++) {
      const process = aliveAt(nextInstance(service), at);
      if (process) return process;
    }
    return undefined;
  }

  for (const process of [...fleet.values()].flat()) {
    if (process.diesAt === Number.POSITIVE_INFINITY) {
      const at = Math.max(endAt, process.upAt) + 1_000;
      log.add({ at, process, run: NO_RUN, fields: { event: 'SERVICE_DOWN', detail: { reason: 'SIGTERM' } } });
    }
  }
  log.flush(Number.POSITIVE_INFINITY);
  return { run, manifest: manifestOf(options, run, startAt, endAt, client.id, { ...totals, errors }) };
}

/** @param step among whose endpoint's steps it stands */
function injected({ id, fault, at, source }: FaultRule, args: InjectedFault['args'], step?: string): InjectedFault {
  if (fault.type !== 'latency' && fault.type !== 'error') throw new Error(`${fault.type} is not simulated`);
  return { id, type: fault.type, source, at, args, ...(step !== undefined && { step }) };
}

function manifestOf(
  { topology, requests, rate = 100, seed = 1 }: SimulationOptions,
  run: string,
  startAt: number,
  endAt: number,
  process: string,
  totals: Omit<Extract<ManifestRecord, { record: 'end' }>, 'record' | 'timestamp' | 'run' | 'finished'>,
): readonly ManifestRecord[] {
  const phases = [{ fromRate: rate, toRate: rate, durationMs: (requests * 1000) / rate }];
  return [
    {
      record: 'start',
      timestamp: new Date(startAt).toISOString(),
      run,
      topology,
      topologyHash: hashValue(topology),
      deployment: null,
      url: 'http://127.0.0.1:1',
      seed: String(seed),
      process,
      plan: { arrivals: 'constant', phases },
    },
    { record: 'end', timestamp: new Date(Math.floor(endAt)).toISOString(), run, ...totals, finished: true },
  ];
}

/** Every life of every instance, by instance. */
function makeFleet(
  topology: Topology,
  { crashes = [], hostOf = () => 'machine' }: SimulationOptions,
  startAt: number,
  random: Random,
): ReadonlyMap<string, readonly Process[]> {
  const fleet = new Map<string, Process[]>();
  for (const { name: service, replicas } of Object.values(topology.services)) {
    for (let replica = 1; replica <= replicas; replica++) {
      const instance = instanceName(service, replica);
      const lives: Process[] = [];
      let upAt = startAt - 500;
      const own = crashes.filter((crash) => crash.instance === instance).sort((a, b) => a.atMs - b.atMs);
      for (const crash of [...own, undefined]) {
        const diesAt = crash ? startAt + crash.atMs : Number.POSITIVE_INFINITY;
        const lostTailMs = crash?.lostTailMs ?? 0;
        lives.push({ id: processId(random), instance, service, host: hostOf(instance), upAt, diesAt, lostTailMs });
        upAt = diesAt + (crash?.restartAfterMs ?? 0);
      }
      fleet.set(instance, lives);
    }
  }
  return fleet;
}

function aliveAt(lives: readonly Process[], at: number): Process | undefined {
  return lives.find(({ upAt, diesAt }) => at >= upAt && at < diesAt);
}

function latest(startAt: number, branches: readonly Ended[]): Ended {
  const at = branches.reduce((end, branch) => Math.max(end, branch.at), startAt);
  const failed = branches.filter(({ failure }) => failure);
  const failure = (failed.find(({ failure }) => failure?.status === 504) ?? failed[0])?.failure;
  return failure ? { at, failure } : { at };
}

function edgeEndpoints(topology: Topology): readonly { readonly service: string; readonly endpoint: Endpoint }[] {
  return Object.values(topology.services)
    .filter(({ edge }) => edge)
    .flatMap(({ name, endpoints }) => Object.values(endpoints).map((endpoint) => ({ service: name, endpoint })));
}

function weighted<T extends { readonly endpoint: Endpoint }>(choices: readonly T[], u: number): T {
  let left = u * choices.reduce((sum, { endpoint }) => sum + endpoint.weight, 0);
  for (const choice of choices) {
    left -= choice.endpoint.weight;
    if (left < 0) return choice;
  }
  return choices[choices.length - 1] as T;
}

function processId(random: Random): string {
  return Array.from({ length: 8 }, () => 'abcdefghijklmnopqrstuvwxyz234567'[Math.floor(random.next() * 32)]).join('');
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
