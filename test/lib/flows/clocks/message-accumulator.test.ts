import test from 'ava';
import fc from 'fast-check';
import { messageAccumulator } from '../../../../lib/flows/clocks/message-accumulator';

interface Sent {
  readonly from: number;
  readonly to: number;
  readonly sentMs: number;
  readonly tripMs: number;
}

const host = fc.integer({ min: 0, max: 2 });
const message: fc.Arbitrary<Sent> = fc.record({
  from: host,
  to: host,
  sentMs: fc.integer({ min: 0, max: 20_000 }),
  tripMs: fc.integer({ min: -5_000, max: 5_000 }),
});

function accumulated(all: readonly Sent[], accumulator = messageAccumulator()) {
  for (const { from, to, sentMs, tripMs } of all) accumulator.add(from, to, sentMs, sentMs + tripMs);
  return accumulator;
}

test('of each half second, pair and direction the message that seems to have travelled the shortest is kept', (t) => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 200 }), (all) => {
      const accumulator = accumulated(all);
      t.is(accumulator.count, all.length);
      const shortest = new Map<string, number>();
      for (const { from, to, sentMs, tripMs } of all) {
        const slot = `${from} ${to} ${Math.floor(sentMs / 500)}`;
        shortest.set(slot, Math.min(shortest.get(slot) ?? Number.POSITIVE_INFINITY, tripMs));
      }
      const kept = accumulator.messages();
      t.is(kept.length, shortest.size);
      for (const { from, to, sentMs, receivedMs } of kept) {
        const best = shortest.get(`${from} ${to} ${Math.floor(sentMs / 500)}`) as number;
        t.is(receivedMs - sentMs, best);
      }
    }),
  );
});

test('memory is bounded, and the tightest message of each pair is never given up', (t) => {
  fc.assert(
    fc.property(fc.array(message, { minLength: 100, maxLength: 400 }), (all) => {
      // Nine pairs at the least have one each.
      const kept = accumulated(all, messageAccumulator(20)).messages();
      t.true(kept.length <= 20, `${kept.length}`);
      for (const { from, to } of all) {
        const own = all.filter((one) => one.from === from && one.to === to);
        const best = Math.min(...own.map(({ tripMs }) => tripMs));
        const left = kept.filter((one) => one.from === from && one.to === to);
        t.is(Math.min(...left.map(({ sentMs, receivedMs }) => receivedMs - sentMs)), best);
      }
    }),
    { numRuns: 30 },
  );
});
