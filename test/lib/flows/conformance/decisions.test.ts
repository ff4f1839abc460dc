import type { ExecutionContext } from 'ava';
import test from 'ava';
import { type Conformance, runCheck } from '../../../../lib/flows/conformance/check-run';
import type { Event } from '../../../../lib/model/event';
import { resolve } from '../../../../lib/model/resolve';
import { ADHOC_RUN } from '../../../../lib/model/run-id';
import type { TopologySpec } from '../../../../lib/model/spec';
import { STACKS, startMesh } from '../../../service/mesh';

function checked(events: readonly Event[], spec: TopologySpec): Conformance {
  const checking = runCheck({ run: ADHOC_RUN, topology: resolve(spec, 'guarded'), end: null });
  for (const event of events) checking.add(event);
  return checking.finish();
}

/** Runs a topology with policies, and holds its log against it and against the same topology without them. */
async function runOf(t: ExecutionContext, spec: TopologySpec, requests: number, apartMs = 0) {
  const mesh = await startMesh(t, spec);
  const asked: Promise<unknown>[] = [];
  for (let i = 0; i < requests; i++) {
    asked.push(mesh.ask('web').catch(() => undefined));
    if (apartMs > 0) await new Promise((done) => setTimeout(done, apartMs));
  }
  await Promise.all(asked);
  return mesh.events();
}

const limited = (stack: object, concurrency?: object): TopologySpec =>
  ({
    name: 'guarded',
    defaults: stack,
    services: {
      web: { edge: true, calls: [{ call: 'data', optional: true }] },
      data: { latencyMs: 1_500, concurrency },
    },
  }) as TopologySpec;

const broken = (stack: object, breaker?: object): TopologySpec =>
  ({
    name: 'guarded',
    defaults: stack,
    services: {
      web: { edge: true, calls: [{ call: 'data', optional: true, retries: { max: 1, backoffMs: 1 }, breaker }] },
      data: { faults: [{ type: 'error', at: 'before', probability: 0.8 }] },
    },
  }) as TopologySpec;

const crowded = (stack: object, bulkhead?: object): TopologySpec =>
  ({
    name: 'guarded',
    defaults: stack,
    services: {
      web: { edge: true, calls: [{ call: 'data', optional: true, retries: 1, bulkhead }] },
      data: { latencyMs: 1_000 },
    },
  }) as TopologySpec;

const retrying = (stack: object, budget?: object): TopologySpec =>
  ({
    name: 'guarded',
    defaults: stack,
    services: {
      web: { edge: true, calls: [{ call: 'data', optional: true, retries: { max: 3, backoffMs: 1, budget } }] },
      data: { faults: [{ type: 'error', at: 'before', probability: 0.7 }] },
    },
  }) as TopologySpec;

const replaced = (stack: object, fallback?: object): TopologySpec =>
  ({
    name: 'guarded',
    defaults: stack,
    services: {
      web: { edge: true, calls: [{ call: 'data', retries: { max: 1, backoffMs: 1 }, fallback }] },
      data: { faults: [{ type: 'error', at: 'before', probability: 0.7 }] },
    },
  }) as TopologySpec;

for (const stack of STACKS) {
  const name = `${stack.server} with ${stack.client}`;

  // In turn: among the requests of twenty tests those of one would come too far apart to be shed.
  test.serial(
    `${name}: shed requests are explained where there is a limit, and flagged where there is none`,
    async (t) => {
      const events = await runOf(t, limited(stack, { limit: 1, queue: 1 }), 12);
      const well = checked(events, limited(stack, { limit: 1, queue: 1 }));
      t.deepEqual(well.departures, []);
      t.true((well.explained.REQUEST_SHED ?? 0) > 0);
      const kinds = new Set(checked(events, limited(stack)).departures.map(({ kind }) => kind));
      t.true(kinds.has('extra-decision'));
    },
  );

  test(`${name}: a breaker's rejections are explained where it stands, and flagged where it does not`, async (t) => {
    const breaker = { consecutiveFailures: 3, openMs: 60 };
    const events = await runOf(t, broken(stack, breaker), 40, 5);
    const well = checked(events, broken(stack, breaker));
    t.deepEqual(well.departures, []);
    for (const cause of ['BREAKER_OPENED', 'BREAKER_HALF_OPENED', 'BREAKER_OPEN']) {
      t.true((well.explained[cause] ?? 0) > 0, cause);
    }
    const found = checked(events, broken(stack)).departures;
    t.true(found.some(({ kind, actual }) => kind === 'extra-decision' && actual === 'BREAKER_OPENED'));
    t.true(found.some(({ message }) => message.includes('BREAKER_OPEN without a breaker')));
  });

  test.serial(
    `${name}: a full bulkhead's rejections are explained where it stands, and flagged where it does not`,
    async (t) => {
      const events = await runOf(t, crowded(stack, { limit: 1, queue: 1 }), 10);
      const well = checked(events, crowded(stack, { limit: 1, queue: 1 }));
      t.deepEqual(well.departures, []);
      t.true((well.explained.BULKHEAD_FULL ?? 0) > 0);
      const found = checked(events, crowded(stack)).departures;
      t.true(found.some(({ message }) => message.includes('BULKHEAD_FULL without a bulkhead')));
    },
  );

  test(`${name}: a retry that a budget withheld is explained where it stands, and flagged where it does not`, async (t) => {
    const budget = { ratio: 0.1, minPerSecond: 0.1 };
    const events = await runOf(t, retrying(stack, budget), 20);
    const well = checked(events, retrying(stack, budget));
    t.deepEqual(well.departures, []);
    t.true((well.explained.RETRY_BUDGET_EXHAUSTED ?? 0) > 0);
    const found = checked(events, retrying(stack)).departures;
    t.true(found.some(({ kind, actual }) => kind === 'extra-decision' && actual === 'RETRY_BUDGET_EXHAUSTED'));
  });

  test(`${name}: a fallback is explained where it stands, flagged where not, and missed where it was due`, async (t) => {
    const events = await runOf(t, replaced(stack, { bytes: 5 }), 20);
    const well = checked(events, replaced(stack, { bytes: 5 }));
    t.deepEqual(well.departures, []);
    t.true((well.explained.FALLBACK_USED ?? 0) > 0);
    const found = checked(events, replaced(stack)).departures;
    t.true(found.some(({ kind, actual }) => kind === 'extra-decision' && actual === 'FALLBACK_USED'));
    const without = await runOf(t, replaced(stack), 20);
    const missed = checked(without, replaced(stack, { bytes: 5 })).departures;
    t.true(missed.some(({ kind }) => kind === 'missing-decision'));
  });
}
