import { isSlice } from '../conformance/check-run';
import { topologies } from '../conformance/topologies';
import type { Flow } from '../flow';
import type { Run } from '../read-run';
import { exposures } from './exposure';
import type { FlowLabel } from './label';
import { labelFlow } from './label-flow';
import { policyCauses } from './policy-causes';

/**
 * Labels flow after flow, so that a run need not fit into memory. A flow's topology is that of the run's manifest, with
 * what live changes made of it.
 *
 * @param flows of that run, those to label
 * @returns undefined where the run's topology is not known: without it there are no draws
 */
export function labelRun(run: Run, flows: Iterable<Flow>): Iterable<FlowLabel> | undefined {
  const topology = run.manifest.start?.topology;
  if (!topology) return undefined;
  const known = topologies(topology);
  for (const { changes } of run.events.processes) {
    for (const { detail } of changes) if (isSlice(detail?.slice)) known.change(detail.slice);
  }
  const exposed = exposures(run);
  const labelling = { topologies: known, exposures: exposed, policyCauses: policyCauses(run, known, exposed) };
  return (function* () {
    for (const flow of flows) yield labelFlow(flow, labelling);
  })();
}
