import test from 'ava';
import { clockReport, parseTracking } from '../../../service/log/clock-report';

const LINE =
  'A9FEA97B,169.254.169.123,4,1795239869.123456789,0.000006523,-0.000003215,0.000011034,-12.345,-0.002,0.081,0.000420000,0.000150000,16.2,Normal';

test("the bound is chrony's offset, its root dispersion and half its root delay", (t) => {
  const report = parseTracking(LINE);
  t.is(report?.boundMs, 0.366523);
  // The system time is slow by this much: behind, so its offset is negative.
  t.is(report?.offsetMs, -0.006523);
  t.is(report?.stratum, 4);
  t.is(report?.referenceId, 'A9FEA97B');
  t.is(report?.frequencyPpm, -12.345);
  t.is(report?.rootDelayMs, 0.42);
  t.is(report?.rootDispersionMs, 0.15);
});

test('a clock that is not synchronised has no bound, and other text is no report', (t) => {
  t.is(parseTracking(LINE.replace('Normal', 'Not synchronised'))?.boundMs, null);
  t.is(parseTracking('506 Cannot talk to daemon'), undefined);
  t.is(parseTracking(''), undefined);
  t.is(parseTracking(LINE.replace('0.000150000', 'x')), undefined);
});

test('the processes of one machine share its clock', async (t) => {
  const report = await clockReport('machine');
  t.is(report.boundMs, 0);
  t.is(report.host, (await clockReport('unknown')).host);
  t.is((await clockReport('unknown')).boundMs, null);
});
