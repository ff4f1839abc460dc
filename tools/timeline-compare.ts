import { compareRuns } from '../lib/flows/analysis/compare-runs';
import { runSamples } from '../lib/flows/analysis/run-samples';
import type { Run } from '../lib/flows/read-run';
import { comparisonText } from '../lib/flows/text/analysis-text';
import type { Style } from '../lib/flows/text/style';
import { UserError } from '../lib/model/user-error';
import type { Output } from './output';

/**
 * Writes what got slower or faster in `run` than in `other`.
 *
 * @throws UserError where one of them has no events
 */
export async function writeComparison(
  run: Run,
  other: Run,
  { json, style }: { readonly json: boolean; readonly style: Style },
  output: Output,
): Promise<void> {
  const empty = [run, other].filter(({ events }) => events.store.records === 0);
  if (empty.length > 0) {
    throw new UserError(
      empty.map(({ run: id }) => ({
        where: '--against',
        problem: `${id} has no events`,
        remedy: 'compare two runs that have some',
      })),
    );
  }
  const comparison = compareRuns(
    { run: run.run, samples: runSamples(run) },
    { run: other.run, samples: runSamples(other) },
  );
  if (json) await output.write(`${JSON.stringify(comparison)}\n`);
  else for (const line of comparisonText(comparison, style)) await output.write(`${line}\n`);
}
