import test from 'ava';
import fc from 'fast-check';
import { runCheck } from '../../../../lib/flows/conformance/check-run';
import { resolve } from '../../../../lib/model/resolve';
import { ADHOC_RUN } from '../../../../lib/model/run-id';
import { edgePrefix } from '../../../../lib/model/slice';
import type { TopologySpec } from '../../../../lib/model/spec';
import type { Service } from '../../../../lib/model/topology';
import { STACKS, startMesh } from '../../../service/mesh';
import { arbitrarySpec } from '../../../support/arbitrary-topology';

/** A request that draws by its trace id, which is the same each time. */
const traced = (i: number) => ({
  traceparent: `00-${(i + 1).toString(16).padStart(32, '7')}-00f067aa0ba902b7-01`,
  baggage: 'user=alice',
});

const SPECS = fc.sample(arbitrarySpec, { numRuns: 8, seed: 20261121 });

for (const [index, spec] of SPECS.entries()) {
  const stack = STACKS[index % STACKS.length];
  test(`what real nodes log of random topology ${index} conforms${index % 2 === 1 ? ', with a service down' : ''}`, async (t) => {
    const deployed = { ...spec, defaults: { ...spec.defaults, ...stack } } as TopologySpec;
    const names = Object.keys(spec.services);
    // Calls of a service that is not there end in NO_INSTANCE: failures with a logged cause.
    const down = index % 2 === 1 && names.length > 1 ? [names[names.length - 1] as string] : [];
    const mesh = await startMesh(t, deployed, down);
    const topology = resolve(deployed, 'random');
    const prefix = edgePrefix(topology, topology.services.s0 as Service);
    const asks = Array.from({ length: 24 }, (_, i) => ({
      method: i % 3 === 0 ? 'POST' : 'GET',
      path: prefix + (i % 3 === 0 ? `/orders/${i}` : i === 1 ? '/nowhere' : '/'),
      headers: (i % 5 === 0 ? { baggage: `microcosm-key=key-${i}` } : traced(i)) as Record<string, string>,
    }));
    await Promise.all(asks.map((ask) => mesh.ask('s0', ask)));

    const checking = runCheck({ run: ADHOC_RUN, topology, end: null });
    const events = await mesh.events();
    for (const event of events) checking.add(event);
    const result = checking.finish();
    t.deepEqual(result.departures, []);
    t.is(result.flows, 24);
    t.is(result.explained['not finished yet'], undefined);
    t.is(result.explained.NOT_FOUND, 1);
  });
}
