import type { Scenario, ScenarioStep } from './scenario';

/** A step begins, or what it did ends. */
export interface Moment {
  /** Since the traffic's start, its warm-up not counted. */
  readonly atMs: number;
  readonly step: ScenarioStep;
  readonly what: 'begin' | 'end';
}

/**
 * What happens when, in order: by time, of one time ends before begins, and those as written. A step without an end of its
 * own has no such moment: it stands until the traffic ends.
 */
export function momentsOf({ steps }: Pick<Scenario, 'steps'>): readonly Moment[] {
  const moments = steps.flatMap((step): readonly Moment[] => {
    const begin: Moment = { atMs: step.atMs, step, what: 'begin' };
    return step.forMs === null ? [begin] : [begin, { atMs: step.atMs + step.forMs, step, what: 'end' }];
  });
  const rank = ({ what }: Moment): number => (what === 'end' ? 0 : 1);
  // A stable sort keeps the order written.
  return moments.sort((a, b) => a.atMs - b.atMs || rank(a) - rank(b));
}

/** The steps that stand after one more moment, those that began first coming first. */
export function standingAfter(standing: readonly ScenarioStep[], { step, what }: Moment): readonly ScenarioStep[] {
  return what === 'begin' ? [...standing, step] : standing.filter((other) => other !== step);
}

/** Whether it strikes once and is over: a crash that nobody prolongs must not meet the instance that starts again. */
export function strikesOnce(step: ScenarioStep): boolean {
  return (
    step.kind === 'fault' && step.rule.fault.type === 'crash' && step.rule.at === 'instance' && step.forMs === null
  );
}
