import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { type Answer, decode, encode, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { answerQuery } from '../../../lib/local/dns-answer';
import { type DnsServer, startDnsServer } from '../../../lib/local/dns-server';
import { createZone } from '../../../lib/local/dns-zone';

async function server(t: ExecutionContext, topology = 'shop'): Promise<{ dns: DnsServer; resolver: Resolver }> {
  const dns = await startDnsServer({ topology });
  const resolver = new Resolver({ timeout: 5_000, tries: 2 });
  resolver.setServers([dns.address]);
  t.teardown(async () => {
    resolver.cancel();
    await dns.close();
  });
  return { dns, resolver };
}

/** One datagram there, one back. */
async function ask(dns: DnsServer, message: Buffer): Promise<Buffer> {
  const socket = createSocket('udp4');
  try {
    socket.send(message, Number(dns.address.split(':')[1]), '127.0.0.1');
    const [reply] = (await once(socket, 'message')) as [Buffer];
    return reply;
  } finally {
    socket.close();
  }
}

const query = (name: string, type: 'SRV' | 'A' | 'AAAA' | 'SOA' | 'NS', more: Partial<Packet> = {}) =>
  encode({ type: 'query', id: 7, flags: 0x100, questions: [{ name, type }], ...more });

const edns = (udpPayloadSize: number, ednsVersion = 0): Answer => ({
  type: 'OPT',
  name: '.',
  udpPayloadSize,
  extendedRcode: 0,
  ednsVersion,
  flags: 0,
  flag_do: false,
  options: [],
});

const rcode = (message: Buffer) => message.readUInt16BE(2) & 0xf;
const truncated = (message: Buffer) => (message.readUInt16BE(2) & 0x200) !== 0;

test('a service resolves to its instances by SRV and A, an instance by A', async (t) => {
  const { dns, resolver } = await server(t);
  dns.register('catalog-1', 'catalog', '127.0.0.1', 4001);
  dns.register('catalog-2', 'catalog', '127.0.0.2', 4002);
  const found = (await resolver.resolveSrv('catalog.shop.microcosm.internal')).sort((a, b) => a.port - b.port);
  t.is(found.length, 2);
  t.like(found[0], { name: 'catalog-1.catalog.shop.microcosm.internal', port: 4001, priority: 1, weight: 1 });
  t.like(found[1], { name: 'catalog-2.catalog.shop.microcosm.internal', port: 4002, priority: 1, weight: 1 });
  t.deepEqual((await resolver.resolve4('catalog.shop.microcosm.internal')).sort(), ['127.0.0.1', '127.0.0.2']);
  t.deepEqual(await resolver.resolve4('catalog-2.catalog.shop.microcosm.internal', { ttl: true }), [
    { address: '127.0.0.2', ttl: 10 },
  ]);
});

test('an SRV answer brings the addresses of its targets, each record with the TTL of the contract', async (t) => {
  const { dns } = await server(t);
  dns.register('catalog-1', 'catalog', '127.0.0.1', 4001);
  const reply = decode(await ask(dns, query('catalog.shop.microcosm.internal', 'SRV')));
  t.true(reply.flag_aa);
  t.like(reply.answers?.[0], { type: 'SRV', ttl: 10 });
  t.like(reply.additionals?.[0], {
    type: 'A',
    name: 'catalog-1.catalog.shop.microcosm.internal',
    ttl: 10,
    data: '127.0.0.1',
  });
});

test('registering an instance again moves it, deregistering takes it out, and a dead one stays', async (t) => {
  const { dns, resolver } = await server(t);
  const name = 'catalog.shop.microcosm.internal';
  dns.register('catalog-1', 'catalog', '127.0.0.1', 4001);
  dns.register('catalog-1', 'catalog', '127.0.0.1', 4009);
  // Nobody listens on the port: the namespace does not care.
  t.deepEqual(
    (await resolver.resolveSrv(name)).map(({ port }) => port),
    [4009],
  );
  dns.deregister('catalog-1');
  dns.deregister('catalog-1');
  await t.throwsAsync(resolver.resolveSrv(name), { code: 'ENOTFOUND' });
});

test('at most eight instances answer, drawn anew each time until every one has been seen', async (t) => {
  const { dns, resolver } = await server(t);
  for (let i = 1; i <= 12; i++) dns.register(`web-${i}`, 'web', '127.0.0.1', 4000 + i);
  const seen = new Set<number>();
  // Twelve instances are seen after 100 answers of eight but for once in 10^45 runs.
  for (let asked = 0; asked < 100 && seen.size < 12; asked++) {
    const reply = decode(await ask(dns, query('web.shop.microcosm.internal', 'SRV', { additionals: [edns(1232)] })));
    const ports = (reply.answers ?? []).map((answer) => (answer as { data: { port: number } }).data.port);
    t.is(new Set(ports).size, 8);
    for (const port of ports) seen.add(port);
  }
  t.is(seen.size, 12);
  t.true((await resolver.resolveSrv('web.shop.microcosm.internal')).length === 8);
});

const NEGATIVE = [
  { asked: 'a type that a service has not', name: 'catalog.shop.microcosm.internal', type: 'AAAA', code: 0 },
  { asked: 'SRV of an instance', name: 'catalog-1.catalog.shop.microcosm.internal', type: 'SRV', code: 0 },
  { asked: 'A of the namespace', name: 'shop.microcosm.internal', type: 'A', code: 0 },
  { asked: 'an unknown service', name: 'nobody.shop.microcosm.internal', type: 'SRV', code: 3 },
  { asked: 'an unknown instance', name: 'catalog-9.catalog.shop.microcosm.internal', type: 'A', code: 3 },
] as const;

for (const { asked, name, type, code } of NEGATIVE) {
  test(`${asked}: ${code === 0 ? 'no data' : 'no such name'}, with the SOA record's negative TTL`, async (t) => {
    const { dns } = await server(t);
    dns.register('catalog-1', 'catalog', '127.0.0.1', 4001);
    const message = await ask(dns, query(name, type));
    t.is(rcode(message), code);
    const reply = decode(message);
    t.is(reply.answers?.length, 0);
    t.like(reply.authorities?.[0], { type: 'SOA', name: 'shop.microcosm.internal', ttl: 5, data: { minimum: 5 } });
  });
}

test('the namespace answers for its own SOA and NS records', async (t) => {
  const { resolver } = await server(t);
  t.like(await resolver.resolveSoa('shop.microcosm.internal'), { nsname: 'ns.shop.microcosm.internal', minttl: 5 });
  t.deepEqual(await resolver.resolveNs('shop.microcosm.internal'), ['ns.shop.microcosm.internal']);
});

test('names of others are refused, also those that only end like ours', async (t) => {
  const { dns, resolver } = await server(t);
  for (const name of [
    'example.com',
    'catalog.other.microcosm.internal',
    'microcosm.internal',
    'xshop.microcosm.internal',
  ]) {
    t.is(rcode(await ask(dns, query(name, 'A'))), 5, name);
  }
  await t.throwsAsync(resolver.resolve4('example.com'), { code: 'EREFUSED' });
});

test('letters of either case find a name, and the answer repeats them as asked', async (t) => {
  const { dns } = await server(t);
  dns.register('catalog-1', 'catalog', '127.0.0.1', 4001);
  const reply = decode(await ask(dns, query('CataLog.Shop.Microcosm.INTERNAL', 'SRV')));
  t.is(reply.answers?.[0]?.name, 'CataLog.Shop.Microcosm.INTERNAL');
});

test('eight long names are truncated over UDP and whole over TCP', async (t) => {
  const topology = 'a'.repeat(32);
  const service = 's'.repeat(50);
  const { dns, resolver } = await server(t, topology);
  for (let i = 1; i <= 8; i++) dns.register(`${service}-${i}`, service, '127.0.0.1', 4000 + i);
  const name = `${service}.${topology}.microcosm.internal`;
  const plain = await ask(dns, query(name, 'SRV'));
  t.true(truncated(plain));
  t.true(plain.length <= 512);
  t.true(truncated(await ask(dns, query(name, 'SRV', { additionals: [edns(1232)] }))));
  t.is((await resolver.resolveSrv(name)).length, 8);
});

test('additional records that do not fit are left out without asking for TCP', async (t) => {
  const { dns } = await server(t);
  for (let i = 1; i <= 5; i++) dns.register(`web-${i}`, 'web', '127.0.0.1', 4000 + i);
  const message = await ask(dns, query('web.shop.microcosm.internal', 'SRV'));
  t.false(truncated(message));
  t.true(message.length <= 512);
  const reply = decode(message);
  t.is(reply.answers?.length, 5);
  t.is(reply.additionals?.length, 0);
});

test('an EDNS version that nobody speaks yet is answered BADVERS', async (t) => {
  const { dns } = await server(t);
  const reply = decode(await ask(dns, query('shop.microcosm.internal', 'SOA', { additionals: [edns(1232, 1)] })));
  t.like(reply.additionals?.[0], { type: 'OPT', extendedRcode: 1, ednsVersion: 0 });
});

test('several queries in one TCP connection are all answered, however the bytes are cut', async (t) => {
  const { dns } = await server(t);
  dns.register('catalog-1', 'catalog', '127.0.0.1', 4001);
  const framed = [1, 2, 3].map((id) => {
    const message = encode({ type: 'query', id, questions: [{ name: 'catalog.shop.microcosm.internal', type: 'A' }] });
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    return Buffer.concat([length, message]);
  });
  const bytes = Buffer.concat(framed);
  const socket = connect(Number(dns.address.split(':')[1]), '127.0.0.1').setNoDelay(true);
  t.teardown(() => socket.destroy());
  for (const byte of bytes) socket.write(Buffer.from([byte]));
  let got = Buffer.alloc(0);
  const ids: number[] = [];
  for await (const chunk of socket) {
    got = Buffer.concat([got, chunk as Buffer]);
    while (got.length >= 2 && got.length >= 2 + got.readUInt16BE(0)) {
      ids.push(got.readUInt16BE(2));
      got = got.subarray(2 + got.readUInt16BE(0));
    }
    if (ids.length === 3) break;
  }
  t.deepEqual(ids, [1, 2, 3]);
});

test('no bytes make the answerer throw; what it answers has the same id, is a response and fits', (t) => {
  const zone = createZone('shop');
  for (let i = 1; i <= 9; i++) zone.register(`web-${i}`, 'web', '127.0.0.1', 4000 + i);
  const valid = query('web.shop.microcosm.internal', 'SRV', { additionals: [edns(4096)] });
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 600 }).map((raw) => Buffer.from(raw)),
    // Valid messages with a few bytes changed get further into the decoder than noise does.
    fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 6 }).map((changes) => {
      const changed = Buffer.from(valid);
      for (const [offset, byte] of changes) changed[offset] = byte;
      return changed;
    }),
    fc.nat(valid.length).map((length) => valid.subarray(0, length)),
  );
  t.notThrows(() =>
    fc.assert(
      fc.property(bytes, fc.constantFrom('udp' as const, 'tcp' as const), (message, transport) => {
        const reply = answerQuery(zone, message, transport);
        if (!reply) return message.length < 12 || (message.readUInt16BE(2) & 0x8000) !== 0;
        decode(reply);
        const fits = reply.length <= (transport === 'udp' ? 1232 : 65_535);
        return fits && reply.readUInt16BE(0) === message.readUInt16BE(0) && (reply.readUInt16BE(2) & 0x8000) !== 0;
      }),
      { numRuns: 3_000 },
    ),
  );
});

test('garbage is answered FORMERR and the server lives on', async (t) => {
  const { dns, resolver } = await server(t);
  dns.register('catalog-1', 'catalog', '127.0.0.1', 4001);
  const good = query('catalog.shop.microcosm.internal', 'SRV');
  const twoQuestions = encode({
    type: 'query',
    id: 7,
    questions: [
      { name: 'a.shop.microcosm.internal', type: 'A' },
      { name: 'b.shop.microcosm.internal', type: 'A' },
    ],
  });
  const countless = Buffer.from(good);
  countless.writeUInt16BE(65_535, 6);
  const dotted = Buffer.concat([good.subarray(0, 12), Buffer.from('\x03a.b\x00\x00\x01\x00\x01', 'latin1')]);
  for (const message of [good.subarray(0, 20), twoQuestions, countless, dotted, Buffer.alloc(12)]) {
    t.is(rcode(await ask(dns, message)), 1);
  }
  const socket = connect(Number(dns.address.split(':')[1]), '127.0.0.1');
  socket.on('error', () => {});
  socket.write(Buffer.from([0, 3, 1, 2, 3, 255, 255, 1]));
  socket.resetAndDestroy();
  t.is((await resolver.resolveSrv('catalog.shop.microcosm.internal')).length, 1);
});

test('what DNS can not carry is not registered', async (t) => {
  const { dns } = await server(t);
  for (const [instance, service, address, port] of [
    ['a.b', 'catalog', '127.0.0.1', 80],
    ['catalog-1', 'Catalog', '127.0.0.1', 80],
    ['catalog-1', 'x'.repeat(64), '127.0.0.1', 80],
    ['catalog-1', 'catalog', 'localhost', 80],
    ['catalog-1', 'catalog', '127.0.0.256', 80],
    ['catalog-1', 'catalog', '127.0.0.1', 0],
    ['catalog-1', 'catalog', '127.0.0.1', 65_536],
  ] as const) {
    t.throws(
      () => dns.register(instance, service, address, port),
      undefined,
      `${instance} ${service} ${address} ${port}`,
    );
  }
  await t.throwsAsync(startDnsServer({ topology: 'not a label' }));
});

test('servers side by side do not see each other', async (t) => {
  const [a, b] = await Promise.all([server(t), server(t)]);
  a.dns.register('catalog-1', 'catalog', '127.0.0.1', 4001);
  await t.throwsAsync(b.resolver.resolveSrv('catalog.shop.microcosm.internal'), { code: 'ENOTFOUND' });
  t.is((await a.resolver.resolveSrv('catalog.shop.microcosm.internal')).length, 1);
});
