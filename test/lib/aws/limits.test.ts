import test from 'ava';
import { QUOTAS } from '../../../lib/aws/limits';
import { UserError } from '../../../lib/model/user-error';
import { synthesise, topologyOf } from './synthesise';

function faultsOf(services: object): readonly string[] {
  try {
    synthesise(topologyOf({ services }));
    return [];
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return error.faults.map(({ where, problem, remedy }) => `${where}|${problem}|${remedy}`);
  }
}

const many = (count: number, service: (index: number) => object): object =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`s${i}`, service(i)]));

test('more callers than a security group has rules are refused, with the limit and a remedy; as many are not', (t) => {
  const { securityGroupRules } = QUOTAS;
  const callers = (count: number): object => ({
    web: { edge: true },
    hub: {},
    ...many(count, () => ({ calls: ['hub'] })),
  });
  t.deepEqual(faultsOf(callers(securityGroupRules)), []);
  const [fault = '', ...others] = faultsOf(callers(securityGroupRules + 1));
  t.deepEqual(others, []);
  t.regex(fault, /^services\.hub\|61 services call it, but a security group takes 60 inbound rules\|.+/);
});

test('more callees than outbound rules are refused', (t) => {
  const names = Array.from({ length: QUOTAS.securityGroupRules }, (_, i) => `s${i}`);
  const [fault = ''] = faultsOf({ web: { edge: true, calls: names }, ...many(names.length, () => ({})) });
  t.regex(fault, /^services\.web\|it calls 60 services/);
});

test('more instances than a Cloud Map service, a namespace or a load balancer takes are refused', (t) => {
  t.regex(faultsOf({ web: { edge: true }, a: { replicas: 1_001 } })[0] ?? '', /^services\.a\.replicas\|1001 /);
  t.regex(faultsOf({ web: { edge: true, replicas: 1_001 } }).join('\n'), /1000 targets that a load balancer takes/);
  const both = faultsOf({ web: { edge: true }, a: { replicas: 1_000 }, b: { replicas: 1_000 } });
  t.regex(both[0] ?? '', /^services\|2001 instances .* 2000/);
});

test('a topology without an edge and an instance type that is none are refused together', (t) => {
  const faults = faultsOf({ web: { aws: { instanceType: 'huge' } } });
  t.is(faults.length, 2);
  t.regex(faults.join('\n'), /"huge" is no instance type/);
  t.regex(faults.join('\n'), /none is an edge/);
});
