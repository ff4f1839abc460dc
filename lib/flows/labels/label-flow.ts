import { CLIENT_SERVICE } from '../../model/contract';
import { hashText } from '../../model/draw';
import { roundMs } from '../../model/event-line';
import type { Topologies } from '../conformance/topologies';
import type { Flow, Span } from '../flow';
import { attemptWould } from './attempt-would';
import { addedMs, type TreeEffects, treeEffects } from './effects';
import type { Exposures } from './exposure';
import { type FlowFacts, flowFacts, type Injection, type PolicyCause, upFrom } from './injections';
import type { Comparison, FlowLabel, IndirectLabel, InjectionLabel, SpanLabel } from './label';
import type { PolicyCauses } from './policy-causes';
import { asMeasured, type Would } from './would-be';

/** What all flows of a run share. */
export interface Labelling {
  readonly topologies: Topologies;
  readonly exposures: Exposures;
  readonly policyCauses: PolicyCauses;
}

/** One flow's labels: what struck it, what came of that, and what would have been. */
export function labelFlow(flow: Flow, { topologies, exposures, policyCauses }: Labelling): FlowLabel {
  const facts = flowFacts(flow, policyCauses);
  const world = { at: topologies.at, key: hashText(flow.key) };
  const byTop = new Map<Span, Injection[]>(facts.tops.map((top) => [top, []]));
  for (const [span, own] of [...facts.injections, ...facts.policies]) byTop.get(topOf(span, facts))?.push(...own);
  const trees = new Map<Span, TreeEffects>();
  for (const [top, own] of byTop) if (own.length > 0) trees.set(top, treeEffects(top, own, facts, world));

  const startMs = Date.parse(flow.startTime);
  const extra = new Set([...trees.values()].flatMap((tree) => [...tree.extra]));
  const spans = facts.spans.map((span): SpanLabel => {
    const tree = trees.get(topOf(span, facts));
    const faults = (facts.injections.get(span) ?? []).map((injection) => injectionLabel(injection, topologies));
    const effects = [...trees.values()].flatMap((each) => each.effects.get(span) ?? []);
    const indirect = (facts.policies.get(span) ?? []).map(indirectLabel);
    return {
      requestId: span.requestId,
      parentRequestId: span.parentRequestId,
      service: span.service,
      instance: span.instance,
      endpoint: span.endpoint,
      edge: edgeOf(span, flow, facts),
      startTime: span.startTime,
      offsetMs: span.offsetMs,
      ...compare(span, extra.has(span) ? null : (tree?.without.get(span) ?? asMeasured(span))),
      anomalous: faults.length > 0 || effects.length > 0 || indirect.some(({ because }) => because === 'injected'),
      faults,
      effects,
      exposed: exposures(span, startMs),
      indirect,
    };
  });
  const [root] = spans as [SpanLabel, ...SpanLabel[]];
  const without = trees.get(flow.root)?.without.get(flow.root) ?? asMeasured(flow.root);
  return {
    traceId: flow.traceId,
    key: flow.key,
    startTime: flow.startTime,
    ...compare({ status: flow.status, durationMs: flow.durationMs }, without),
    complete: flow.complete,
    faulted: facts.injections.size > 0,
    anomalous: root.anomalous,
    exposed: spans.some(({ exposed }) => exposed.length > 0),
    causes: root.effects.map(({ injection }) => injection),
    client: clientOf(flow, facts, without),
    spans,
  };
}

/** @param would null where it would not have been */
function compare({ status, durationMs }: Pick<Span, 'status' | 'durationMs'>, would: Would | null): Comparison {
  const known = would !== null && !Number.isNaN(would.ms);
  return {
    status,
    durationMs,
    counterfactualStatus: would?.status ?? null,
    counterfactualMs: known ? roundMs(would.ms) : null,
    addedMs: would === null ? durationMs : addedMs(durationMs, would.ms),
    basis: would?.basis ?? 'drawn',
  };
}

/** The client waits for the root as a caller does, and has no time-out that the log knows of. */
function clientOf({ client, root }: Flow, { injections, policies }: FlowFacts, would: Would): Comparison | null {
  if (!client) return null;
  const { status, durationMs, error } = client;
  const own = injections.get(root) ?? [];
  const logged = { calls: [client], strikes: [], fromMs: 0, toMs: durationMs ?? Number.NaN, isHedge: false };
  const waits = attemptWould(
    { ...logged, calls: [{ ...client, child: root }] },
    {
      leftMs: Number.POSITIVE_INFINITY,
      timeoutMs: null,
      hopMs: 0,
      moved: false,
      isRemoved: () => true,
      isTouched: () => injections.size + policies.size > 0,
      isCut: () => false,
      removedOf: () => own,
      span: () => would,
      drawn: () => would,
    },
  );
  const seen = { status: error === null ? status : null, durationMs };
  return compare(seen, { ...would, ms: waits.ms, status: waits.status ?? null, basis: waits.basis });
}

function topOf(span: Span, { callers }: FlowFacts): Span {
  let top = span;
  for (const above of upFrom(span, callers)) top = above;
  return top;
}

function edgeOf(span: Span, { root, client }: Flow, { callers, spans }: FlowFacts): string | null {
  if (span === root) return client && root.service !== CLIENT_SERVICE ? `${CLIENT_SERVICE}->${root.service}` : null;
  const caller = callers.get(span) ?? spans.find(({ queued }) => queued.includes(span));
  return caller ? `${caller.service}->${span.service}` : null;
}

function indirectLabel({ name, fault, policy }: Injection): IndirectLabel {
  const { step, repetition, attempt } = fault;
  return {
    injection: name,
    ...(policy as PolicyCause),
    ...(step !== undefined && { step }),
    ...(repetition !== undefined && { repetition }),
    ...(attempt !== undefined && { attempt }),
  };
}

function injectionLabel({ name, fault, span }: Injection, topologies: Topologies): InjectionLabel {
  const {
    id = '?',
    type = '?',
    source = null,
    at = null,
    args = {},
    offsetMs,
    step,
    repetition,
    attempt,
    refused,
  } = fault;
  const rules = topologies.at(span.service, span.epoch ?? 0)?.service.faults;
  const priority = rules?.find((rule) => rule.id === id)?.priority;
  return {
    injection: name,
    id,
    type,
    source,
    at,
    args,
    offsetMs,
    ...(step !== undefined && { step }),
    ...(repetition !== undefined && { repetition }),
    ...(attempt !== undefined && { attempt }),
    ...(priority !== undefined && { priority }),
    ...(refused !== undefined && { refused }),
  };
}
