import test from 'ava';
import fc from 'fast-check';
import { describeTopology } from '../../../lib/model/describe-topology';
import { facedFaults } from '../../../lib/model/faced-faults';
import { FAULT_ARGUMENTS, FAULT_POSITIONS, type FaultType } from '../../../lib/model/fault';
import { parseFault, parseFaultRule } from '../../../lib/model/parse-fault';
import { resolve } from '../../../lib/model/resolve';
import { topology } from '../../../lib/model/spec';
import { topologyMermaid } from '../../../lib/model/topology-mermaid';
import { topologyText } from '../../../lib/model/topology-text';
import { UserError } from '../../../lib/model/user-error';
import { validate } from '../../../lib/model/validate';
import { ruleTargets } from '../../../lib/model/validate-faults';

const spec = topology({
  services: {
    web: {
      edge: true,
      faults: [
        { type: 'error', at: 'before', probability: 0.4 },
        { type: 'partition', at: 'call', callee: 'data', forMs: 100 },
      ],
      steps: [
        { fault: 'latency', args: { delay: { uniform: [1, 2] } } },
        { call: 'data', faults: [{ type: 'reset' }, { type: 'error', args: { status: 503 } }] },
      ],
    },
    data: {
      replicas: 2,
      endpoints: {
        'GET /': { faults: [{ type: 'crash', at: 'after', args: { signal: 'SIGKILL' }, instances: ['data-2'] }] },
      },
    },
  },
});

test('faults are resolved with their defaults, sources and ids', (t) => {
  t.deepEqual(validate(spec, 'x'), []);
  const { web, data } = resolve(spec as never, 'x').services;
  t.deepEqual(web?.faults, [
    {
      id: 'before error#1',
      fault: { type: 'error', args: { status: 500 } },
      at: 'before',
      source: 'topology',
      probability: 0.4,
    },
    {
      id: 'call partition data#1',
      fault: { type: 'partition', args: {} },
      at: 'call',
      source: 'topology',
      callee: 'data',
      forMs: 100,
    },
  ]);
  t.deepEqual(data?.faults, [
    {
      id: 'after crash GET /#1',
      fault: { type: 'crash', args: { signal: 'SIGKILL' } },
      at: 'after',
      source: 'topology',
      endpoint: 'GET /',
      instances: ['data-2'],
    },
  ]);
  const [step, call] = web?.endpoints['GET /']?.steps ?? [];
  t.is(step?.id, 'fault:latency#1');
  t.deepEqual(call?.kind === 'call' && call.faults.map(({ id }) => id), [
    'call:data GET /#1 reset#1',
    'call:data GET /#1 error#1',
  ]);
});

const WRONG: readonly (readonly [title: string, faults: unknown, where: string, remedy: RegExp])[] = [
  ['a misspelt type', [{ type: 'eror', at: 'before' }], 'services.web.faults[0].type', /did you mean error/],
  ['a place it can not have', [{ type: 'partition', at: 'before' }], 'services.web.faults[0].at', /use call/],
  [
    'a status that is no failure',
    [{ type: 'error', at: 'before', args: { status: 200 } }],
    'services.web.faults[0].args.status',
    /400 to 599/,
  ],
  ['a missing argument', [{ type: 'latency', at: 'before' }], 'services.web.faults[0]', /add args/],
  [
    'an unknown argument',
    [{ type: 'reset', at: 'before', args: { now: true } }],
    'services.web.faults[0].args',
    /leave them out/,
  ],
  [
    'too much memory',
    [{ type: 'memory-leak', at: 'after', args: { size: 5_000, duration: 1 } }],
    'services.web.faults[0].args.size',
    /0 to 1024/,
  ],
  [
    'a service that it does not call',
    [{ type: 'reset', at: 'call', callee: 'dat' }],
    'services.web.faults[0].callee',
    /did you mean "data"/,
  ],
  [
    'an instance that it does not have',
    [{ type: 'reset', at: 'before', instances: ['web-2'] }],
    'services.web.faults[0].instances[0]',
    /web-1/,
  ],
  [
    'an endpoint that it does not have',
    [{ type: 'reset', at: 'before', endpoint: 'GET /x' }],
    'services.web.faults[0].endpoint',
    /GET/,
  ],
  [
    'two ids alike',
    [
      { type: 'reset', at: 'before', id: 'a' },
      { type: 'reset', at: 'after', id: 'a' },
    ],
    'services.web.faults[1].id',
    /of its own/,
  ],
  [
    'a code and a signal',
    [{ type: 'crash', at: 'after', args: { exitCode: 1, signal: 'SIGKILL' } }],
    'services.web.faults[0].args',
    /one of them/,
  ],
];

for (const [title, faults, where, remedy] of WRONG) {
  test(`${title} is reported at its place, with what to do`, (t) => {
    const found = validate({ services: { web: { edge: true, calls: ['data'], faults }, data: {} } }, 'x');
    t.deepEqual(
      found.map((fault) => fault.where),
      [where],
    );
    t.regex(found[0]?.remedy ?? '', remedy);
  });
}

test('a fault from outside is parsed as one of a topology, and refused with every mistake', (t) => {
  t.deepEqual(parseFault({ type: 'error' }, 'fault'), { type: 'error', args: { status: 500 } });
  t.throws(() => parseFault({ type: 'partition' }, 'faults.before[0]', ['before', 'after']), { instanceOf: UserError });
  const targets = ruleTargets(resolve(spec as never, 'x').services.web as never);
  const rule = { type: 'error', at: 'before', expiresAt: '2026-11-21T05:44:29Z' };
  t.like(parseFaultRule(rule, 'rule', { source: 'live', newId: () => 'r1', targets }), { id: 'r1', source: 'live' });
  const wrong = { type: 'reset', at: 'call', callee: 'nobody', instances: ['web-9'] };
  const error = t.throws(() => parseFaultRule(wrong, 'rule', { source: 'live', newId: () => 'r1', targets }), {
    instanceOf: UserError,
  });
  t.is(error?.faults.length, 2);
});

test('no value from outside breaks the parser but by a UserError', (t) => {
  const types = Object.keys(FAULT_ARGUMENTS) as FaultType[];
  const value = fc.oneof(
    fc.anything(),
    fc.record({
      type: fc.oneof(fc.constantFrom(...types), fc.string()),
      args: fc.oneof(
        fc.anything(),
        fc.dictionary(fc.constantFrom('delay', 'status', 'size', 'duration'), fc.anything()),
      ),
      at: fc.oneof(fc.constantFrom('before', 'after', 'call', 'instance'), fc.anything()),
    }),
  );
  t.notThrows(() =>
    fc.assert(
      fc.property(value, (given) => {
        for (const parse of [
          () => parseFault(given, 'x'),
          () => parseFaultRule(given, 'x', { source: 'live', newId: () => 'r' }),
        ]) {
          try {
            const parsed = parse();
            const { type } = 'fault' in parsed ? parsed.fault : parsed;
            if (!types.includes(type)) return false;
          } catch (error) {
            if (!(error instanceof UserError)) throw error;
          }
        }
        return true;
      }),
    ),
  );
});

test('every type stands somewhere', (t) => {
  for (const positions of Object.values(FAULT_POSITIONS)) t.true(positions.length > 0);
});

test('what decides comes last and alone, by priority and then as written', (t) => {
  const rule = (id: string, type: FaultType, priority?: number) =>
    ({ id, fault: { type, args: {} } as never, ...(priority !== undefined && { priority }) }) as const;
  const order = (...rules: ReturnType<typeof rule>[]) => facedFaults(rules).map(({ id }) => id);
  t.deepEqual(order(rule('a', 'error'), rule('b', 'latency'), rule('c', 'reset')), ['b', 'a']);
  t.deepEqual(order(rule('a', 'error'), rule('b', 'latency'), rule('c', 'reset', 1)), ['b', 'c']);
  t.deepEqual(order(rule('a', 'cpu'), rule('b', 'latency')), ['a', 'b']);
});

test('a description shows the faults', (t) => {
  const description = describeTopology(resolve(spec as never, 'x'));
  t.deepEqual(
    description.services.map(({ faults }) => faults.map(({ type, at }) => `${type} ${at}`)),
    [['error before', 'partition call', 'latency step', 'reset call', 'error call'], ['crash after']],
  );
  t.regex(topologyText(description), /web +error +before +40\.0 % +every +before error#1/);
  t.regex(topologyMermaid(description), /data x2<br\/>faults: crash/);
});
