import test from 'ava';
import { formatDuration, parseDuration } from '../../../lib/load/duration';
import { type PlanOptions, parsePhase, parseRate, trafficPlan } from '../../../lib/load/phases';
import { UserError } from '../../../lib/model/user-error';

test('durations are read with their unit', (t) => {
  t.is(parseDuration('500ms', '--duration'), 500);
  t.is(parseDuration('30s', '--duration'), 30_000);
  t.is(parseDuration('1.5m', '--duration'), 90_000);
  t.is(parseDuration('2h', '--duration'), 7_200_000);
});

for (const text of ['', '30', 's', '-3s', '0s', '3 d', '1e9h', '9999999h']) {
  test(`"${text}" is no duration`, (t) => {
    const error = t.throws(() => parseDuration(text, '--duration'), { instanceOf: UserError });
    t.is(error?.faults[0]?.where, '--duration');
  });
}

test('durations are shown in the unit that suits them', (t) => {
  t.is(formatDuration(850), '850 ms');
  t.is(formatDuration(12_480), '12.5 s');
  t.is(formatDuration(200_000), '3 m 20 s');
});

test('a rate is one number or a ramp between two', (t) => {
  t.deepEqual(parseRate('100', '--rate'), { fromRate: 100, toRate: 100 });
  t.deepEqual(parseRate('50..500', '--rate'), { fromRate: 50, toRate: 500 });
  t.deepEqual(parseRate('500..0.5', '--rate'), { fromRate: 500, toRate: 0.5 });
});

for (const text of ['', '0', '-5', '1...2', '5..', 'fast', '1000001', '1e3']) {
  test(`"${text}" is no rate`, (t) => {
    t.throws(() => parseRate(text, '--rate'), { instanceOf: UserError });
  });
}

test('a phase is a rate and its duration; only a phase may be a pause', (t) => {
  t.deepEqual(parsePhase('50..500:30s', '--phase'), { fromRate: 50, toRate: 500, durationMs: 30_000 });
  t.deepEqual(parsePhase('0:2s', '--phase'), { fromRate: 0, toRate: 0, durationMs: 2000 });
  for (const text of ['50', ':3s', '50:', 'x:3s']) {
    t.throws(() => parsePhase(text, '--phase'), { instanceOf: UserError }, text);
  }
});

test('a plan without phases has one, as long as its duration or its count of requests says', (t) => {
  t.deepEqual(trafficPlan({ rate: '100', duration: '30s' }), {
    arrivals: 'constant',
    phases: [{ fromRate: 100, toRate: 100, durationMs: 30_000 }],
    warmupMs: 0,
    requests: null,
  });
  t.deepEqual(trafficPlan({ rate: '50', requests: 200 }).phases, [{ fromRate: 50, toRate: 50, durationMs: 4000 }]);
});

test('a warm-up comes first, at the rate with which the first phase begins', (t) => {
  const { phases, warmupMs } = trafficPlan({ phases: ['20..80:10s'], warmup: '5s' });
  t.is(warmupMs, 5000);
  t.deepEqual(phases[0], { fromRate: 20, toRate: 20, durationMs: 5000 });
  t.is(phases.length, 2);
});

const FAULTY: readonly (readonly [PlanOptions, readonly string[]])[] = [
  [{ rate: 'x', duration: 'y', warmup: 'z', requests: -1 }, ['--rate', '--duration', '--warmup', '--requests']],
  [{ phases: ['10:1s'], rate: '10' }, ['--phase']],
  [{ phases: ['10', '20'] }, ['--phase', '--phase']],
  [{ phases: ['0:1s'] }, ['--phase']],
  [{ rate: '10..20', requests: 5 }, ['--rate']],
  [{ phases: ['0:1s', '5:1s'], warmup: '1s' }, ['--warmup']],
];

for (const [options, where] of FAULTY) {
  test(`all faults of ${JSON.stringify(options)} are told at once`, (t) => {
    const error = t.throws(() => trafficPlan(options), { instanceOf: UserError });
    t.deepEqual(
      error?.faults.map((fault) => fault.where),
      where,
    );
  });
}
