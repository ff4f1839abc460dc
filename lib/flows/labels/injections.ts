import { decides } from '../../model/faced-faults';
import { FAULT_BOUNDS } from '../../model/fault';
import type { Flow, Span, SpanFault } from '../flow';

/** A fault that struck a request, with what it did to the time. */
export interface Injection {
  /** The span's request id, `#`, its number there. */
  readonly name: string;
  readonly fault: SpanFault;
  readonly span: Span;
  /** From the span's start. */
  readonly atMs: number;
  /** How long it held the request, or the attempt, at the least. */
  readonly waitMs: number;
  /** It ended the request or the attempt. */
  readonly decides: boolean;
  /** It is no fault, but what a policy decided on a state that faults may have brought about. */
  readonly policy?: PolicyCause;
}

/** Why a policy decided as it did. */
export interface PolicyCause {
  readonly decision: 'BREAKER_OPEN' | 'BULKHEAD_FULL' | 'REQUEST_SHED' | 'RETRY_BUDGET_EXHAUSTED';
  /** `injected`: proved by the log. `unknown`: whether it would have decided so without injections is not known. */
  readonly because: 'injected' | 'unknown';
  readonly injections: readonly string[];
  readonly reason: string;
}

/** A request that no call waits for: the flow's root, the work of a `send`, or one whose caller is not known. */
export type Top = Span;

/** What one flow's labels are worked out from. */
export interface FlowFacts {
  readonly tops: readonly Top[];
  readonly spans: readonly Span[];
  /** Those that struck each span, in their order. */
  readonly injections: ReadonlyMap<Span, readonly Injection[]>;
  /** What policies decided there that may go back to injections. */
  readonly policies: ReadonlyMap<Span, readonly Injection[]>;
  /** Who called a span, where its answer was waited for. */
  readonly callers: ReadonlyMap<Span, Span>;
  /** Spans that the deadline cut, or one below. */
  readonly cut: ReadonlySet<Span>;
  /** What an answered call of this flow took beside its callee's own time: the median; 0 where there is none. */
  readonly hopMs: number;
}

/** @param policiesOf what policies decided in a span, where that may go back to injections */
export function flowFacts(
  { root, orphans }: Flow,
  policiesOf: (span: Span) => readonly Injection[] = () => [],
): FlowFacts {
  const tops: Span[] = [root, ...orphans];
  const spans: Span[] = [];
  const injections = new Map<Span, readonly Injection[]>();
  const policies = new Map<Span, readonly Injection[]>();
  const callers = new Map<Span, Span>();
  const cut = new Set<Span>();
  const hops: number[] = [];
  for (const top of tops) {
    const stack = [top];
    for (let span = stack.pop(); span !== undefined; span = stack.pop()) {
      spans.push(span);
      if (span.faults.length > 0) injections.set(span, span.faults.map(injectionOf, span));
      const decided = policiesOf(span);
      if (decided.length > 0) policies.set(span, decided);
      tops.push(...span.queued);
      const children: Span[] = [];
      for (const { child, error, durationMs } of span.calls) {
        if (error?.kind === 'DEADLINE') cut.add(span);
        if (!child) continue;
        callers.set(child, span);
        children.push(child);
        if (error === null) hops.push((durationMs ?? Number.NaN) - (child.durationMs ?? Number.NaN));
      }
      // The first sent comes out first.
      stack.push(...children.reverse());
      if (span.status === 504 || span.error?.kind === 'DEADLINE') cut.add(span);
    }
  }
  for (const span of [...cut]) for (const above of upFrom(span, callers)) cut.add(above);
  return { tops, spans, injections, policies, callers, cut, hopMs: median(hops) };
}

function median(values: readonly number[]): number {
  const sorted = values.filter((value) => value >= 0).sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

/** A span, its caller, the caller's, and so on. */
export function* upFrom(span: Span, callers: FlowFacts['callers']): Generator<Span> {
  for (let at: Span | undefined = span; at !== undefined; at = callers.get(at)) yield at;
}

function injectionOf(this: Span, fault: SpanFault, index: number): Injection {
  return {
    name: `${this.requestId}#${index + 1}`,
    fault,
    span: this,
    atMs: fault.offsetMs - this.offsetMs,
    waitMs: waitOf(fault),
    decides: fault.type !== undefined && decides(fault as never),
  };
}

/** A timer counts whole milliseconds. CPU time takes at least as long as it is. */
function waitOf({ type, args = {}, refused }: SpanFault): number {
  if (refused !== undefined) return 0;
  if (type === 'latency') return Math.max(0, Math.round(Math.min(Number(args.delay), FAULT_BOUNDS.delayMs))) || 0;
  if (type === 'cpu' || type === 'block') return Number(args.duration) || 0;
  return 0;
}
