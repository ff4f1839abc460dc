import test from 'ava';
import fc from 'fast-check';
import type { Breaker } from '../../../lib/model/resilience';
import {
  type BreakerState,
  circuitBreaker,
  type Permit,
  type Verdict,
} from '../../../service/resilience/circuit-breaker';

const settings: fc.Arbitrary<Breaker> = fc
  .record({
    consecutiveFailures: fc.option(fc.integer({ min: 1, max: 4 })),
    errorRate: fc.option(
      fc.record({
        share: fc.constantFrom(0.2, 0.5, 1),
        windowMs: fc.constant(1_000),
        minimumCalls: fc.integer({ min: 1, max: 6 }),
      }),
    ),
    openMs: fc.constantFrom(10, 500, 2_000),
    probes: fc.integer({ min: 1, max: 3 }),
  })
  .filter(({ consecutiveFailures, errorRate }) => consecutiveFailures !== null || errorRate !== null);

type Action = { readonly do: 'wait'; readonly ms: number } | { readonly do: 'admit' } | Settle;
interface Settle {
  readonly do: 'settle';
  /** Which of the open attempts, as a share of them. */
  readonly which: number;
  readonly verdict: Verdict;
}

const actions: fc.Arbitrary<readonly Action[]> = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 9, 100, 450, 1_100, 2_500) }),
    { weight: 3, arbitrary: fc.record({ do: fc.constant('admit' as const) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('settle' as const),
        which: fc.double({ min: 0, max: 0.999, noNaN: true }),
        verdict: fc.constantFrom<Verdict>('success', 'failure', 'failure', 'none'),
      }),
    },
  ),
  { maxLength: 80 },
);

/** What happened since the state last changed, as a plain history: everything else follows from it. */
interface Model {
  state: BreakerState;
  since: number;
  change: number;
  results: { readonly at: number; readonly failed: boolean }[];
  probing: number;
}

test('a breaker does what the plain history of its attempts says', (t) => {
  fc.assert(
    fc.property(settings, actions, (breaker, steps) => {
      const real = circuitBreaker(breaker);
      const model: Model = { state: 'closed', since: 0, change: 0, results: [], probing: 0 };
      const open: { readonly permit: Permit; readonly change: number }[] = [];
      let now = 5_000;
      const become = (state: BreakerState): void => {
        Object.assign(model, { state, since: now, change: model.change + 1, results: [], probing: 0 });
      };
      for (const step of steps) {
        if (step.do === 'wait') now += step.ms;
        else if (step.do === 'admit') {
          if (model.state === 'open' && now - model.since >= breaker.openMs) become('half-open');
          const admits =
            model.state === 'closed' ||
            (model.state === 'half-open' && model.probing + model.results.length < breaker.probes);
          if (admits && model.state === 'half-open') model.probing += 1;
          const permit = real.admit(now);
          t.is(permit !== 0, admits);
          if (permit !== 0) open.push({ permit, change: model.change });
        } else if (open.length > 0) {
          const [{ permit, change }] = open.splice(Math.floor(step.which * open.length), 1) as [(typeof open)[0]];
          real.settle(permit, step.verdict, now);
          if (change === model.change) settle(model, breaker, step.verdict, now, become);
        }
        t.is(real.state, model.state);
      }
    }),
    { numRuns: 2_000 },
  );
});

function settle(
  model: Model,
  { consecutiveFailures, errorRate, probes }: Breaker,
  verdict: Verdict,
  now: number,
  become: (state: BreakerState) => void,
): void {
  if (model.state === 'half-open') model.probing -= 1;
  if (verdict === 'none') return;
  model.results.push({ at: now, failed: verdict === 'failure' });
  if (model.state === 'half-open') {
    if (verdict === 'failure') become('open');
    else if (model.results.length === probes) become('closed');
    return;
  }
  if (verdict === 'success') return;
  const lastWell = model.results.findLastIndex(({ failed }) => !failed);
  if (consecutiveFailures !== null && model.results.length - 1 - lastWell >= consecutiveFailures) become('open');
  else if (errorRate && rateReached(model, errorRate, now)) become('open');
}

function rateReached({ results }: Model, errorRate: NonNullable<Breaker['errorRate']>, now: number): boolean {
  const part = (at: number): number => Math.floor(at / (errorRate.windowMs / 10));
  const recent = results.filter(({ at }) => part(at) > part(now) - 10);
  const failures = recent.filter(({ failed }) => failed).length;
  return recent.length >= errorRate.minimumCalls && failures >= errorRate.share * recent.length;
}

test('an open breaker is never stuck: some time later a success closes it', (t) => {
  fc.assert(
    fc.property(settings, actions, (breaker, steps) => {
      const real = circuitBreaker(breaker);
      const open: Permit[] = [];
      let now = 0;
      for (const step of steps) {
        if (step.do === 'wait') now += step.ms;
        else if (step.do === 'admit') open.push(real.admit(now));
        else real.settle(open.splice(Math.floor(step.which * open.length), 1)[0] ?? 0, step.verdict, now);
      }
      for (const permit of open) real.settle(permit, 'success', now);
      for (let i = 0; i <= breaker.probes && real.state !== 'closed'; i++) {
        now += breaker.openMs;
        real.settle(real.admit(now), 'success', now);
      }
      t.is(real.state, 'closed');
    }),
    { numRuns: 1_000 },
  );
});
