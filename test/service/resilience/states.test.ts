import test from 'ava';
import { resolve } from '../../../lib/model/resolve';
import { type Slice, sliceOf } from '../../../lib/model/slice';
import type { TopologySpec } from '../../../lib/model/spec';
import { compile, type OutgoingInstruction, type Program } from '../../../service/program';

function slice(call: object, web: object = {}): Slice {
  const spec = {
    name: 'test',
    services: { web: { edge: true, calls: [{ call: 'data', ...call }], ...web }, data: { replicas: 2 } },
  } as TopologySpec;
  return sliceOf(resolve(spec, 'test'), 'web');
}

const guardsOf = ({ routes }: Program) => (routes[0]?.steps[0] as OutgoingInstruction | undefined)?.guards;

test('a live change keeps the state of policies that stand as they were, and begins others anew', (t) => {
  const handled = new Map();
  const [breaker, bulkhead] = [{ consecutiveFailures: 1 }, { limit: 2 }];
  const first = compile(slice({ breaker, bulkhead }, { concurrency: { limit: 5 } }), 'web-1', handled);
  const before = guardsOf(first);
  before?.breaker?.settle(before.breaker.admit(0), 'failure', 0);
  t.is(before?.breaker?.state, 'open');

  const other = slice({ breaker, bulkhead: { limit: 3 } }, { concurrency: { limit: 5 }, latencyMs: 7 });
  const second = compile(other, 'web-1', handled, first);
  const call = second.routes[0]?.steps[1] as OutgoingInstruction;
  t.is(call.guards?.breaker, before?.breaker);
  t.not(call.guards?.bulkhead, before?.bulkhead);
  t.is(second.routes[0]?.limiter, first.routes[0]?.limiter);

  const changed = compile(slice({ breaker: { consecutiveFailures: 2 } }), 'web-1', handled, second);
  t.is(guardsOf(changed)?.breaker?.state, 'closed');
  t.is(changed.routes[0]?.limiter, undefined);
});

test('a step without policies has no guards, and a route without a limit no limiter', (t) => {
  const program = compile(slice({ retries: 2, timeoutMs: 50, optional: true }), 'web-1', new Map());
  t.is(guardsOf(program), undefined);
  t.is(program.routes[0]?.limiter, undefined);
});
