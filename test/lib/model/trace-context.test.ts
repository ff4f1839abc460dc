import test from 'ava';
import fc from 'fast-check';
import { LIMITS } from '../../../lib/model/contract';
import {
  formatBaggage,
  formatTraceparent,
  newRequestId,
  newTraceId,
  parseBaggage,
  parseTraceparent,
} from '../../../lib/model/trace-context';

const trace = '0af7651916cd43dd8448eb211c80319c';
const parent = 'b7ad6b7169203331';

const INVALID: readonly string[] = [
  '',
  '00',
  `00-${trace}-${parent}`,
  `00-${trace}-${parent}-01-extra`,
  `00-${trace}-${parent}-01 `,
  `00-${trace}-${parent}-01\n`,
  `ff-${trace}-${parent}-01`,
  `00-${trace.toUpperCase()}-${parent}-01`,
  `00-${'0'.repeat(32)}-${parent}-01`,
  `00-${trace}-${'0'.repeat(16)}-01`,
  `00-${trace}-${parent}-0x`,
  `00-${trace.slice(1)}-${parent}-01`,
  `00_${trace}_${parent}_01`,
  `01-${trace}-${parent}-01extra`,
];

test('a traceparent that the Recommendation calls invalid is none', (t) => {
  for (const header of INVALID) t.is(parseTraceparent(header), undefined, JSON.stringify(header));
  t.is(parseTraceparent(undefined), undefined);
});

test('a later version is read as far as it is known', (t) => {
  t.deepEqual(parseTraceparent(`cc-${trace}-${parent}-01-what-comes`), {
    traceId: trace,
    parentId: parent,
    flags: '01',
  });
});

test('what is written as traceparent is read back, and arbitrary text never throws', (t) => {
  for (let i = 0; i < 100; i++) {
    const [traceId, parentId] = [newTraceId(), newRequestId()];
    t.deepEqual(parseTraceparent(formatTraceparent(traceId, parentId, '01')), { traceId, parentId, flags: '01' });
  }
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (text) =>
      t.notThrows(() => parseTraceparent(text)),
    ),
  );
});

test('new ids are well-formed and differ', (t) => {
  const ids = new Set(Array.from({ length: 5_000 }, newRequestId));
  t.is(ids.size, 5_000);
  for (const id of ids) if (!/^[0-9a-f]{16}$/.test(id)) t.fail(id);
  t.regex(newTraceId(), /^[0-9a-f]{32}$/);
});

test('members of baggage are read with spaces, escapes and properties', (t) => {
  const members = parseBaggage('a=1 , b = two%20words;ttl=3;x , microcosm-run=shop-1');
  t.deepEqual(
    [...members],
    [
      ['a', '1'],
      ['b', 'two words'],
      ['microcosm-run', 'shop-1'],
    ],
  );
});

test('malformed members of baggage are dropped, the others stay', (t) => {
  for (const bad of ['=1', 'novalue', 'k ey=1', 'k=a b', 'k=%zz', 'k=%ff', 'k="q"', 'k=\u00e9', '(k)=1', ';', '']) {
    t.deepEqual([...parseBaggage(`${bad},good=1`)], [['good', '1']], JSON.stringify(bad));
  }
});

test('baggage beyond the limits is dropped whole', (t) => {
  t.is(parseBaggage(`a=${'x'.repeat(LIMITS.baggageBytes)}`).size, 0);
  const members = (n: number) => Array.from({ length: n }, (_, i) => `k${i}=1`).join(',');
  t.is(parseBaggage(members(LIMITS.baggageMembers)).size, LIMITS.baggageMembers);
  t.is(parseBaggage(members(LIMITS.baggageMembers + 1)).size, 0);
});

test('what is written as baggage is read back, whatever the values', (t) => {
  const key = fc.stringMatching(/^[A-Za-z0-9._-]{1,20}$/);
  fc.assert(
    fc.property(fc.dictionary(key, fc.string({ unit: 'grapheme', maxLength: 30 }), { maxKeys: 8 }), (members) => {
      const map = new Map(Object.entries(members));
      t.deepEqual(parseBaggage(formatBaggage(map)), map);
      t.regex(formatBaggage(map), /^[\x21-\x7e]*$/);
    }),
  );
});

test('arbitrary baggage never throws, and a lone surrogate is written as the replacement character', (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => t.notThrows(() => parseBaggage(text))));
  t.is(formatBaggage(new Map([['k', 'a\ud800b']])), 'k=a%EF%BF%BDb');
});
