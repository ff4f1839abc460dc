import test from 'ava';
import { clockDomains } from '../../../../lib/flows/clocks/clock-domains';
import { type ProcessLogs, processLogs } from '../../../../lib/flows/events/process-log';
import type { ClockReport, Event, EventKind } from '../../../../lib/model/event';
import { NO_RUN } from '../../../../lib/model/run-id';

const START = Date.UTC(2026, 10, 21, 5, 44, 29);
const MACHINE: ClockReport = { source: 'machine', host: 'laptop', boundMs: 0 };
const UNKNOWN: ClockReport = { source: 'unknown', host: 'laptop', boundMs: null };

interface Life {
  readonly instance: string;
  readonly process?: string;
  readonly clock?: ClockReport;
  /** Which of its events carry that. @default CLOCK */
  readonly told?: readonly EventKind[];
  /** Milliseconds since the start, in true time. @default 0 to 60 s */
  readonly from?: number;
  readonly to?: number;
}

interface Step {
  readonly at: number;
  readonly by: number;
}

/** Processes that log SERVICE_UP, a CLOCK every 100 ms and SERVICE_DOWN, by a wall clock with the steps given. */
function logged(lives: readonly Life[], steps: readonly Step[] = []): ProcessLogs {
  const logs = processLogs('tiny-20261121t054429z-aaaa');
  for (const { instance, process = instance, clock, told = ['CLOCK'], from = 0, to = 60_000 } of lives) {
    for (let at = from, seq = 1; at <= to; at += 100, seq++) {
      const kind = at === from ? 'SERVICE_UP' : at + 100 > to ? 'SERVICE_DOWN' : 'CLOCK';
      const stepped = steps.reduce((sum, step) => (at >= step.at ? sum + step.by : sum), 0);
      logs.take({
        timestamp: new Date(START + Math.floor(at + stepped)).toISOString(),
        process,
        instance,
        service: instance.replace(/-\d+$/, ''),
        topology: 'tiny',
        event: kind,
        seq,
        monotonicUs: 1000 * (at - from) + 7,
        run: NO_RUN,
        hlc: '0000000000000000',
        ...(clock && told.includes(kind) && { clock }),
      } as Event);
    }
  }
  return logs;
}

function shared(logs: ProcessLogs): readonly string[] {
  return clockDomains(logs.all).domains.map(({ name, source, processes }) =>
    [name, source, ...processes.map(({ process }) => process)].join(' '),
  );
}

test('processes of one machine share its clock', (t) => {
  const logs = logged([
    { instance: 'web-1', clock: MACHINE },
    { instance: 'web-2', clock: MACHINE },
  ]);
  t.deepEqual(shared(logs), ['laptop machine web-1 web-2']);
});

test('a client that is done before its first CLOCK shares the clock that its first and last event tell of', (t) => {
  const logs = logged([
    { instance: 'web-1', clock: MACHINE },
    { instance: 'client-1', clock: MACHINE, told: ['SERVICE_UP', 'SERVICE_DOWN'], from: 1_000, to: 1_100 },
  ]);
  t.deepEqual(shared(logs), ['laptop machine web-1 client-1']);
});

test('whoever knows nothing of its clock is a host of its own, whatever machine it is on', (t) => {
  const logs = logged([
    { instance: 'web-1', clock: UNKNOWN },
    { instance: 'web-2', clock: UNKNOWN },
    { instance: 'cart-1' },
  ]);
  t.deepEqual(shared(logs), ['web-1 unknown web-1', 'web-2 unknown web-2', 'cart-1 unknown cart-1']);
});

test('of an instance that was restarted each process is a host, and both are told apart by name', (t) => {
  const logs = logged([
    { instance: 'web-1', process: 'before', to: 20_000 },
    { instance: 'web-1', process: 'after', from: 30_000 },
  ]);
  t.deepEqual(shared(logs), ['web-1 before unknown before', 'web-1 after unknown after']);
});

test('hosts stay apart, however many processes each has', (t) => {
  const logs = logged([
    { instance: 'web-1', clock: { source: 'chrony', host: 'i-1', boundMs: 0.4 } },
    { instance: 'web-2', clock: { source: 'chrony', host: 'i-2', boundMs: 0.5 } },
    { instance: 'cart-1', clock: { source: 'chrony', host: 'i-1', boundMs: 0.4 } },
  ]);
  const { domains, domainOf } = clockDomains(logs.all);
  t.deepEqual(shared(logs), ['i-1 chrony web-1 cart-1', 'i-2 chrony web-2']);
  t.deepEqual(
    logs.all.map(({ id }) => domainOf(id)),
    [0, 1, 0],
  );
  t.true(domains[0]?.reports.every(({ clock, steppedMs }) => clock.boundMs === 0.4 && steppedMs === 0));
});

test('a step that all processes of a host saw is one step, and is taken out of the times of each', (t) => {
  const logs = logged(
    [
      { instance: 'web-1', clock: MACHINE },
      { instance: 'web-2', clock: MACHINE, from: 5_030 },
    ],
    [{ at: 30_000, by: 4_000 }],
  );
  const { domains, smoothMs, steppedMs } = clockDomains(logs.all);
  t.is(domains.length, 1);
  t.is(domains[0]?.steps.length, 1);
  const [step] = domains[0]?.steps ?? [];
  t.true(Math.abs((step?.byMs ?? 0) - 4_000) <= 2);
  t.true(Math.abs((step?.atMs ?? 0) - (START + 30_000)) <= (step?.withinMs ?? 0) + 2);
  for (const { id } of logs.all) {
    const upAt = id === 0 ? 0 : 5_030;
    const [before, after] = [20_000, 40_000].map((at) => {
      const wall = START + at + (at >= 30_000 ? 4_000 : 0);
      const monotonicUs = 1000 * (at - upAt);
      return { smooth: smoothMs(id, monotonicUs, wall), stepped: steppedMs(id, monotonicUs, wall) };
    });
    t.true(Math.abs((after?.smooth ?? 0) - (before?.smooth ?? 0) - 20_000) <= 2, 'elapsed time knows no step');
    t.true(Math.abs((after?.stepped ?? 0) - (before?.stepped ?? 0) - 4_000) <= 2);
  }
});

test('a process that began after the step is put on the same smooth clock', (t) => {
  const logs = logged(
    [
      { instance: 'web-1', clock: MACHINE },
      { instance: 'web-2', clock: MACHINE, from: 45_000 },
    ],
    [{ at: 30_000, by: -2_500 }],
  );
  const { domains, smoothMs } = clockDomains(logs.all);
  t.is(domains.length, 1);
  const [first, late] = [smoothMs(0, 50_000_000, START + 47_500), smoothMs(1, 5_000_000, START + 47_500)];
  t.true(Math.abs(first - late) <= 2);
});

test('where it cannot be told before which step a process began, it is a host of its own', (t) => {
  // The clock was put back by as much as passed since: the process may have begun at either of two moments.
  const logs = logged(
    [
      { instance: 'web-1', clock: MACHINE },
      { instance: 'web-2', clock: MACHINE, from: 30_200, to: 30_600 },
    ],
    [{ at: 30_000, by: -5_000 }],
  );
  t.deepEqual(shared(logs), ['laptop machine web-1', 'laptop (web-2) machine web-2']);
});
