import test from 'ava';
import fc from 'fast-check';
import { resolve, stepsWithin } from '../../../lib/model/resolve';
import { hashValue, sliceOf } from '../../../lib/model/slice';
import type { StepSpec, TopologySpec } from '../../../lib/model/spec';
import type { Outgoing, Step, Topology } from '../../../lib/model/topology';
import { validate } from '../../../lib/model/validate';

function webSteps(steps: readonly StepSpec[], extra: object = {}): readonly Step[] {
  const spec = { services: { web: { edge: true, steps }, a: {}, b: {}, ...extra } } as TopologySpec;
  return resolve(spec, 'x').services.web?.endpoints['GET /']?.steps ?? [];
}

test('lists alternate: sequential outside, parallel inside, sequential within that', (t) => {
  const [first, group] = webSteps(['a', ['b', ['a', 'b']]]);
  t.is(first?.kind, 'call');
  t.like(group, {
    kind: 'parallel',
    steps: [{ kind: 'call' }, { kind: 'sequence', steps: [{ service: 'a' }, { service: 'b' }] }],
  });
});

test('a call without a method is a GET, or a POST to a default endpoint where it has a body', (t) => {
  const named = { c: { endpoints: { 'PUT /c/:id': {} } } };
  const steps = webSteps(
    ['a', { call: 'a', requestBytes: 1 }, { call: 'a', method: 'PATCH' }, 'c', { send: 'a' }],
    named,
  );
  t.deepEqual(
    steps.map((step) => (step as Outgoing).method),
    ['GET', 'POST', 'PATCH', 'PUT', 'POST'],
  );
});

test('the load driver posts to a default endpoint that takes a body', (t) => {
  const { services } = resolve({ services: { web: { edge: true, requestBytes: 10 } } }, 'x');
  t.like(services.web?.endpoints['GET /'], { key: 'GET /', method: 'POST', anyMethod: true });
});

test('retries keep their defaults for what is left out or undefined', (t) => {
  const [step] = webSteps([{ call: 'a', retries: { max: 2, backoffMs: undefined, jitter: 0 } }]);
  t.deepEqual((step as Outgoing).retries, { max: 2, backoffMs: 25, maxBackoffMs: 1_000, jitter: 0 });
});

test('a kind of step whose key is undefined is not that kind', (t) => {
  const [step] = webSteps([{ call: undefined, work: { latencyMs: 1 } } as unknown as StepSpec]);
  t.like(step, { kind: 'work', latencyMs: 1 });
});

test('roles follow from the place in the graph', (t) => {
  const { services } = resolve(
    { services: { web: { edge: true, calls: ['mid'] }, mid: { calls: ['leaf'] }, leaf: {} } },
    'x',
  );
  t.deepEqual(
    Object.values(services).map(({ role, callers }) => [role, callers]),
    [
      ['edge', []],
      ['intermediate', ['web']],
      ['foundational', ['mid']],
    ],
  );
});

const leaf: fc.Arbitrary<StepSpec> = fc.oneof(
  fc.constantFrom<StepSpec>('a', 'b', { call: 'a', method: 'PUT' }, { send: 'b' }, { work: { latencyMs: 1 } }),
);
const { step: anyStep } = fc.letrec<{ step: StepSpec }>((tie) => ({
  step: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('step'), { minLength: 1, maxLength: 3 }).map((parallel) => ({ parallel })),
    fc.array(tie('step'), { minLength: 1, maxLength: 3 }).map((sequence) => ({ sequence })),
    fc.array(tie('step'), { maxLength: 3 }).map((steps) => ({ oneOf: [{ weight: 1, steps }] })),
  ),
}));

test('every step has an identity of its own in its endpoint', (t) => {
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 6 }), (steps) => {
      const ids = [...stepsWithin(webSteps(steps))].map(({ id }) => id);
      t.is(new Set(ids).size, ids.length, ids.join(' '));
    }),
  );
});

test('inserting a step of a kind of its own changes no other identity', (t) => {
  const inserted: readonly StepSpec[] = ['c', { send: 'c' }, { call: 'a', id: 'mine' }];
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 6 }), fc.nat(6), fc.constantFrom(...inserted), (steps, at, extra) => {
      const before = [...stepsWithin(webSteps(steps, { c: {} }))].map(({ id }) => id);
      const after = [...stepsWithin(webSteps(steps.toSpliced(at, 0, extra), { c: {} }))].map(({ id }) => id);
      const [added] = webSteps([extra], { c: {} });
      t.deepEqual(
        after.filter((id) => id !== added?.id),
        before,
      );
    }),
  );
});

const shop = (changed: object): Topology => {
  const spec = {
    services: { web: { edge: true, calls: ['a', 'b'] }, a: { calls: ['c'] }, b: { latencyMs: 1 }, c: {}, ...changed },
  };
  assertValid(spec);
  return resolve(spec as TopologySpec, 'x');
};

function assertValid(spec: unknown): void {
  const faults = validate(spec);
  if (faults.length > 0) throw new Error(JSON.stringify(faults));
}

test('a slice changes with its own service, its callees and callers, and with no other', (t) => {
  const hashes = (topology: Topology) =>
    Object.fromEntries(Object.keys(topology.services).map((name) => [name, hashValue(sliceOf(topology, name))]));
  const before = hashes(shop({}));
  const slower = hashes(shop({ b: { latencyMs: 2 } }));
  t.deepEqual({ ...slower, b: '' }, { ...before, b: '' });
  t.not(slower.b, before.b);
  const rerouted = hashes(shop({ b: { calls: ['c'] } }));
  t.deepEqual([rerouted.web, rerouted.a], [before.web, before.a]);
  t.not(rerouted.c, before.c, 'c has a caller more');
  t.deepEqual(hashes(shop({ b: { latencyMs: 1, replicas: 3, aws: { instanceType: 'c7g.large' } } })), before);
});

test('a hash does not depend on the order of keys', (t) => {
  t.is(hashValue({ a: 1, b: { c: [1, 2], d: 3 } }), hashValue({ b: { d: 3, c: [1, 2] }, a: 1 }));
  t.not(hashValue({ a: [1, 2] }), hashValue({ a: [2, 1] }));
});

test('a service that is none has no slice, whatever objects inherit', (t) => {
  t.throws(() => sliceOf(shop({}), 'constructor'), { message: /no service constructor/ });
});
