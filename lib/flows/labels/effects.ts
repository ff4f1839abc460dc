import { roundMs } from '../../model/event-line';
import type { Span } from '../flow';
import { type FlowFacts, type Injection, type Top, upFrom } from './injections';
import type { EffectKind, EffectLabel } from './label';
import { whatIf } from './what-if';
import type { World } from './world';
import type { Would } from './would-be';

/** What became of the spans of one tree, against what would have. */
export interface TreeEffects {
  /** Without any injection; a span that is missing would have been as it was. */
  readonly without: ReadonlyMap<Span, Would>;
  /** Spans that would not have been without any injection. */
  readonly extra: ReadonlySet<Span>;
  readonly effects: ReadonlyMap<Span, readonly EffectLabel[]>;
}

/** Less is the node's own time between two events. */
const LEAST_MS = 0.1;

/**
 * Takes away each injection alone, and all of them. Where none alone makes a difference although all together do (two
 * required calls that both failed), each is held against none at all instead, and its effect is marked as shared.
 */
export function treeEffects(top: Top, own: readonly Injection[], facts: FlowFacts, world: World): TreeEffects {
  const all = new Set(own);
  const without = whatIf(top, all, facts, world);
  const effects = new Map<Span, EffectLabel[]>();
  const put = (span: Span, effect: EffectLabel): void => {
    const list = effects.get(span);
    if (list) list.push(effect);
    else effects.set(span, [effect]);
  };
  for (const injection of own) {
    const alone = own.length === 1 ? without : whatIf(top, new Set([injection]), facts, world);
    compared(injection, alone, facts, put);
  }
  const extra = new Set<Span>();
  for (const { extra: roots } of without.values())
    for (const root of roots) for (const span of below(root)) extra.add(span);
  const unexplained = new Set<Span>();
  for (const [span, would] of without) {
    if (!effects.has(span) && !extra.has(span) && kindsOf(span, would).length > 0) unexplained.add(span);
  }
  if (unexplained.size > 0) {
    for (const injection of own) {
      const others = new Set(own.filter((other) => other !== injection));
      shared(injection, unexplained, whatIf(top, others, facts, world), without, facts, put);
    }
  }
  return { without, extra, effects };
}

type Put = (span: Span, effect: EffectLabel) => void;

/** The effects of one injection: on the span that it struck, on those that waited for it, and on those that it caused. */
function compared(injection: Injection, would: ReadonlyMap<Span, Would>, facts: FlowFacts, put: Put): void {
  const { name, span: struck } = injection;
  const via: string[] = [];
  for (const span of upFrom(struck, facts.callers)) {
    via.push(span.requestId);
    const known = would.get(span);
    const kinds = [...(span === struck ? answerKinds(injection) : []), ...(known ? kindsOf(span, known) : [])];
    if (!known || kinds.length === 0) continue;
    const absent = known.absent.length > 0 ? { absent: known.absent } : {};
    put(span, { injection: name, kinds, addedMs: addedMs(span.durationMs, known.ms), via: [...via], ...absent });
    for (const root of known.extra) {
      for (const span of below(root)) {
        put(span, { injection: name, kinds: ['extra'], addedMs: span.durationMs, via: [...via, span.requestId] });
      }
    }
  }
}

function shared(
  { name, span: struck }: Injection,
  unexplained: ReadonlySet<Span>,
  only: ReadonlyMap<Span, Would>,
  none: ReadonlyMap<Span, Would>,
  { callers }: FlowFacts,
  put: Put,
): void {
  const via: string[] = [];
  for (const span of upFrom(struck, callers)) {
    via.push(span.requestId);
    const [with_, without] = [
      only.get(span) ?? { ms: span.durationMs ?? Number.NaN, status: span.status },
      none.get(span),
    ];
    if (!unexplained.has(span) || !without) continue;
    const kinds = differences(with_.ms, with_.status, without);
    if (kinds.length === 0) continue;
    put(span, { injection: name, kinds, addedMs: addedMs(with_.ms, without.ms), via: [...via], shared: true });
  }
}

function kindsOf(span: Span, would: Would): readonly EffectKind[] {
  return [
    ...differences(span.durationMs ?? Number.NaN, span.status, would),
    ...(would.retried ? (['retried'] as const) : []),
    ...(would.hedged ? (['hedged'] as const) : []),
    ...(would.absent.length > 0 ? (['absent'] as const) : []),
  ];
}

function differences(ms: number, status: number | null, would: Would): readonly EffectKind[] {
  const kinds: EffectKind[] = [];
  const added = ms - would.ms;
  if (added > LEAST_MS) kinds.push('slowed');
  if (added < -LEAST_MS) kinds.push('shortened');
  if (would.status !== null && status !== would.status) {
    kinds.push(would.status < 400 ? 'failed' : 'failed-otherwise');
  }
  return kinds;
}

/** What an injection made of an answer that was itself as it would have been. */
function answerKinds({ fault }: Injection): readonly EffectKind[] {
  if (fault.type === 'slow-body') return ['paced'];
  if (fault.type === 'truncate') return ['truncated'];
  return fault.type === 'corrupt' ? ['corrupted'] : [];
}

export function addedMs(ms: number | null, wouldMs: number): number | null {
  if (ms === null || Number.isNaN(ms) || Number.isNaN(wouldMs)) return null;
  const added = roundMs(ms - wouldMs);
  return Math.abs(added) <= LEAST_MS ? 0 : added;
}

/** A span and all that it caused. */
export function* below(span: Span): Generator<Span> {
  yield span;
  for (const { child } of span.calls) if (child) yield* below(child);
  for (const queued of span.queued) yield* below(queued);
}
