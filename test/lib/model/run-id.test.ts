import test from 'ava';
import fc from 'fast-check';
import { newRunId, parseRunId } from '../../../lib/model/run-id';

const name = fc.stringMatching(/^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/);
const start = fc.date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });

test('a run id names its topology and start, whatever the topology is called', (t) => {
  fc.assert(
    fc.property(name, start, (topology, at) => {
      const id = newRunId(topology, at);
      const seconds = new Date(Math.floor(at.getTime() / 1000) * 1000);
      t.like(parseRunId(id), { topology, start: seconds });
      t.like(parseRunId(newRunId(id.slice(0, 30).replace(/-+$/, ''), at)), { start: seconds });
    }),
  );
});

test('two run ids of one moment differ', (t) => {
  const at = new Date('2026-11-21T05:44:29.123Z');
  t.regex(newRunId('shop', at), /^shop-20261121t054429z-[a-z2-7]{4}$/);
  t.true(new Set(Array.from({ length: 20 }, () => newRunId('shop', at))).size > 1);
});

test('text that is no run id is none', (t) => {
  for (const text of [
    '',
    '-',
    'adhoc',
    'shop',
    'shop-20261121t054429z',
    'shop-20261121t054429z-k3q',
    'shop-20261121t054429z-k3q1',
    'shop-20261121T054429Z-k3qa',
    'shop-20261321t054429z-k3qa',
    'shop-20260230t054429z-k3qa',
    'shop-20261121t250000z-k3qa',
    '-shop-20261121t054429z-k3qa',
    '1shop-20261121t054429z-k3qa',
    'shop--20261121t054429z-k3qa',
    'shop-20261121t054429z-k3qa\n',
    '../shop-20261121t054429z-k3qa',
    `${'a'.repeat(33)}-20261121t054429z-k3qa`,
  ]) {
    t.is(parseRunId(text), undefined, text);
  }
  fc.assert(fc.property(fc.string(), (text) => t.notThrows(() => parseRunId(text))));
});
