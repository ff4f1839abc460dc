import test from 'ava';
import fc from 'fast-check';
import { hybridClock, parseStamp } from '../../../lib/model/hybrid-clock';

/** What happens on three hosts whose clocks jump as they like: a local event, or a message from one to another. */
const happening = fc.record({
  from: fc.nat(2),
  to: fc.nat(2),
  now: fc.integer({ min: 0, max: 50 }),
  message: fc.boolean(),
});

test('stamps never fall on one host, and a receipt is always later than its sending', (t) => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 200 }), (happenings) => {
      const wall = [1_000, 1_000, 1_000];
      const clocks = wall.map((_, host) => hybridClock(() => wall[host] ?? 0));
      const last = ['', '', ''];
      const note = (host: number, stamp: string) => {
        t.true(stamp > (last[host] ?? ''), `${stamp} after ${last[host]}`);
        t.regex(stamp, /^[0-9a-f]{16}$/);
        last[host] = stamp;
      };
      for (const { from, to, now, message } of happenings) {
        wall[from] = 1_000 + now;
        const sent = clocks[from]?.tick() ?? '';
        note(from, sent);
        if (!message || to === from) continue;
        const received = clocks[to]?.receive(sent) ?? '';
        t.true(received > sent);
        note(to, received);
      }
    }),
  );
});

test('the clock stays with the wall clock while that moves on', (t) => {
  let now = 5_000;
  const clock = hybridClock(() => now);
  for (; now < 5_100; now++) t.is(parseStamp(clock.tick())?.millis, now);
});

test('a full counter carries into the milliseconds, still rising', (t) => {
  const clock = hybridClock(() => 1);
  let last = '';
  for (let i = 0; i < 70_000; i++) {
    const stamp = clock.tick();
    if (stamp <= last) t.fail(`${stamp} after ${last}`);
    last = stamp;
  }
  t.deepEqual(parseStamp(last), { millis: 2, counter: 70_000 - 1 - 0x10000 });
});

test('text that is no stamp is taken as none', (t) => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.constantFrom('', '0'.repeat(15), 'F'.repeat(16), `${'0'.repeat(16)}\n`)),
      (text) => {
        fc.pre(!/^[0-9a-f]{16}$/.test(text) || text.endsWith('\n'));
        t.is(parseStamp(text), undefined);
        t.is(parseStamp(hybridClock(() => 7).receive(text))?.millis, 7);
      },
    ),
  );
});

test('the greatest stamps there are do not lead past sixteen digits', (t) => {
  for (const stamp of ['f'.repeat(16), `${'f'.repeat(12)}0000`, `${'f'.repeat(11)}effff`]) {
    const clock = hybridClock(() => 7);
    const received = clock.receive(stamp);
    t.regex(received, /^[0-9a-f]{16}$/);
    t.true(clock.tick() > received);
    t.regex(clock.tick(), /^[0-9a-f]{16}$/);
  }
});
