import test from 'ava';
import fc from 'fast-check';
import type { Concurrency } from '../../../../lib/flows/concurrency/concurrency';
import type { InProgress } from '../../../../lib/flows/concurrency/in-progress';
import type { Span } from '../../../../lib/flows/flow';
import { type Run, readRun } from '../../../../lib/flows/read-run';
import { type RunReport, reportRun } from '../../../../lib/flows/run-report';
import { loadTopology } from '../../../../lib/model/load-topology';
import { arbitraryTopology } from '../../../support/arbitrary-topology';
import { type Simulation, simulate, type TrueSpan } from '../../../support/simulate';
import { memorySource } from '../memory-source';

const FAILURES = { connect: 0.05, noInstance: 0.03, overload: 0.05, internal: 0.03, reset: 0.03, lost: 0.02 };
interface Handled extends TrueSpan {
  readonly durationMs: number;
}

const seeds = fc.integer({ min: 1, max: 1e6 });
const shop = loadTopology('shop');

function runOf({ run, files, manifest }: Pick<Simulation, 'run' | 'files' | 'manifest'>): Promise<Run> {
  return readRun(memorySource({ run, files, manifest }));
}

async function reportOf(simulation: Pick<Simulation, 'run' | 'files' | 'manifest'>): Promise<RunReport> {
  return reportRun(await runOf(simulation)).report;
}

function concurrencyOf({ concurrency }: RunReport): Concurrency {
  if (!concurrency) throw new Error('no request has both a start and an end');
  return concurrency;
}

function allSpans({ flows }: Simulation): readonly TrueSpan[] {
  const below = (span: TrueSpan): readonly TrueSpan[] => [span, ...span.children.flatMap(below)];
  return flows.flatMap(({ root }) => (root ? below(root) : []));
}

/** True starts, with durations up to the answer's leaving, which is later than `endAt`. */
function handled(simulation: Simulation, run: Run): readonly Handled[] {
  const durations = new Map<string, number>();
  const note = ({ requestId, durationMs, calls, queued }: Span): void => {
    durations.set(requestId, durationMs ?? Number.NaN);
    for (const { child } of calls) if (child) note(child);
    queued.forEach(note);
  };
  for (const { root } of run.flows()) note(root);
  return allSpans(simulation).map((span) => ({ ...span, durationMs: durations.get(span.requestId) ?? Number.NaN }));
}

/** The most at one moment, if each took so much longer. */
function mostAtOnce(spans: readonly Handled[], longerMs: number): number {
  const changes = spans.flatMap(({ startAt, durationMs }) => {
    const endAt = startAt + durationMs + longerMs;
    return endAt < startAt ? [] : [[startAt, 1] as const, [endAt, -1] as const];
  });
  changes.sort((a, b) => a[0] - b[0] || b[1] - a[1]);
  let running = 0;
  return changes.reduce((most, [, by]) => {
    running += by;
    return Math.max(most, running);
  }, 0);
}

function closeTo(t: { true(value: boolean, message: string): unknown }, found: number, expected: number): void {
  t.true(Math.abs(found - expected) <= 1e-9 * Math.max(1, expected), `${found} is not ${expected}`);
}

test("Little's law holds: the mean in progress is the rate times the mean time in the system", async (t) => {
  await fc.assert(
    fc.asyncProperty(arbitraryTopology, seeds, fc.boolean(), async (topology, seed, oneHost) => {
      const report = await reportOf(
        simulate({
          topology,
          requests: 30,
          seed,
          failures: FAILURES,
          ...(!oneHost && {
            hostOf: (instance) => instance,
            clocks: { 's0-1': { offsetMs: 4_000 }, 's1-1': { offsetMs: -900, source: 'unknown' } },
          }),
        }),
      );
      const { lengthMs, services, endpoints, instances, edges } = concurrencyOf(report);
      const { statistics } = report;
      for (const { service, endpoint, mean } of endpoints) {
        const own = statistics.endpoints.get(`${service} ${endpoint}`);
        if (!own) throw new Error(`${service} ${endpoint} has no statistics`);
        const ratePerMs = own.duration.count / lengthMs;
        closeTo(t, mean, ratePerMs * (own.duration.sum / own.duration.count));
      }
      for (const { service, mean } of services) {
        const sum = (list: readonly (InProgress & { readonly service: string })[]): number =>
          list.filter((one) => one.service === service).reduce((total, one) => total + one.mean, 0);
        closeTo(t, mean, sum(endpoints));
        closeTo(t, mean, sum(instances));
      }
      for (const { mean, peak, peakAtMost, means, peaks } of [...services, ...endpoints, ...instances, ...edges]) {
        t.true(mean <= peak + 1e-6 && peak <= peakAtMost);
        t.true(means.every((value, index) => value <= (peaks[index] as number) + 1e-3));
      }
    }),
    { numRuns: 40 },
  );
});

test('peaks are between what was truly in progress at the same time and what that resolution could hide', async (t) => {
  await fc.assert(
    fc.asyncProperty(arbitraryTopology, seeds, async (topology, seed) => {
      const simulation = simulate({ topology, requests: 40, rate: 400, seed });
      const run = await runOf(simulation);
      const concurrency = concurrencyOf(reportRun(run).report);
      const spans = handled(simulation, run);
      t.is(concurrency.untimed, 0);
      // A host's log tells times of different processes to a millisecond.
      const check = ({ peak, peakAtMost }: InProgress, own: readonly Handled[], withinMs: number): void => {
        t.true(peak <= mostAtOnce(own, withinMs), `${peak} of ${mostAtOnce(own, withinMs)}`);
        t.true(peakAtMost >= mostAtOnce(own, -withinMs), `${peakAtMost} of ${mostAtOnce(own, -withinMs)}`);
      };
      for (const one of concurrency.instances) {
        check(
          one,
          spans.filter(({ instance }) => instance === one.instance),
          0.01,
        );
      }
      for (const one of concurrency.services) {
        check(
          one,
          spans.filter(({ service }) => service === one.service),
          1.1,
        );
      }
    }),
    { numRuns: 40 },
  );
});

test('a host whose clock is hours ahead is in progress when it truly was', async (t) => {
  const options = { topology: shop, requests: 200, hostOf: (instance: string) => instance };
  const right = concurrencyOf(await reportOf(simulate(options)));
  const ahead = { offsetMs: 3 * 3_600_000, source: 'unknown' } as const;
  const wrong = concurrencyOf(await reportOf(simulate({ ...options, clocks: { 'carts-1': ahead, 'carts-2': ahead } })));
  t.true(Math.abs(wrong.lengthMs - right.lengthMs) < 5);
  t.is(wrong.resolutionMs, right.resolutionMs);
  t.deepEqual(
    wrong.services.map(({ service }) => service),
    right.services.map(({ service }) => service),
  );
});

test('the work of a send is in progress as long as it takes, not as long as its 202 did', async (t) => {
  const simulation = simulate({ topology: shop, requests: 100 });
  const { services, lengthMs } = concurrencyOf(await reportOf(simulation));
  const queued = allSpans(simulation).filter(({ via }) => via === 'queue');
  t.true(queued.length > 0);
  const service = queued[0]?.service;
  const workMs = queued
    .filter((span) => span.service === service)
    .reduce((sum, { startAt, endAt }) => sum + endAt - startAt, 0);
  t.true((services.find((one) => one.service === service)?.mean ?? 0) >= (0.99 * workMs) / lengthMs);
});

test('what lost its start or end is counted apart', async (t) => {
  const simulation = simulate({ topology: shop, requests: 50 });
  const files = new Map(
    Array.from(simulation.files, ([file, lines]) => [
      file,
      lines.filter((line) => !(file.startsWith('carts') && /"(RESPONSE_SENT|RESULT_PRODUCED)"/.test(line))),
    ]),
  );
  const { services, untimed } = concurrencyOf(await reportOf({ ...simulation, files }));
  t.false(services.some(({ service }) => service === 'carts'));
  t.true(untimed > 0);
});
