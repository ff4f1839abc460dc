import { CLIENT_SERVICE } from '../../model/contract';
import { combine, formatHash, hashText, parseHash, rootPlace } from '../../model/draw';
import type { Call, Flow, Span } from '../flow';
import { ACCEPTED, type Accepting, acceptingOf, isSend } from './accepting';
import { type Expectation, expectationOf, type Hop, type KeyExpectation, type Located } from './expectation';
import { expectedCalls } from './expected-calls';
import { keepCausalOrder } from './keep-causal-order';

/**
 * Adds to a flow with lost events the requests that its topology proves, though neither they nor their callers left a
 * word of them:
 *
 * 1. A request whose caller is nowhere has a place, and places are hashes: the one way of attempts from a known request
 *    to that place is the way it came. What stood between the two is inferred, and the request hangs below it.
 * 2. Where a request succeeded every required step of it did. A step that the draws gave it and of which nothing is left
 *    was answered well by somebody, who is inferred, and so on below where the attempt, and with it the place, is sure.
 *
 * Nothing is inferred of services that were changed while they ran.
 *
 * @param flow with the request's true key
 */
export function inferExpected(flow: Flow, expectation: Expectation): Flow {
  if (flow.complete) return flow;
  const draft = structuredClone(flow) as Draft<Flow>;
  const known: Known = { ...expectationOf(expectation, flow.key), told: new Set(), sent: new Map() };
  const before = countInferred(draft);
  for (const span of [draft.root, ...draft.orphans].flatMap(spansOf)) {
    for (const call of span.calls) if (call.child) known.sent.set(call.child, isSend(call, span, known));
  }
  placeRoot(draft, known);
  for (const orphan of draft.orphans) {
    const others = [draft.root, ...draft.orphans.filter((other) => other !== orphan)];
    if (!others.flatMap(spansOf).some((span) => adopt(span, orphan, known))) continue;
    draft.orphans = draft.orphans.filter((other) => other !== orphan);
  }
  for (const top of [draft.root, ...draft.orphans]) {
    addImplied(top, top.status, known);
    nameParents(top);
    keepCausalOrder(top);
  }
  const inferred = countInferred(draft) - before;
  if (inferred > 0) {
    draft.warnings.push(`${inferred} of its requests ${inferred === 1 ? 'is' : 'are'} inferred from the topology`);
  }
  return draft;
}

/** What may be changed, though its readers may not. */
export type Draft<T> = T extends object ? { -readonly [K in keyof T]: Draft<T[K]> } : T;

interface Known extends KeyExpectation {
  /** Inferred requests whose id a request below them told. */
  readonly told: Set<Draft<Span>>;
  /** By request: whether a `send` asked for it, null where that is not known. */
  readonly sent: Map<Draft<Span>, boolean | null>;
}

/**
 * Where the first request left no event, its place follows from its endpoint; where that is not known either, it is the
 * edge's request from which the one that heads the flow, or an orphan, may have come.
 */
function placeRoot(flow: Draft<Flow>, known: Known): void {
  const { root, client } = flow;
  const { topology } = known;
  const seed = hashText(topology.seed);
  const isClient = root.service === CLIENT_SERVICE;
  if (root.inferred && root.place === null && root.endpoint !== null) {
    root.place = formatHash(rootPlace(seed, root.service, root.endpoint));
  }
  if (!isClient && (client !== null || root.via === 'edge' || root.parentRequestId === null)) return;
  const below = isClient ? flow.orphans[0] : root;
  if (!below) return;
  for (const { name, edge, endpoints } of Object.values(topology.services)) {
    for (const endpoint of edge ? Object.keys(endpoints) : []) {
      const place = formatHash(rootPlace(seed, name, endpoint));
      const top = inferredSpan({ service: name, endpoint, place }, below, 'edge');
      if (!adopt(top, below, known)) continue;
      flow.orphans = flow.orphans.filter((orphan) => orphan !== below);
      flow.root = top;
      return;
    }
  }
}

/** Hangs an orphan below a span that lost events, where the topology knows a way from one to the other. */
function adopt(span: Draft<Span>, orphan: Draft<Span>, known: Known): boolean {
  const { place, parentRequestId } = orphan;
  if (place === null || parentRequestId === null || !mayHaveLost(span, known)) return false;
  if (orphan.via === 'queue' && span.place === place && isNameless(span, known)) {
    span.queued.push(orphan);
    tell(span, parentRequestId, known);
    return true;
  }
  const way = known.wayTo(span, place, orphan.service);
  const [first] = way ?? [];
  const last = way?.at(-1);
  if (!way || !first || !last || (last.step.kind === 'send' && orphan.via === null)) return false;
  if (span.calls.some(({ child, callPlace }) => child !== null && callPlace === first.place)) return false;
  const byQueue = last.step.kind === 'send' && orphan.via === 'queue';
  const isCaller = way.length === 1 && !byQueue;
  const runsSteps = accepting(span, known) === 'no';
  if (isCaller && runsSteps && !isNameless(span, known) && span.requestId !== parentRequestId) return false;

  let caller = span;
  for (const hop of byQueue ? way : way.slice(0, -1)) {
    const child = inferredSpan(calleeOf(hop), span, 'mesh');
    connect(worker(caller, known), hop, child, known);
    if (hop.step.kind === 'send') child.status = ACCEPTED;
    caller = child;
  }
  if (byQueue) caller.queued.push(orphan);
  else {
    caller = worker(caller, known);
    connect(caller, last, orphan, known);
  }
  tell(caller, parentRequestId, known);
  return true;
}

/** Events of the span are lost, or of the work that it accepted. */
function mayHaveLost(span: Draft<Span>, known: Known): boolean {
  const role = accepting(span, known);
  return role === 'yes' ? span.queued.length === 0 : role === 'no' && !span.complete;
}

function accepting(span: Draft<Span>, { topology, sent }: Known): Accepting {
  return acceptingOf(span, sent.get(span) ?? null, topology);
}

/** Who runs the steps: of an accepted `send` the work that follows. */
function worker(span: Draft<Span>, known: Known): Draft<Span> {
  if (accepting(span, known) === 'no') return span;
  const [queued] = span.queued;
  if (queued) return queued;
  const work = { ...inferredSpan(span, span, 'queue'), instance: span.instance };
  span.queued.push(work);
  return work;
}

function isNameless(span: Draft<Span>, { told }: Known): boolean {
  return span.inferred && !told.has(span) && (span.inferredFrom === 'topology' || /^0*$/.test(span.requestId));
}

function tell(span: Draft<Span>, requestId: string, known: Known): void {
  if (isNameless(span, known)) span.requestId = requestId;
  known.told.add(span);
}

function connect(caller: Draft<Span>, hop: Hop, child: Draft<Span>, { sent }: Known): void {
  sent.set(child, hop.step.kind === 'send');
  const open = caller.calls.find((call) => call.callPlace === hop.place && call.child === null && isOpen(call));
  if (open) open.child = child;
  else caller.calls.push(inferredCall(hop, caller, child));
}

/**
 * What a request's success proves.
 *
 * @param status of its answer, also where only the topology proves that
 */
function addImplied(span: Draft<Span>, status: number | null, known: Known): void {
  const proved = new Map<Draft<Span>, number>();
  const own = span.complete || status !== 200 ? null : known.stepsOf(span);
  for (const expected of own ? expectedCalls(own.endpoint, own.draws) : []) {
    const { step, repetition, required, places } = expected;
    if (!required) continue;
    const texts = places.map(formatHash);
    const attempts = span.calls.filter(
      (call) => (call.step === step.id && call.repetition === repetition) || texts.includes(call.callPlace ?? ''),
    );
    if (attempts.some((call) => isSuccess(call.status) || isSuccess(call.child?.status ?? null))) continue;
    // With retries it is not sure which attempt succeeded, and each has draws of its own.
    const isSure = texts.length === 1;
    if (attempts.length > 0 && !(isSure && attempts.every((call) => isOpen(call) || isRefused(call)))) continue;
    const answer = step.kind === 'send' ? ACCEPTED : 200;
    const open = attempts.filter(isOpen).at(-1);
    if (open?.child) {
      proved.set(open.child, answer);
      continue;
    }
    const hop = { step, repetition, attempt: 1, place: texts[0] ?? '' };
    const child = inferredSpan({ ...calleeOf(hop), ...(!isSure && { place: null }) }, span, 'mesh');
    child.requestId = madeUpId(span.requestId, `${step.id} ${repetition}`);
    child.status = answer;
    if (open) {
      open.child = child;
      child.instance = open.peer ?? child.instance;
    } else {
      span.calls.push({ ...inferredCall(hop, span, child), ...(!isSure && { attempt: null, callPlace: null }) });
    }
  }
  for (const { child } of span.calls) if (child) addImplied(child, child.status ?? proved.get(child) ?? null, known);
  for (const child of span.queued) addImplied(child, child.status, known);
}

/** Nothing is known of how it ended. */
function isOpen({ status, error }: Draft<Call>): boolean {
  return status === null && error === null;
}

/** The attempt went on to another instance. */
function isRefused({ error }: Draft<Call>): boolean {
  return error?.kind === 'CONNECT';
}

function isSuccess(status: number | null): boolean {
  return status !== null && status >= 200 && status < 400;
}

/** A caller's id may have become known after those below it were inferred. */
function nameParents(span: Draft<Span>): void {
  for (const child of [...span.calls.flatMap((call) => call.child ?? []), ...span.queued]) {
    if (child.inferredFrom === 'topology') child.parentRequestId = span.requestId;
    nameParents(child);
  }
}

function calleeOf({ step: { service, endpoint }, place }: Hop): Located {
  return { service, endpoint, place };
}

/** @param near a span whose time and caller it has to do with: nothing tells of its own */
function inferredSpan(
  { service, endpoint, place }: Located,
  near: Pick<Span, 'requestId' | 'startTime' | 'offsetMs'>,
  via: 'edge' | 'mesh' | 'queue',
): Draft<Span> {
  return {
    service,
    instance: '?',
    process: null,
    endpoint,
    requestId: madeUpId(near.requestId, `${via} ${place}`),
    parentRequestId: null,
    place,
    via,
    epoch: null,
    startTime: near.startTime,
    host: null,
    offsetMs: near.offsetMs,
    correctionMs: 0,
    durationMs: null,
    selfMs: null,
    status: null,
    error: null,
    faults: [],
    decisions: [],
    complete: false,
    inferred: true,
    inferredFrom: 'topology',
    critical: false,
    calls: [],
    queued: [],
  };
}

function inferredCall(
  { step, repetition, attempt, place }: Hop,
  { offsetMs }: Draft<Span>,
  child: Draft<Span>,
): Draft<Call> {
  return {
    callee: `${step.service} ${step.endpoint}`,
    step: step.id,
    repetition,
    attempt,
    reconnect: 0,
    callPlace: place,
    peer: null,
    peerRequestId: null,
    sent: null,
    offsetMs,
    durationMs: null,
    status: null,
    error: null,
    bytes: null,
    critical: false,
    child,
  };
}

/** An id that nobody told: the same in every reading, and no other request's. */
function madeUpId(parent: string, what: string): string {
  return formatHash(combine(hashText('inferred'), parseHash(parent) ?? hashText(parent), hashText(what)));
}

function spansOf(span: Draft<Span>): readonly Draft<Span>[] {
  return [span, ...span.calls.flatMap(({ child }) => (child ? spansOf(child) : [])), ...span.queued.flatMap(spansOf)];
}

function countInferred({ root, orphans }: Draft<Flow>): number {
  return [root, ...orphans].flatMap(spansOf).filter(({ inferredFrom }) => inferredFrom === 'topology').length;
}
