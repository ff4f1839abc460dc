import test from 'ava';
import { processLogs } from '../../../../lib/flows/events/process-log';
import type { Event } from '../../../../lib/model/event';
import { NO_RUN } from '../../../../lib/model/run-id';

const RUN = 'tiny-20261121t054429z-aaaa';

test('where room is bounded, a process keeps the first and the last of what it told of its clock', (t) => {
  const logs = processLogs(RUN, 4);
  for (let seq = 1; seq <= 100; seq++) {
    logs.take({
      timestamp: new Date(Date.UTC(2026, 10, 21, 5, 44, seq)).toISOString(),
      process: 'aaaaaaaa',
      instance: 'web-1',
      service: 'web',
      topology: 'tiny',
      event: 'CLOCK',
      seq,
      monotonicUs: 1e6 * seq,
      run: NO_RUN,
      hlc: '0000000000000000',
      clock: { source: 'machine', host: 'laptop', boundMs: 0 },
      runs: { [RUN]: 10 * seq },
    } as Event);
  }
  const [log] = logs.all;
  t.deepEqual(
    log?.clocks.map(({ seq }) => seq),
    [1, 98, 99, 100],
  );
  t.is(log?.own.size, 100);
  t.is(log?.lastTold, 1_000);
});
