import test from 'ava';
import { measures } from '../../../lib/load/measures';
import { trafficPlan } from '../../../lib/load/phases';
import type { LoadResult } from '../../../lib/load/run-load';
import { formatProgress, formatSummary } from '../../../lib/load/summary';

function result(fill: (all: ReturnType<typeof measures>) => void, fields: Partial<LoadResult> = {}): LoadResult {
  const all = measures();
  fill(all);
  const figures = all.figures();
  return {
    run: 'shop-20261121t054429z-k3qa',
    seed: 'abc',
    url: 'http://127.0.0.1:40123',
    topology: 'shop',
    plan: trafficPlan({ rate: '100', duration: '30s' }),
    finished: true,
    total: {
      sent: figures.sent,
      notSent: figures.notSent,
      answered: figures.answered,
      failed: figures.failed,
      errors: {},
    },
    figures,
    scenario: null,
    folder: '.microcosm/runs/shop-20261121t054429z-k3qa',
    ...fields,
  };
}

test('the summary names the run, its figures and what to do next', (t) => {
  const text = formatSummary(
    result((all) => {
      for (let i = 0; i < 3000; i++) {
        all.sent(i * 10, i * 10 + 1);
        all.answered(i < 30 ? 502 : 200, 12.5, 11.5);
      }
    }),
  );
  for (const part of [
    'run       shop-20261121t054429z-k3qa\n',
    'sent      3,000 in 30.0 s, 100.0/s of 100.0/s planned\n',
    'answered  3,000  200: 2,970 (99.0 %)  502: 30 (1.0 %)\n',
    'npx ts-node tools/timeline.ts shop-20261121t054429z-k3qa\n',
    'npx ts-node tools/check.ts shop-20261121t054429z-k3qa\n',
  ]) {
    t.true(text.includes(part), text);
  }
  t.regex(text, /response time +12\.5 +12\.5/);
  t.regex(text, /service time +11\.5 +11\.5/);
  t.regex(text, /send lag +1\.00 +1\.00/);
});

test('the summary fits 80 columns, whatever happened', (t) => {
  const text = formatSummary(
    result((all) => {
      for (let i = 0; i < 20_000; i++) {
        all.sent(i, i + 90_000);
        if (i % 3 === 0)
          all.failed(
            (['CONNECT', 'RESET', 'TIMEOUT', 'BODY', 'CLIENT_GONE'] as const)[i % 5] ?? 'BODY',
            99_999,
            99_999,
          );
        else all.answered(200 + (i % 17), 123_456, 123_456);
        all.notSent();
      }
    }),
  );
  for (const line of text.split('\n')) t.true(line.length <= 80, line);
  t.true(text.includes('not sent  20,000'));
  t.true(text.includes('Requests that timed out count with the time they waited.'));
});

test('where nothing was answered no time is shown', (t) => {
  const text = formatSummary(
    result((all) => {
      all.sent(0, 0);
      all.failed('CONNECT', 1, 1);
    }),
  );
  t.regex(text, /response time +- +- +- +- +-/);
  t.true(text.includes('errors    1  CONNECT: 1'));
});

test('the progress fits a line', (t) => {
  const counts = { sent: 1200, notSent: 0, answered: 1190, failed: 2, p99: 12.34 };
  t.is(
    formatProgress({ elapsedMs: 12_000, inFlight: 8, warmingUp: false, counts }),
    '12.0 s: 1,200 sent, 1,190 answered, 2 failed, 8 in flight, p99 12.3 ms',
  );
});
