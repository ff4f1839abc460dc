import fc, { type RunDetails } from 'fast-check';

/**
 * Loaded before each test file: properties are tried with the same values in every run, so that a run fails by what was
 * changed and not by chance. `FC_SEED=random` explores with a seed of its own for each property, `FC_SEED=<n>` repeats one.
 */
const { FC_SEED = '20261121' } = process.env;

/** The first assertion that fails is all that the test's report shows: how to repeat it is said here. */
function report(run: RunDetails<unknown>): void {
  if (!run.failed) return;
  const text = fc.defaultReportMessage(run) ?? 'a property failed';
  process.stderr.write(`${text}\n`);
  throw new Error(text, { cause: run.errorInstance });
}

fc.configureGlobal({ ...(FC_SEED !== 'random' && { seed: Number(FC_SEED) }), reporter: report });
