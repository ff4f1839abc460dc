import test from 'ava';
import fc from 'fast-check';
import type { TopologySpec } from '../../../lib/model/spec';
import { retryBudget } from '../../../service/resilience/retry-budget';
import { STACKS, startMesh } from '../mesh';

const failing = (budget: object | undefined, stack: object): TopologySpec =>
  ({
    defaults: stack,
    services: {
      web: { edge: true, calls: [{ call: 'data', optional: true, retries: { max: 4, backoffMs: 1, budget } }] },
      data: { faults: [{ type: 'error', at: 'before' }] },
    },
  }) as TopologySpec;

for (const stack of STACKS) {
  test(`${stack.server} with ${stack.client}: retries to a callee that is down stay within their budget`, async (t) => {
    const mesh = await startMesh(t, failing({ ratio: 0.5, minPerSecond: 0.2, windowMs: 60_000 }, stack));
    for (let i = 0; i < 20; i++) await mesh.ask('web');
    const events = await mesh.events();
    const received = events.filter(({ event, service }) => event === 'REQUEST_RECEIVED' && service === 'data').length;
    // 20 calls, half as many retries, and 0.2 in each of the window's 60 seconds; without a budget it would be 100.
    t.is(received, 20 + 10 + 12);
    const exhausted = events.filter(({ event }) => event === 'RETRY_BUDGET_EXHAUSTED');
    t.true(exhausted.length > 0);
    t.like(exhausted.at(-1), { callee: 'data GET /', decision: { callee: 'data', calls: 20, retries: 22 } });
  });
}

test('in no window are there more retries than its calls and its time allow', (t) => {
  const settings = fc.record({
    ratio: fc.constantFrom(0, 0.1, 0.5, 2),
    minPerSecond: fc.constantFrom(0, 1, 5),
    windowMs: fc.constantFrom(1_000, 10_000),
  });
  const waits = fc.array(fc.record({ wait: fc.integer({ min: 0, max: 800 }), retry: fc.boolean() }), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(settings, waits, (budget, steps) => {
      const real = retryBudget(budget);
      const part = (at: number): number => Math.floor(at / (budget.windowMs / 10));
      const calls: number[] = [];
      const retries: number[] = [];
      let now = 0;
      for (const { wait, retry } of steps) {
        now += wait;
        const within = (at: number): boolean => part(at) > part(now) - 10;
        const allowed = budget.ratio * calls.filter(within).length + (budget.minPerSecond * budget.windowMs) / 1_000;
        if (!retry) {
          calls.push(now);
          real.called(now);
        } else if (retries.filter(within).length + 1 <= allowed) {
          t.true(real.withdraw(now));
          retries.push(now);
        } else t.false(real.withdraw(now));
      }
    }),
    { numRuns: 300 },
  );
});
