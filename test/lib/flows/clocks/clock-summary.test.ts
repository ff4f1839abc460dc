import test from 'ava';
import { type ClocksSummary, clockSummary } from '../../../../lib/flows/clocks/clock-summary';
import { resolve } from '../../../../lib/model/resolve';
import { topology } from '../../../../lib/model/spec';
import type { HostClock } from '../../../support/simulated-log';
import { simulatedRun } from '../../../support/simulated-run';

const PAIR = resolve(
  topology({ services: { web: { edge: true, calls: ['catalog'], latencyMs: 1 }, catalog: { latencyMs: 1 } } }),
  'pair',
);

/** Forty seconds of traffic between three hosts, the client's among them. */
async function summaryOf(clocks: Readonly<Record<string, HostClock>>): Promise<ClocksSummary> {
  const run = await simulatedRun({ topology: PAIR, requests: 800, rate: 20, hostOf: (name) => name, clocks });
  return clockSummary(run.clocks());
}

const hostOf = ({ hosts }: ClocksSummary, instance: string) =>
  hosts.find(({ instances }) => instances.includes(instance));

test('clocks that are right are nothing to remark on', async (t) => {
  const summary = await summaryOf({});
  t.false(summary.remarkable);
  t.is(summary.hosts.filter(({ isAxis }) => isAxis).length, 1);
  for (const { correctionMs, steps, boundMs } of summary.hosts) {
    t.deepEqual([correctionMs, steps], [0, []]);
    t.true(boundMs !== null && boundMs < 20);
  }
});

test('a clock that is ahead has a positive offset, and its times are moved by as much', async (t) => {
  const summary = await summaryOf({ 'web-1': { offsetMs: 3_000, source: 'unknown' } });
  const [web, catalog] = [hostOf(summary, 'web-1'), hostOf(summary, 'catalog-1')];
  const apart = (web?.offsetMs ?? 0) - (catalog?.offsetMs ?? 0);
  t.true(Math.abs(apart - 3_000) <= (web?.boundMs ?? 0) + (catalog?.boundMs ?? 0));
  t.true(summary.remarkable);
  t.true(summary.hosts.some(({ correctionMs }) => Math.abs(Math.abs(correctionMs) - 3_000) < 20));
});

test('a drift is told once the run is long enough, a step is listed and not in the offset', async (t) => {
  const summary = await summaryOf({
    'web-1': { source: 'unknown' },
    'catalog-1': { offsetMs: 500, driftPpm: 300, source: 'unknown', steps: [{ atMs: 20_000, byMs: -1_234 }] },
  });
  const [web, catalog] = [hostOf(summary, 'web-1'), hostOf(summary, 'catalog-1')];
  const drift = (catalog?.driftPpm ?? 0) - (web?.driftPpm ?? 0);
  t.true(drift > 100 && drift < 500, `${drift}`);
  const steps = summary.hosts.flatMap((host) => host.steps.map(({ byMs }) => byMs));
  t.is(steps.length, 1);
  t.true(Math.abs((steps[0] ?? 0) + 1_234) <= 2);
  t.true(Math.abs((catalog?.offsetMs ?? 0) - (web?.offsetMs ?? 0) - 500) < 40, 'the step is left out');
});

test('with a time service true time is the axis, and what it said is told', async (t) => {
  const summary = await summaryOf({
    'web-1': { source: 'chrony', offsetMs: 0.2, boundMs: 1 },
    'catalog-1': { source: 'chrony', boundMs: null },
  });
  t.is(summary.axis, 'utc');
  t.true(summary.hosts.every(({ isAxis }) => !isAxis));
  t.like(hostOf(summary, 'web-1')?.service, { unsynchronised: 0, worstBoundMs: 1 });
  const lost = hostOf(summary, 'catalog-1')?.service;
  t.true(lost !== null && lost !== undefined && lost.unsynchronised === lost.reports && lost.unsynchronisedMs > 0);
  t.true(summary.remarkable);
});

test('a stated bound that messages prove wrong is discarded, and named with its times', async (t) => {
  const summary = await summaryOf({
    'web-1': { source: 'chrony', boundMs: 1 },
    'catalog-1': { source: 'chrony', offsetMs: 5_000, boundMs: 1 },
  });
  t.true(summary.hosts.some(({ discarded }) => discarded.length > 0));
  t.true(summary.remarkable);
});
