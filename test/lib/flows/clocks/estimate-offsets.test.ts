import test from 'ava';
import fc from 'fast-check';
import { estimateOffsets, type Message, type VouchedClock } from '../../../../lib/flows/clocks/estimate-offsets';
import { offsetAt } from '../../../../lib/flows/clocks/offset-estimate';

interface Clock {
  readonly offsetMs: number;
  readonly driftPpm: number;
}

/** Requests and answers over random delays between hosts with the clocks given; the true offset is at hand. */
function exchange(clocks: readonly Clock[], delaysMs: readonly number[], lengthMs: number): Message[] {
  const read = (host: number, trueMs: number): number =>
    trueMs + (clocks[host] as Clock).offsetMs + ((clocks[host] as Clock).driftPpm * trueMs) / 1e6;
  const messages: Message[] = [];
  const rounds = delaysMs.length / 2;
  for (let round = 0; round < rounds; round++) {
    const start = (round * lengthMs) / rounds;
    const from = round % clocks.length;
    const to = (from + 1 + (round % (clocks.length - 1))) % clocks.length;
    const there = start + (delaysMs[2 * round] as number);
    const back = there + (delaysMs[2 * round + 1] as number);
    messages.push({ from, to, sentMs: read(from, start), receivedMs: read(to, there) });
    messages.push({ from: to, to: from, sentMs: read(to, there), receivedMs: read(from, back) });
  }
  return messages;
}

const clock = fc.record({
  offsetMs: fc.double({ min: -10_000, max: 10_000, noNaN: true }),
  driftPpm: fc.double({ min: -200, max: 200, noNaN: true }),
});
const delays = fc.array(fc.double({ min: 1, max: 50, noNaN: true }), { minLength: 400, maxLength: 400 });

test('every offset lies within its bound, and a bound is at most half the round trips plus drift', (t) => {
  fc.assert(
    fc.property(fc.array(clock, { minLength: 2, maxLength: 5 }), delays, (clocks, delaysMs) => {
      const lengthMs = 40_000;
      const messages = exchange(clocks, delaysMs, lengthMs);
      const estimates = estimateOffsets(clocks.length, messages, []);
      t.deepEqual(estimates.contradictory, []);
      const [reference] = clocks as [Clock];
      for (const { centreMs, hosts } of estimates.windows) {
        for (const [host, { offsetMs, boundMs }] of hosts.entries()) {
          const { offsetMs: own, driftPpm } = clocks[host] as Clock;
          const trueMs = centreMs - reference.offsetMs;
          const truth = own - reference.offsetMs + ((driftPpm - reference.driftPpm) * trueMs) / 1e6;
          // The axis is read by a drifting clock itself: 10 s of offset at 400 ppm is 4 ms of reading time.
          t.true(Math.abs(offsetMs - truth) <= boundMs + 0.02 + (Math.abs(own) + 10_000) * 4e-4 * 0.001);
          t.true(boundMs <= 50 * (clocks.length - 1) + 20);
        }
      }
    }),
    { numRuns: 50 },
  );
});

test('corrected by the estimate no message arrives before it is sent', (t) => {
  fc.assert(
    fc.property(fc.array(clock, { minLength: 2, maxLength: 5 }), delays, (clocks, delaysMs) => {
      const messages = exchange(clocks, delaysMs, 9_000);
      const estimates = estimateOffsets(clocks.length, messages, [], { windowMs: 10_000 });
      for (const { from, to, sentMs, receivedMs } of messages) {
        const sent = sentMs - offsetAt(estimates, from, sentMs).correctionMs;
        const received = receivedMs - offsetAt(estimates, to, receivedMs).correctionMs;
        // One window: the drift allowance of 500 ppm over 5 s is all that may be wrong.
        t.true(received >= sent - 2 * 5);
      }
    }),
    { numRuns: 50 },
  );
});

test('clocks that contradict nothing are not moved', (t) => {
  fc.assert(
    fc.property(delays, (delaysMs) => {
      const clocks = [0, 0.4, -0.3].map((offsetMs) => ({ offsetMs, driftPpm: 0 }));
      const { windows } = estimateOffsets(3, exchange(clocks, delaysMs, 20_000), []);
      for (const { hosts } of windows)
        t.deepEqual(
          hosts.map(({ correctionMs }) => correctionMs),
          [0, 0, 0],
        );
    }),
    { numRuns: 20 },
  );
});

test('only the host whose clock is wrong is moved', (t) => {
  const clocks = [0, 0, 3_000, 0].map((offsetMs) => ({ offsetMs, driftPpm: 0 }));
  const delaysMs = Array.from({ length: 400 }, (_, index) => 1 + (index % 7));
  const { windows } = estimateOffsets(4, exchange(clocks, delaysMs, 20_000), []);
  for (const { hosts } of windows) {
    const corrections = hosts.map(({ correctionMs }) => correctionMs);
    t.deepEqual([corrections[0], corrections[1], corrections[3]], [0, 0, 0]);
    t.true(Math.abs((corrections[2] as number) - 3_000) <= 8);
  }
});

test('vouched clocks tie offsets to true time', (t) => {
  const clocks = [2, 0.1, 0].map((offsetMs) => ({ offsetMs, driftPpm: 0 }));
  const delaysMs = Array.from({ length: 400 }, (_, index) => 1 + (index % 3));
  const vouched: VouchedClock[] = [1, 2].map((host) => ({ host, atMs: 10_000, boundMs: 0.5 }));
  const { axis, windows, discarded } = estimateOffsets(3, exchange(clocks, delaysMs, 20_000), vouched);
  t.is(axis, 'utc');
  t.deepEqual(discarded, []);
  const middle = windows[Math.floor(windows.length / 2)]?.hosts[0];
  t.true(Math.abs((middle?.offsetMs ?? 0) - 2) <= (middle?.boundMs ?? 0));
});

test('a vouched bound that messages contradict is discarded and named', (t) => {
  const clocks = [0, 0, 5_000].map((offsetMs) => ({ offsetMs, driftPpm: 0 }));
  const delaysMs = Array.from({ length: 400 }, (_, index) => 1 + (index % 3));
  const vouched: VouchedClock[] = [0, 1, 2].map((host) => ({ host, atMs: 10_000, boundMs: 0.5 }));
  const { windows, discarded } = estimateOffsets(3, exchange(clocks, delaysMs, 10_000), vouched);
  t.true(discarded.length > 0);
  t.true(discarded.every(({ host }) => host === 2));
  t.true(Math.abs((windows[0]?.hosts[2]?.offsetMs ?? 0) - 5_000) <= (windows[0]?.hosts[2]?.boundMs ?? 0));
});

test('a step in mid-window is a contradiction that names the hosts', (t) => {
  const quiet = exchange(
    [0, 0].map((offsetMs) => ({ offsetMs, driftPpm: 0 })),
    new Array(200).fill(1),
    5_000,
  );
  const stepped = exchange(
    [
      { offsetMs: 0, driftPpm: 0 },
      { offsetMs: 900, driftPpm: 0 },
    ],
    new Array(200).fill(1),
    5_000,
  );
  const { contradictory } = estimateOffsets(2, [...quiet, ...stepped], []);
  t.deepEqual(contradictory[0]?.hosts, [0, 1]);
});

test('a host without messages has no bound and is not moved', (t) => {
  const messages = exchange(
    [0, 0].map((offsetMs) => ({ offsetMs, driftPpm: 0 })),
    new Array(20).fill(1),
    1_000,
  );
  const { windows } = estimateOffsets(3, messages, []);
  t.is(windows[0]?.hosts[2]?.boundMs, Number.POSITIVE_INFINITY);
  t.is(windows[0]?.hosts[2]?.correctionMs, 0);
});
