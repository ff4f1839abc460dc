import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { type DnsServer, startDnsServer } from '../../../lib/local/dns-server';
import { UserError } from '../../../lib/model/user-error';
import type { Instance } from '../../../service/call/outgoing';
import { createDiscovery } from '../../../service/discovery/discovery';
import { createEjections, EJECTION } from '../../../service/discovery/discovery-ejection';
import { openServiceRecords, type ServiceRecords } from '../../../service/discovery/discovery-records';

const NOBODY: ReadonlySet<string> = new Set();

/** A clock that stands still until it is moved. */
function manualClock() {
  let time = 1_000;
  return {
    now: () => time,
    pass(ms: number) {
      time += ms;
    },
  };
}

async function world(t: ExecutionContext, callees: readonly string[] = ['catalog']) {
  const dns = await startDnsServer({ topology: 'shop' });
  const clock = manualClock();
  // A stall of the machine is no resolver that fails.
  const patient = { timeoutMs: 20_000, patienceMs: 20_000 };
  const records = openServiceRecords({ topology: 'shop', resolver: dns.address, now: clock.now, ...patient });
  const discovery = createDiscovery({ records, callees, now: clock.now });
  t.teardown(async () => {
    records.close();
    await dns.close();
  });
  return { dns, clock, records, discovery };
}

function register(dns: DnsServer, count: number, from = 1): void {
  for (let i = from; i < from + count; i++) dns.register(`catalog-${i}`, 'catalog', '127.0.0.1', 4000 + i);
}

/** An address where nothing answers, and nothing refuses either. */
async function silence(t: ExecutionContext): Promise<string> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return `127.0.0.1:${socket.address().port}`;
}

/** Asks until the background look-up has brought what is waited for. */
async function until(records: ServiceRecords, done: (instances: readonly Instance[]) => boolean): Promise<void> {
  while (!done(await records.instances('catalog'))) await new Promise(setImmediate);
}

test('instances come in turn, each as often as the others', async (t) => {
  const { dns, discovery } = await world(t);
  register(dns, 3);
  const turns: string[] = [];
  for (let i = 0; i < 9; i++) turns.push((await discovery.choose('catalog', NOBODY))?.name ?? 'none');
  t.deepEqual(turns.slice(0, 3).sort(), ['catalog-1', 'catalog-2', 'catalog-3']);
  t.deepEqual(turns.slice(3, 6), turns.slice(0, 3));
  t.deepEqual(turns.slice(6), turns.slice(0, 3));
  const chosen = await discovery.choose('catalog', NOBODY);
  t.is(chosen?.port, 4000 + Number(chosen?.name.split('-')[1]));
  t.is(chosen?.address, '127.0.0.1');
});

test('callers start with different instances', async (t) => {
  const { dns, records } = await world(t);
  register(dns, 5);
  const first = new Set<string | undefined>();
  // 200 callers all start alike once in 10^139 runs.
  for (let i = 0; i < 200; i++) {
    first.add((await createDiscovery({ records, callees: [] }).choose('catalog', NOBODY))?.name);
  }
  t.true(first.size > 1);
});

test('instances to avoid are left out, to the last', async (t) => {
  const { dns, discovery } = await world(t);
  register(dns, 2);
  t.is((await discovery.choose('catalog', new Set(['catalog-1'])))?.name, 'catalog-2');
  t.is(await discovery.choose('catalog', new Set(['catalog-1', 'catalog-2'])), undefined);
});

test('look-ups at the same time are one, and its answer serves until it grows old', async (t) => {
  const { dns, clock, discovery } = await world(t);
  register(dns, 2);
  await Promise.all(Array.from({ length: 100 }, () => discovery.choose('catalog', NOBODY)));
  const asked = dns.queries();
  t.is(asked, 3);
  clock.pass(6_900);
  await discovery.choose('catalog', NOBODY);
  t.is(dns.queries(), asked);
});

test('an ageing answer is renewed behind the back of who asks', async (t) => {
  const { dns, clock, records } = await world(t);
  register(dns, 1);
  await records.instances('catalog');
  register(dns, 1, 2);
  clock.pass(8_100);
  const known = records.instances('catalog');
  t.true(Array.isArray(known) && known.length === 1);
  await until(records, (instances) => instances.length === 2);
  t.pass();
});

test('an answer past its TTL is asked for again before it is used', async (t) => {
  const { dns, clock, discovery } = await world(t);
  register(dns, 1);
  await discovery.choose('catalog', NOBODY);
  dns.deregister('catalog-1');
  register(dns, 1, 2);
  clock.pass(10_001);
  t.is((await discovery.choose('catalog', NOBODY))?.name, 'catalog-2');
});

test('an instance stays the same object until it moves', async (t) => {
  const { dns, clock, records } = await world(t);
  register(dns, 2);
  const before = await records.instances('catalog');
  dns.register('catalog-2', 'catalog', '127.0.0.1', 4999);
  clock.pass(10_001);
  const after = await records.instances('catalog');
  t.is(after[0], before[0]);
  t.is(after[1]?.port, 4999);
});

test('an absent service is remembered for the negative TTL and no longer', async (t) => {
  const { dns, clock, discovery } = await world(t);
  t.is(await discovery.choose('catalog', NOBODY), undefined);
  register(dns, 1);
  const asked = dns.queries();
  clock.pass(4_900);
  t.is(await discovery.choose('catalog', NOBODY), undefined);
  t.is(dns.queries(), asked);
  clock.pass(200);
  t.is((await discovery.choose('catalog', NOBODY))?.name, 'catalog-1');
});

test('a service that lost its last instance is gone once its TTL has ended', async (t) => {
  const { dns, clock, discovery } = await world(t);
  register(dns, 1);
  await discovery.choose('catalog', NOBODY);
  dns.deregister('catalog-1');
  clock.pass(10_001);
  t.is(await discovery.choose('catalog', NOBODY), undefined);
});

test('above eight instances the answers of one TTL are joined', async (t) => {
  const { dns, clock, records } = await world(t);
  register(dns, 12);
  const sizes = [(await records.instances('catalog')).length];
  for (let round = 0; round < 40 && sizes.at(-1) !== 12; round++) {
    clock.pass(2_100);
    const asked = dns.queries();
    const before = await records.instances('catalog');
    while (dns.queries() === asked) await new Promise(setImmediate);
    await until(records, (instances) => instances !== before);
    sizes.push((await records.instances('catalog')).length);
  }
  t.is(sizes[0], 8);
  t.is(sizes.at(-1), 12);
});

test('an instance that no answer names any more leaves the joined ones when its TTL ends', async (t) => {
  const { dns, clock, records } = await world(t);
  register(dns, 12);
  await records.instances('catalog');
  for (let i = 1; i <= 12; i++) dns.deregister(`catalog-${i}`);
  register(dns, 8, 21);
  clock.pass(2_100);
  await until(records, (instances) => instances.length === 16);
  clock.pass(8_000);
  await until(records, (instances) => instances.length === 8);
  t.true((await records.instances('catalog')).every(({ port }) => port > 4020));
});

test('an instance whose connections fail is passed over, and comes back', async (t) => {
  const { dns, clock, discovery } = await world(t);
  register(dns, 2);
  const sick = await discovery.choose('catalog', new Set(['catalog-1']));
  if (!sick) return t.fail();
  const turns = async () => {
    const names = new Set<string | undefined>();
    for (let i = 0; i < 4; i++) names.add((await discovery.choose('catalog', NOBODY))?.name);
    return [...names].sort();
  };
  discovery.failed(sick);
  t.deepEqual(await turns(), ['catalog-1', 'catalog-2']);
  discovery.failed(sick);
  t.deepEqual(await turns(), ['catalog-1']);
  clock.pass(EJECTION.baseEjectionMs);
  t.deepEqual(await turns(), ['catalog-1', 'catalog-2']);
  discovery.failed(sick);
  t.deepEqual(await turns(), ['catalog-1']);
  clock.pass(EJECTION.baseEjectionMs);
  t.deepEqual(await turns(), ['catalog-1']);
  clock.pass(EJECTION.baseEjectionMs);
  t.deepEqual(await turns(), ['catalog-1', 'catalog-2']);
  discovery.succeeded(sick);
  discovery.failed(sick);
  t.deepEqual(await turns(), ['catalog-1', 'catalog-2']);
});

test('where all are ejected, all are used in turn', async (t) => {
  const { dns, discovery } = await world(t);
  register(dns, 3);
  for (let i = 0; i < 3 * EJECTION.consecutiveFailures; i++) {
    const instance = await discovery.choose('catalog', NOBODY);
    if (instance) discovery.failed(instance);
  }
  const names = new Set<string | undefined>();
  for (let i = 0; i < 3; i++) names.add((await discovery.choose('catalog', NOBODY))?.name);
  t.is(names.size, 3);
  t.is(await discovery.choose('catalog', new Set(['catalog-1', 'catalog-2', 'catalog-3'])), undefined);
});

test('an ejection grows with each one in a row, has a bound, and late failures do not prolong it', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.nat(20), (times, late) => {
      const clock = manualClock();
      const ejections = createEjections(clock.now);
      const instance = { name: 'catalog-1', address: '127.0.0.1', port: 4001 };
      ejections.failed(instance);
      for (let nth = 1; nth <= times; nth++) {
        t.false(ejections.isEjected(instance));
        ejections.failed(instance);
        for (let i = 0; i < late; i++) ejections.failed(instance);
        ejections.succeeded(instance);
        const expected = Math.min(EJECTION.maxEjectionMs, nth * EJECTION.baseEjectionMs);
        clock.pass(expected - 1);
        t.true(ejections.isEjected(instance));
        clock.pass(1);
      }
      t.false(ejections.isEjected(instance));
    }),
    { numRuns: 50 },
  );
});

test('an instance that moved to another port starts with a clean record', async (t) => {
  const { dns, clock, discovery } = await world(t);
  register(dns, 2);
  const sick = await discovery.choose('catalog', new Set(['catalog-1']));
  if (!sick) return t.fail();
  for (let i = 0; i < EJECTION.consecutiveFailures; i++) discovery.failed(sick);
  dns.register('catalog-2', 'catalog', '127.0.0.1', 4999);
  clock.pass(10_001);
  for (let i = 0; i < EJECTION.consecutiveFailures; i++) discovery.failed(sick);
  const ports = new Set<number | undefined>();
  for (let i = 0; i < 4; i++) ports.add((await discovery.choose('catalog', NOBODY))?.port);
  t.deepEqual([...ports].sort(), [4001, 4999]);
});

test('with the resolver gone the last answer serves on for a bounded time', async (t) => {
  const { dns, clock, discovery } = await world(t);
  register(dns, 1);
  await discovery.choose('catalog', NOBODY);
  await dns.close();
  clock.pass(10_001);
  t.is((await discovery.choose('catalog', NOBODY))?.name, 'catalog-1');
  clock.pass(290_000);
  t.is((await discovery.choose('catalog', NOBODY))?.name, 'catalog-1');
  clock.pass(20_000);
  t.is(await discovery.choose('catalog', NOBODY), undefined);
});

test('with a silent resolver and nothing remembered there is no instance, and nobody waits for ever', async (t) => {
  const clock = manualClock();
  const records = openServiceRecords({ topology: 'shop', resolver: await silence(t), now: clock.now, timeoutMs: 100 });
  t.teardown(() => records.close());
  const discovery = createDiscovery({ records, callees: ['catalog'], now: clock.now, checkMs: 5_000 });
  t.is(await discovery.choose('catalog', NOBODY), undefined);
  // Remembered for a moment: the next one does not wait at all.
  t.true(Array.isArray(records.instances('catalog')));
  t.deepEqual(await discovery.check(), { answers: false, unresolved: ['catalog'] });
});

test('the check says what does not resolve, and its question hides no later start', async (t) => {
  const { dns, clock, discovery } = await world(t, ['catalog', 'cart']);
  dns.register('cart-1', 'cart', '127.0.0.1', 5001);
  t.deepEqual(await discovery.check(), { answers: true, unresolved: ['catalog'] });
  const asked = dns.queries();
  await Promise.all(Array.from({ length: 50 }, () => discovery.check()));
  t.is(dns.queries(), asked);
  register(dns, 1);
  t.is((await discovery.choose('catalog', NOBODY))?.name, 'catalog-1');
  clock.pass(1_001);
  t.deepEqual(await discovery.check(), { answers: true, unresolved: [] });
});

test('the check ends in its time, however slow the resolver', async (t) => {
  const records = openServiceRecords({ topology: 'shop', resolver: await silence(t) });
  t.teardown(() => records.close());
  const discovery = createDiscovery({ records, callees: ['catalog'], checkMs: 50 });
  t.deepEqual(await discovery.check(), { answers: false, unresolved: ['catalog'] });
});

test('a thousand services are looked up without a loss', async (t) => {
  const { dns, records } = await world(t);
  const services = Array.from({ length: 1_000 }, (_, i) => `s${i}`);
  for (const service of services) dns.register(`${service}-1`, service, '127.0.0.1', 4000);
  const found = await Promise.all(services.map(async (service) => (await records.instances(service)).length));
  t.true(found.every((count) => count === 1));
  t.true(dns.queries() < 2_100, `${dns.queries()} queries`);
});

test('a resolver that is no address is refused with a remedy', (t) => {
  const error = t.throws(() => openServiceRecords({ topology: 'shop', resolver: 'dns.example:53' }), {
    instanceOf: UserError,
  });
  t.regex(error?.message ?? '', /MICROCOSM_RESOLVER.*dns\.example:53.*127\.0\.0\.1:5353/);
});
