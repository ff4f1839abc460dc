import { concerns } from '../../lib/model/faced-faults';
import type { FaultPosition, FaultRule } from '../../lib/model/fault';
import type { Outgoing } from '../../lib/model/topology';
import type { Span } from '../span';

/** What a rule demands beside its draw: where, from when and until when it strikes. */
export interface RuleConditions {
  /** Takes note of rules: the time of those that end by themselves counts from when they were first met. */
  take(rules: readonly FaultRule[]): void;
  /** Whether a rule of this id was ever taken. */
  wasRule(id: string): boolean;
  /** @param ordinal which request of its endpoint it is in this process, from 1; for the instance: how many have come */
  hold(rule: FaultRule, ordinal: number): boolean;
  /** The rules that the request's flow brings along for this point. */
  brought(span: Span, at: FaultPosition, step?: Outgoing): readonly FaultRule[];
}

const NONE: readonly FaultRule[] = [];

export function ruleConditions(instance: string): RuleConditions {
  /** When each rule could first strike, by the monotonic clock; undefined until then. */
  const firstAt = new Map<string, number | undefined>();
  /** How often each rule that waits for its n-th call has met one, by the request. */
  const met = new WeakMap<Span, Map<string, number>>();

  const isNth = ({ id, nth }: FaultRule, span: Span): boolean => {
    if (nth === undefined) return true;
    const counts = met.get(span) ?? new Map<string, number>();
    met.set(span, counts);
    counts.set(id, (counts.get(id) ?? 0) + 1);
    return counts.get(id) === nth;
  };

  return {
    take: (rules) => {
      for (const { id, fromRequest } of rules) {
        if (!firstAt.has(id)) firstAt.set(id, fromRequest === undefined ? performance.now() : undefined);
      }
    },
    wasRule: (id) => firstAt.has(id),
    hold: ({ id, instances, fromRequest, forMs, startsAt, expiresAt }, ordinal) => {
      if (instances && !instances.includes(instance)) return false;
      if (fromRequest !== undefined && ordinal < fromRequest) return false;
      if (startsAt !== undefined && Date.now() < Date.parse(startsAt)) return false;
      if (expiresAt !== undefined && Date.now() >= Date.parse(expiresAt)) return false;
      if (forMs === undefined) return true;
      const now = performance.now();
      const first = firstAt.get(id) ?? now;
      firstAt.set(id, first);
      return now < first + forMs;
    },
    brought: (span, at, step) => {
      const { rules, route } = span;
      if (!rules) return NONE;
      return rules.filter((rule) => rule.at === at && concerns(rule, route.endpoint.key, step) && isNth(rule, span));
    },
  };
}
