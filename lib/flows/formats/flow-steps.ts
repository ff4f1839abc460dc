import { parseCallee } from '../../model/callee';
import { CLIENT_SERVICE } from '../../model/contract';
import type { Call, Flow, Span, SpanDecision, SpanFault } from '../flow';

/** One thing that an instance does or sees in a flow. */
export interface FlowStep {
  readonly kind: 'send' | 'receive' | 'answer' | 'answered' | 'failed' | 'work' | 'done' | 'fault' | 'decision';
  readonly instance: string;
  readonly service: string;
  /** From the flow's start, and never before the steps it follows from. */
  readonly atMs: number;
  /** The step of another instance that it could not have come before. */
  readonly after: FlowStep | null;
  /** The other side, where there is one: the callee of an attempt, the caller of a span. */
  readonly peer: string | null;
  readonly span: Span | null;
  readonly call: Call | null;
  /** Of a step `fault` or `decision`: what struck, or what a policy decided. */
  readonly fault?: SpanFault;
  readonly decision?: SpanDecision;
}

/** All steps of a flow, in an order in which none stands before one that it follows from. */
export function flowSteps({ client, root, orphans }: Flow): FlowStep[] {
  const steps: FlowStep[] = [];
  const add = (step: FlowStep): FlowStep => {
    steps.push(step);
    return step;
  };

  /** @returns the step with which the span's answer left, or null where that is unknown */
  const addSpan = (span: Span, from: FlowStep | null, isWork = span.via === 'queue'): FlowStep | null => {
    const at = { instance: span.instance, service: span.service, span, call: null };
    const startMs = Math.max(span.offsetMs, from?.atMs ?? Number.NEGATIVE_INFINITY);
    const peer = from?.instance ?? null;
    add({ ...at, kind: isWork ? 'work' : 'receive', atMs: startMs, after: from, peer });
    const own = { ...at, after: null, peer: null };
    const momentOf = ({ offsetMs }: { readonly offsetMs: number }): number => Math.max(startMs, offsetMs);
    for (const fault of span.faults) add({ ...own, kind: 'fault', atMs: momentOf(fault), fault });
    for (const decision of span.decisions) add({ ...own, kind: 'decision', atMs: momentOf(decision), decision });
    let latest = startMs;
    for (const call of span.calls) latest = Math.max(latest, addCall(call, span, startMs));
    const endMs = span.durationMs === null ? latest : Math.max(startMs, span.offsetMs + span.durationMs);
    const known = span.durationMs !== null || span.inferred;
    const end = known ? add({ ...at, kind: isWork ? 'done' : 'answer', atMs: endMs, after: null, peer }) : null;
    for (const child of span.queued) addSpan(child, null, true);
    return end;
  };

  const addCall = (
    call: Call,
    caller: Pick<Span, 'instance' | 'service'>,
    earliest: number,
    child = call.child,
  ): number => {
    const at = { instance: caller.instance, service: caller.service, span: null, call };
    const peer = child?.instance ?? call.peer ?? parseCallee(call.callee ?? '?').service;
    const sentMs = Math.max(call.offsetMs, earliest);
    const sent = call.sent === false ? null : add({ ...at, kind: 'send', atMs: sentMs, after: null, peer });
    const answer = child ? addSpan(child, sent) : null;
    if (call.durationMs === null && call.status === null && call.error === null) return sentMs;
    const answered = call.status !== null;
    const after = answered ? answer : null;
    const endMs = Math.max(sentMs, call.offsetMs + (call.durationMs ?? 0), after?.atMs ?? sentMs);
    add({ ...at, kind: answered ? 'answered' : 'failed', atMs: endMs, after, peer });
    return endMs;
  };

  if (client === null) addSpan(root, null);
  else {
    const received = root.service === CLIENT_SERVICE ? null : root;
    const driver = { instance: CLIENT_SERVICE, service: CLIENT_SERVICE };
    addCall(client, driver, Number.NEGATIVE_INFINITY, received);
  }
  for (const orphan of orphans) addSpan(orphan, null);
  // Sorting is stable: of steps at the same time the cause, which was added first, stays first.
  return steps.sort((a, b) => a.atMs - b.atMs);
}
