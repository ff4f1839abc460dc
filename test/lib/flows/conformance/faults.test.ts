import type { ExecutionContext } from 'ava';
import test from 'ava';
import { type Conformance, runCheck } from '../../../../lib/flows/conformance/check-run';
import type { Event } from '../../../../lib/model/event';
import { resolve } from '../../../../lib/model/resolve';
import { ADHOC_RUN } from '../../../../lib/model/run-id';
import type { TopologySpec } from '../../../../lib/model/spec';
import { STACKS, startMesh } from '../../../service/mesh';
import { withoutEvent } from '../../../support/doctor';

/** Every kind that a process survives, at every place where it may stand. */
const SPEC = {
  name: 'broken',
  // No loaded machine reaches it: what a request comes to, its draws alone decide.
  defaults: { deadlineMs: 300_000 },
  services: {
    web: {
      edge: true,
      faults: [
        { type: 'error', at: 'before', probability: 0.1, args: { status: 503 } },
        { type: 'error', at: 'before', probability: 0.2, priority: 2, args: { status: 429 }, id: 'first' },
        { type: 'latency', at: 'before', probability: 0.5, args: { delay: { uniform: [1, 20] } } },
        { type: 'slow-body', at: 'after', probability: 0.1, args: { bytesPerSecond: 20_000 } },
        { type: 'error', at: 'after', probability: 0.1 },
        { type: 'error', at: 'before', fromRequest: 5, forMs: 10_000, probability: 0.1, id: 'later' },
        { type: 'dns-failure', at: 'call', callee: 'mail', probability: 0.2 },
      ],
      steps: [
        {
          call: 'data',
          retries: { max: 3, backoffMs: 1 },
          timeoutMs: 150,
          optional: true,
          faults: [
            { type: 'error', args: { status: 500 }, probability: 0.2 },
            { type: 'reset', probability: 0.1 },
            { type: 'partition', probability: 0.05 },
            { type: 'latency', args: { delay: 10 }, probability: 0.3 },
          ],
        },
        [
          { call: 'data', count: 2, retries: 2, optional: true },
          { fault: 'error', args: { status: 418 }, probability: 0.1 },
        ],
        { send: 'mail' },
      ],
    },
    data: {
      faults: [
        { type: 'corrupt', at: 'after', probability: 0.1 },
        { type: 'truncate', at: 'after', probability: 0.1 },
        { type: 'reset', at: 'before', probability: 0.1 },
        { type: 'hang', at: 'after', args: { duration: 100 }, probability: 0.1 },
        { type: 'memory-leak', at: 'before', args: { size: 1, duration: 50 }, probability: 0.1 },
        { type: 'disk-fill', at: 'before', args: { size: 1, duration: 50 }, probability: 0.1 },
        { type: 'cpu', at: 'after', args: { duration: 2 }, probability: 0.1 },
        { type: 'block', at: 'after', args: { duration: 2 }, probability: 0.1 },
        { type: 'crash', at: 'after', probability: 0.05 },
        { type: 'unready', at: 'after', args: { duration: 50 }, probability: 0.1 },
      ],
    },
    mail: {
      faults: [
        { type: 'error', at: 'before', probability: 0.3 },
        { type: 'reset', at: 'after' },
      ],
    },
  },
} as unknown as TopologySpec;

/** Requests with fixed keys, so that every run of the test draws the same faults. */
async function brokenRun(t: ExecutionContext, stack: object, requests: number): Promise<readonly Event[]> {
  const mesh = await startMesh(t, { ...SPEC, defaults: { ...SPEC.defaults, ...stack } });
  const ask = (_: unknown, request: number) =>
    mesh.ask('web', { headers: { baggage: `microcosm-key=broken-${request}` } }).catch(() => undefined);
  await Promise.all(Array.from({ length: requests }, ask));
  return mesh.events();
}

function checked(events: readonly Event[], stack: object): Conformance {
  const topology = resolve({ ...SPEC, defaults: { ...SPEC.defaults, ...stack } }, 'broken');
  const checking = runCheck({ run: ADHOC_RUN, topology, end: null });
  for (const event of events) checking.add(event);
  return checking.finish();
}

for (const stack of STACKS) {
  test(`${stack.server} with ${stack.client}: a run full of faults conforms, and each is counted`, async (t) => {
    const events = await brokenRun(t, stack, 40);
    const { departures, explained, flows } = checked(events, stack);
    t.deepEqual(departures, []);
    t.is(flows, 40);
    for (const type of ['error', 'latency', 'reset', 'dns-failure'])
      t.true((explained[`fault: ${type}`] ?? 0) > 0, type);
  });
}

test.serial('what is changed about a fault in a log is found', async (t) => {
  const stack = { server: 'http', client: 'undici' } as const;
  const events = await brokenRun(t, stack, 40);
  t.deepEqual(checked(events, stack).departures, []);
  const faults = events.filter(({ event, fault }) => event === 'FAULT_INJECTED' && fault?.id !== 'later');
  const kindsWith = (change: (event: Event) => Event | undefined): ReadonlySet<string> => {
    const changed = events.map(change).filter((event) => event !== undefined);
    return new Set(checked(changed, stack).departures.map(({ kind }) => kind));
  };
  for (const at of ['before', 'after', 'call'] as const) {
    const victim = faults.find(({ fault }) => fault?.at === at && fault.type === 'error') as Event;
    t.truthy(victim, at);
    const fault = victim.fault as NonNullable<Event['fault']>;
    const only = (make: (event: Event) => Event) => kindsWith((event) => (event === victim ? make(event) : event));
    t.true(only((event) => ({ ...event, fault: { ...fault, args: { status: 599 } } })).has('wrong-fault'), at);
    t.true(only((event) => ({ ...event, fault: { ...fault, id: 'nobody' } })).has('extra-fault'), at);
    t.true(only((event) => ({ ...event, fault: { ...fault, id: 'nobody' } })).has('missing-fault'), at);
  }
  // As if the node had not carried it out: the event is gone, and the request's numbers close up.
  const victim = faults.find(({ fault }) => fault?.type === 'latency' && fault.at === 'before') as Event;
  const forgotten = checked(withoutEvent(events, victim), stack).departures.map(({ kind }) => kind);
  t.true(forgotten.includes('missing-fault'));
});

test('a delay on a call takes no longer than the call may', async (t) => {
  const faults = [{ type: 'latency', args: { delay: 400 } }];
  const spec = {
    name: 'cut',
    services: {
      web: { edge: true, steps: [{ call: 'data', optional: true, timeoutMs: 100, retries: 1, faults }] },
      data: {},
    },
  } as unknown as TopologySpec;
  const mesh = await startMesh(t, spec);
  await mesh.ask('web');
  const checking = runCheck({ run: ADHOC_RUN, topology: resolve(spec, 'cut'), end: null });
  for (const event of await mesh.events()) checking.add(event);
  t.deepEqual(checking.finish().departures, []);
});
