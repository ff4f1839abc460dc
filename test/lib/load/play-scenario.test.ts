import test from 'ava';
import fc from 'fast-check';
import { playScenario } from '../../../lib/load/play-scenario';
import type { ManifestRecord } from '../../../lib/model/manifest';
import type { Scenario, ScenarioStep } from '../../../lib/model/scenario';
import type { ScenarioStage } from '../../../lib/model/scenario-stage';

const REPORT = { did: 'it', epoch: 1, instances: [{ instance: 'web-1', taken: true }] };

function scenarioOf(steps: readonly ScenarioStep[]): Scenario {
  return { name: 'sale', description: null, load: null, steps, expect: [] };
}

function play(steps: readonly ScenarioStep[], stage: Partial<ScenarioStage> = {}) {
  const calls: {
    readonly what: string;
    readonly step: string;
    readonly atMs: number;
    readonly standing: readonly string[];
  }[] = [];
  const records: ManifestRecord[] = [];
  const zeroAt = performance.now();
  const note = (what: string, step: string, standing: readonly ScenarioStep[]): void => {
    calls.push({ what, step, atMs: performance.now() - zeroAt, standing: standing.map(({ name }) => name) });
  };
  const playing = playScenario(
    {
      scenario: scenarioOf(steps),
      lengthMs: 1_000,
      stage: {
        begin: async (step, standing, leftMs) => {
          note('begin', step.name, standing);
          return stage.begin?.(step, standing, leftMs) ?? REPORT;
        },
        end: async (step, standing) => {
          note('end', step.name, standing);
          return stage.end?.(step, standing) ?? REPORT;
        },
        clear: async () => {
          note('clear', '', []);
          return stage.clear ? stage.clear() : REPORT;
        },
      },
    },
    { run: 'run', zeroAt, record: (record) => records.push(record) },
  );
  return { playing, calls, records };
}

/** Until as many steps have been recorded, beside the scenario itself. */
async function recorded(records: readonly ManifestRecord[], steps: number): Promise<void> {
  while (records.length <= steps) await new Promise((resolve) => setTimeout(resolve, 5));
}

const anyStep = fc.record({
  atMs: fc.integer({ min: 0, max: 40 }),
  forMs: fc.option(fc.integer({ min: 1, max: 20 })),
  scales: fc.boolean(),
});
const anySteps = fc.array(anyStep, { maxLength: 6 }).map((list) =>
  list.map(({ atMs, forMs, scales }, index): ScenarioStep => {
    const timed = { name: `s${index}`, atMs, forMs };
    return scales
      ? { ...timed, kind: 'scale', service: 'web', replicas: 2 }
      : { ...timed, kind: 'disconnect', from: 'web', to: 'stock' };
  }),
);

test('no step is made before its time, each ends after it began, and everything is taken back once, at the end', async (t) => {
  await fc.assert(
    fc.asyncProperty(anySteps, async (steps) => {
      const { playing, calls, records } = play(steps);
      await new Promise((resolve) => setTimeout(resolve, 100));
      const { whole, notReached } = await playing.finish();
      t.is(await playing.finish(), await playing.finish());
      for (const step of steps) {
        const begin = calls.findIndex(({ what, step: name }) => what === 'begin' && name === step.name);
        const end = calls.findIndex(({ what, step: name }) => what === 'end' && name === step.name);
        // A loaded machine may not have come so far; what it did is right all the same.
        if (begin < 0) t.true(notReached.includes(step.name));
        else t.true((calls[begin]?.atMs ?? 0) >= step.atMs - 1);
        if (begin >= 0) t.true(calls[begin]?.standing.includes(step.name));
        if (end >= 0) {
          t.true(begin >= 0 && end > begin);
          t.true((calls[end]?.atMs ?? 0) >= step.atMs + (step.forMs ?? Number.NaN) - 1);
          t.false(calls[end]?.standing.includes(step.name));
        }
      }
      t.is(
        calls.findIndex(({ what }) => what === 'clear'),
        calls.length - 1,
      );
      t.is(whole, notReached.length === 0);
      t.is(records[0]?.record, 'scenario');
      t.is(records.length, calls.length + 1);
    }),
    { numRuns: 15 },
  );
});

test('a step that fails is recorded and not stood upon, and the others are made', async (t) => {
  const disconnect = { kind: 'disconnect', from: 'web', to: 'stock' } as const;
  const { playing, calls, records } = play(
    [
      { name: 'bad', atMs: 0, forMs: null, ...disconnect },
      { name: 'good', atMs: 5, forMs: null, ...disconnect },
    ],
    {
      begin: async ({ name }) => {
        if (name === 'bad') throw new Error('it broke');
        return REPORT;
      },
    },
  );
  await recorded(records, 2);
  const { whole, steps } = await playing.finish();
  t.false(whole);
  t.deepEqual(
    steps.map(({ step, problem }) => [step, problem]),
    [
      ['bad', 'it broke'],
      ['good', null],
      ['everything', null],
    ],
  );
  t.deepEqual(calls[1]?.standing, ['good']);
});

test('an instance that does not take a step makes the scenario not wholly played', async (t) => {
  const { playing, records } = play(
    [{ name: 'one', atMs: 0, forMs: null, kind: 'disconnect', from: 'web', to: 'stock' }],
    {
      begin: async () => ({ ...REPORT, instances: [{ instance: 'web-2', taken: false, problem: 'gone' }] }),
    },
  );
  await recorded(records, 1);
  t.false((await playing.finish()).whole);
});
