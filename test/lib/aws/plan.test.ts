import test from 'ava';
import { layoutOf } from '../../../lib/aws/footprint';
import { describePlan, planOf } from '../../../lib/aws/plan';
import { PRICES } from '../../../lib/aws/pricing';
import { loadTopology } from '../../../lib/model/load-topology';
import { synthesise, topologyOf } from './synthesise';

const edges = {
  services: { web: { edge: true, calls: ['a'] }, api: { edge: true, replicas: 3, calls: ['a'] }, a: {} },
};

for (const [name, topology] of [
  ['shop', loadTopology('shop')],
  ['two edges', topologyOf(edges)],
] as const) {
  test(`live faults add to the plan of ${name} what they add to its stack`, (t) => {
    const counted = Object.keys(synthesise(topology, { faults: 'true' }).template.toJSON().Resources).length;
    const [plan, without] = [planOf(topology, { faults: true }), planOf(topology)];
    t.is(plan.resourceCount, counted);
    t.is(plan.resourceCount, without.resourceCount + 3);
    t.true(plan.cost.items.some(({ what }) => what === 'secret'));
    t.false(without.cost.items.some(({ what }) => what === 'secret'));
    t.like(
      plan.cost.items.find(({ what }) => what === 'standard parameter'),
      { count: 1, hourlyUsd: 0 },
    );
    t.true(plan.cost.hourlyUsd > without.cost.hourlyUsd + PRICES.interfaceEndpointHour.usd);
  });

  test(`the plan counts the resources that the stack of ${name} has, type by type`, (t) => {
    const counted: Record<string, number> = {};
    for (const { Type } of Object.values(synthesise(topology).template.toJSON().Resources) as { Type: string }[]) {
      if (Type !== 'AWS::CDK::Metadata') counted[Type] = (counted[Type] ?? 0) + 1;
    }
    const planned = Object.fromEntries(Object.entries(planOf(topology).resources).filter(([, count]) => count > 0));
    t.deepEqual(planned, counted);
  });
}

test('the plan counts nested stacks', (t) => {
  const services = Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`s${i}`, { edge: i === 0 }]));
  const topology = topologyOf({ services });
  t.true(layoutOf(topology).nested);
  t.is(planOf(topology).nestedStacks, Object.keys(synthesise(topology).nested).length);
});

test('the cost is the sum of its items, and a type without a price is said to be missing from it', (t) => {
  const plan = planOf(topologyOf({ services: { web: { edge: true, aws: { instanceType: 'x9z.large' } } } }));
  t.deepEqual(plan.cost.unpriced, ['x9z.large']);
  t.regex(describePlan(plan), /no price is known for x9z\.large/);
  const sum = plan.cost.items.reduce((total, { hourlyUsd }) => total + hourlyUsd, 0);
  t.is(plan.cost.hourlyUsd, sum);
});

test('each price says where it was read, and the text says what that is worth', (t) => {
  const plan = planOf(loadTopology('shop'), { faults: true });
  const text = describePlan(plan);
  const used = new Set(plan.cost.items.map(({ source }) => source));
  for (const source of used) t.true(text.includes(`    ${source.padEnd(7)}  ${plan.cost.sources[source]}\n`), source);
  for (const source of ['list', 'page', 'guide'] as const) t.regex(plan.cost.sources[source], /2026/);
  t.regex(text, /AWS itself was not asked/);
});

test('a quota that the default does not cover is marked, with where to raise it', (t) => {
  const vcpus = planOf(loadTopology('shop')).quotas.find(({ name }) => name.startsWith('vCPUs'));
  t.like(vcpus, { used: 34, limit: 5, over: true });
  t.regex(vcpus?.remedy ?? '', /L-1216C47A/);
});
