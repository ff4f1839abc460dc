import test from 'ava';
import fc from 'fast-check';
import { rehearse } from '../../../lib/model/rehearse-scenario';
import { resolve } from '../../../lib/model/resolve';
import { resolveScenarios } from '../../../lib/model/resolve-scenario';
import type { ScenarioStep } from '../../../lib/model/scenario';
import type { ScenarioSpec } from '../../../lib/model/scenario-spec';
import { momentsOf, standingAfter } from '../../../lib/model/scenario-timeline';
import type { TopologySpec } from '../../../lib/model/spec';
import { formatFault } from '../../../lib/model/user-error';
import { validate } from '../../../lib/model/validate';

const services = {
  web: { edge: true, replicas: 2, calls: ['catalog GET /items'] },
  catalog: { endpoints: { 'GET /items': { steps: ['stock'] } } },
  stock: {},
};
const load = { phases: [{ name: 'calm', rate: 10, for: '10s' }] };
const shop = (scenario: unknown) => ({ services, scenarios: { sale: scenario } });
const step = (fields: object) => shop({ load, steps: [{ at: '1s', ...fields }] });
const fault = (fields: object) => step({ fault: { service: 'web', type: 'reset', at: 'before', ...fields } });
const expectation = (fields: object) =>
  shop({ load, steps: [{ at: '1s', name: 'grow', scale: { service: 'web', replicas: 3 } }], expect: [fields] });
const at = 'scenarios.sale.steps[0]';
const first = 'scenarios.sale.expect[0]';

const TABLE: readonly (readonly [rule: string, value: unknown, ...faults: readonly string[]])[] = [
  ['nothing but steps', step({ disconnect: { from: 'web', to: 'catalog' } })],
  ['a misspelt key', shop({ laod: load }), 'scenarios.sale.laod: unknown key; did you mean load?'],
  [
    'a name that is none',
    { services, scenarios: { Sale: {} } },
    'scenarios.Sale: "Sale" is no scenario name: 1 to 32 lower-case letters, digits and dashes, a letter first; rename it',
  ],
  [
    'a time without a unit',
    step({ at: '5', scale: { service: 'web', replicas: 3 } }),
    `${at}.at: "5" does not fit; give a duration, such as 500ms, 30s or 1.5m`,
  ],
  [
    'a fault without an end in sight',
    step({ for: '2h', scale: { service: 'web', replicas: 3 } }),
    `${at}.for: "2h" is longer than an hour; give at most 1h`,
  ],
  [
    'a step after the load',
    step({ at: '10s', scale: { service: 'web', replicas: 3 } }),
    `${at}.at: "10s" is not before the load's end at 10s; lengthen a phase`,
  ],
  [
    'a step of no kind',
    step({ scael: { service: 'web', replicas: 3 } }),
    `${at}: {"at":"1s","scael":{"service":"web","replicas":3}} is no step of a scenario; did you mean scale?`,
  ],
  [
    'a misspelt service of each kind of step',
    shop({
      steps: [
        { at: '1s', scale: { service: 'wbe', replicas: 2 } },
        { at: '1s', connect: { from: 'catlog', to: 'stock' } },
        { at: '1s', disconnect: { from: 'web', to: 'catlog' } },
        { at: '1s', work: { service: 'stok', latencyMs: 1 } },
        { at: '1s', fault: { service: 'wbe', type: 'reset', at: 'before' } },
      ],
    }),
    `${at}.scale.service: there is no service "wbe"; did you mean "web"?`,
    'scenarios.sale.steps[1].connect.from: there is no service "catlog"; did you mean "catalog"?',
    'scenarios.sale.steps[2].disconnect.to: there is no service "catlog"; did you mean "catalog"?',
    'scenarios.sale.steps[3].work.service: there is no service "stok"; did you mean "stock"?',
    'scenarios.sale.steps[4].fault.service: there is no service "wbe"; did you mean "web"?',
  ],
  [
    'a misspelt endpoint',
    step({ work: { service: 'catalog', endpoint: 'GET /item', latencyMs: 3 } }),
    `${at}.work.endpoint: catalog has no endpoint "GET /item"; did you mean "GET /items"?`,
  ],
  [
    'a change that changes nothing',
    step({ work: { service: 'web' } }),
    `${at}.work: it changes nothing; give one of latencyMs, cpuMs, memoryBytes, diskBytes`,
  ],
  [
    'too few instances',
    step({ scale: { service: 'web', replicas: 0 } }),
    `${at}.scale.replicas: 0 is below 1; give a whole number from 1 to 100`,
  ],
  [
    'a fault of an instance that does not run',
    fault({ instances: ['web-7'] }),
    `${at}.fault.instances[0]: web has no instance "web-7"; did you mean "web-1"?`,
  ],
  [
    'a callee that is not called',
    fault({ at: 'call', callee: 'stock' }),
    `${at}.fault.callee: web does not call "stock"; use one of catalog`,
  ],
  ['an unknown fault', fault({ type: 'rest' }), `${at}.fault.type: there is no fault "rest"; did you mean reset?`],
  [
    'one name for two things',
    shop({ load, steps: [{ at: '1s', name: 'calm', scale: { service: 'web', replicas: 3 } }] }),
    `${at}.name: "calm" is already the name of scenarios.sale.load.phases[0]; give each step and phase its own`,
  ],
  [
    'nothing but pauses',
    shop({ load: { phases: [{ rate: 0, for: '1s' }] } }),
    'scenarios.sale.load.phases: all phases are pauses; give one a rate above 0',
  ],
  [
    'a misspelt window',
    expectation({ errors: { atMost: 0.1 }, during: 'clam' }),
    `${first}.during: there is no phase or step "clam"; did you mean "calm"?`,
  ],
  [
    'a misspelt step to recover from',
    expectation({ recovered: { after: 'grwo', within: '1s', errors: { atMost: 0 } } }),
    `${first}.recovered.after: there is no step "grwo"; did you mean "grow"?`,
  ],
  [
    'a recovery of nothing',
    expectation({ recovered: { after: 'grow', within: '1s' } }),
    `${first}.recovered: it does not say what must hold again; give errors, responseTime or serviceTime`,
  ],
  [
    'a planned moment that only the client knows',
    expectation({ of: 'catalog', responseTime: { percentile: 99, atMostMs: 5 } }),
    `${first}.responseTime: only the client knows when its requests were planned; use serviceTime, or of: { from: "client", to: ... }`,
  ],
  [
    'a share above one',
    expectation({ errors: { atMost: 5 } }),
    `${first}.errors.atMost: 5 is above 1; give a number from 0 to 1`,
  ],
  [
    'a misspelt subject',
    expectation({ of: { from: 'clint', to: 'web' }, errors: { atMost: 0 } }),
    `${first}.of.from: there is no service "clint"; did you mean "client"?`,
  ],
  [
    'a window that ends before it begins',
    expectation({ errors: { atMost: 0 }, during: { from: '5s', to: '2s' } }),
    `${first}.during: it begins at "5s" and ends at "2s"; let it end later`,
  ],
];

for (const [rule, value, ...expected] of TABLE) {
  test(`validation of scenarios: ${rule}`, (t) => {
    t.deepEqual(validate(value, 'shop').map(formatFault), expected);
  });
}

function rehearsed(scenario: ScenarioSpec): readonly string[] {
  const spec = shop(scenario) as unknown as TopologySpec;
  t0(validate(spec, 'shop').map(formatFault));
  const { sale } = resolveScenarios(spec);
  if (!sale) throw new Error('it is not there');
  return rehearse(sale, resolve(spec, 'shop')).map(formatFault);
}

function t0(faults: readonly string[]): void {
  if (faults.length > 0) throw new Error(faults.join('\n'));
}

test('what goes wrong only when steps are made one after the other is found before anything runs', (t) => {
  t.deepEqual(
    rehearsed({
      steps: [
        { at: '1s', disconnect: { from: 'web', to: 'catalog GET /items' } },
        { at: '2s', disconnect: { from: 'web', to: 'catalog GET /items' } },
      ],
    }),
    ['scenarios.sale.steps[1]: at 2s, web: does not call catalog GET /items; it calls nobody'],
  );
  t.regex(
    rehearsed({ steps: [{ at: '1s', connect: { from: 'stock', to: 'web' } }] })[0] ?? '',
    /steps\[0\]: at 1s, .*calls never end/,
  );
  const third = { service: 'web', type: 'reset', at: 'before', instances: ['web-3'] } as const;
  const grown = { at: '1s', for: '2s', scale: { service: 'web', replicas: 3 } } as const;
  t.deepEqual(rehearsed({ steps: [grown, { at: '2s', for: '500ms', fault: third }] }), []);
  t.regex(
    rehearsed({ steps: [grown, { at: '4s', fault: third }] })[0] ?? '',
    /steps\[1\]: at 4s, .*web has no instance "web-3"/,
  );
});

test('a call comes back when the step that took it ends, however steps overlap', (t) => {
  t.deepEqual(
    rehearsed({
      steps: [
        { at: '1s', for: '4s', disconnect: { from: 'web', to: 'catalog GET /items' } },
        { at: '2s', for: '1s', connect: { from: 'web', to: 'stock' } },
        { at: '6s', disconnect: { from: 'web', to: 'catalog GET /items' } },
      ],
    }),
    [],
  );
});

const anyStep = fc.record({ atMs: fc.integer({ min: 0, max: 20 }), forMs: fc.option(fc.integer({ min: 1, max: 10 })) });
const anySteps = fc.array(anyStep, { maxLength: 12 }).map((list) =>
  list.map(
    ({ atMs, forMs }, index): ScenarioStep => ({
      name: `s${index}`,
      atMs,
      forMs,
      kind: 'scale',
      service: 'web',
      replicas: 2,
    }),
  ),
);

test('moments come in order, each step begins once and ends once where it ends, and ends come before begins', (t) => {
  fc.assert(
    fc.property(anySteps, (steps) => {
      const moments = momentsOf({ steps });
      t.is(moments.length, steps.length + steps.filter(({ forMs }) => forMs !== null).length);
      let standing: readonly ScenarioStep[] = [];
      for (const [index, moment] of moments.entries()) {
        const before = moments[index - 1];
        if (before) {
          t.true(before.atMs <= moment.atMs);
          t.false(before.atMs === moment.atMs && before.what === 'begin' && moment.what === 'end');
        }
        const { step, what } = moment;
        t.is(standing.includes(step), what === 'end');
        t.is(moment.atMs, what === 'begin' ? step.atMs : step.atMs + (step.forMs ?? Number.NaN));
        standing = standingAfter(standing, moment);
      }
      t.deepEqual(
        standing.map(({ name }) => name).sort(),
        steps.flatMap(({ name, forMs }) => (forMs === null ? [name] : [])).sort(),
      );
    }),
  );
});
