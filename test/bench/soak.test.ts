import test from 'ava';
import fc from 'fast-check';
import { planBlows, planFaults } from '../../bench/soak/fault-plan';
import { memorySlope, type ProcessMemory } from '../../bench/soak/memory';
import { serviceOf } from '../../lib/model/edit-topology';
import { FAULT_ARGUMENTS } from '../../lib/model/fault';
import { loadTopology } from '../../lib/model/load-topology';
import { parseFaultRule } from '../../lib/model/parse-fault';
import { ruleTargets } from '../../lib/model/validate-faults';
import { seededRandom } from '../support/random';

const shop = loadTopology('shop');
const MINUTE_MS = 60_000;

test('a storm raises each kind of fault, all of them valid where they stand', (t) => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: MINUTE_MS / 4, max: 10 * MINUTE_MS }), (seed, stormMs) => {
      const planned = planFaults(shop, stormMs, seededRandom(seed));
      t.is(new Set(planned.map(({ rule }) => rule.type)).size, Object.keys(FAULT_ARGUMENTS).length);
      for (const { service, rule, atMs } of planned) {
        const targets = ruleTargets(serviceOf(shop, service));
        parseFaultRule(rule, service, { source: 'live', newId: () => 'id', targets });
        t.true(atMs < stormMs);
      }
    }),
    { numRuns: 50 },
  );
});

test('the same seed plans the same storm, another seed another one', (t) => {
  const plan = (seed: number) => {
    const random = seededRandom(seed);
    return [planFaults(shop, MINUTE_MS, random), planBlows(shop, MINUTE_MS, random)];
  };
  t.deepEqual(plan(7), plan(7));
  t.notDeepEqual(plan(7), plan(8));
});

/** Three minutes of samples: a level, a growth in MiB an hour, and noise that is the same each time. */
function grown(instance: string, pid: number, level: number, growth: number): ProcessMemory {
  const random = seededRandom(pid);
  const samples = Array.from({ length: 180 }, (_, second) => {
    const warming = second < 60 ? -second : 0;
    const pssMiB = level + (growth * second) / 3_600 + 0.2 * (random.next() - 0.5) + warming;
    return { atMs: 1_000 * second, pssMiB, rssMiB: pssMiB + 40 };
  });
  return { instance, pid, samples };
}

test('growth is found among processes of different sizes, after their warm-up', (t) => {
  for (const growth of [0, 40, -40]) {
    const processes = Array.from({ length: 10 }, (_, pid) => grown(`a-${pid}`, pid, 20 + 10 * pid, growth));
    const slope = memorySlope(processes);
    t.true(Math.abs((slope?.mibPerHour ?? Number.NaN) - growth) < 3, `${slope?.mibPerHour} of ${growth}`);
    t.true((slope?.plusMinus ?? 99) < 3);
    t.is(slope?.processes, 10);
  }
});

test('processes that lived too short tell no growth', (t) => {
  const { samples, ...process } = grown('a-1', 1, 20, 0);
  t.is(memorySlope([{ ...process, samples: samples.slice(0, 65) }]), undefined);
});
