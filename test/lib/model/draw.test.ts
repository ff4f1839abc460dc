import test from 'ava';
import fc from 'fast-check';
import { childPlace, combine, draw, formatHash, hashText, parseHash, rootPlace } from '../../../lib/model/draw';

const seed = hashText('shop');
const place = rootPlace(seed, 'web', 'GET /');

test('draws for one purpose over many keys are even', (t) => {
  const cells = new Array<number>(100).fill(0);
  const draws = 100_000;
  for (let i = 0; i < draws; i++) {
    const u = draw({ seed, key: hashText(`key ${i}`), place }, hashText('probability'));
    cells[Math.floor(u * cells.length)] = (cells[Math.floor(u * cells.length)] ?? 0) + 1;
  }
  const expected = draws / cells.length;
  const chiSquare = cells.reduce((sum, cell) => sum + (cell - expected) ** 2 / expected, 0);
  // 99 degrees of freedom: above 157 in one of 10,000 seeds, and this seed is fixed.
  t.true(chiSquare < 157, `chi square ${chiSquare}`);
});

test('the same seed, key, place and purpose give the same draw, and each of them matters', (t) => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (key, purpose) => {
      const context = { seed, key: hashText(key), place };
      const u = draw(context, hashText(purpose));
      t.is(draw({ ...context }, hashText(purpose)), u);
      t.not(draw({ ...context, seed: hashText('other') }, hashText(purpose)), u);
      t.not(draw({ ...context, key: hashText(`${key}!`) }, hashText(purpose)), u);
      t.not(draw({ ...context, place: combine(place, seed) }, hashText(purpose)), u);
      t.not(draw(context, hashText(`${purpose}!`)), u);
    }),
  );
});

test('every step, repetition and attempt has a place of its own', (t) => {
  const places = new Set<string>();
  for (const step of ['call:a GET /#1', 'call:a GET /#2', 'send:a GET /#1']) {
    for (let repetition = 0; repetition < 50; repetition++) {
      for (let attempt = 1; attempt <= 5; attempt++) {
        places.add(formatHash(childPlace(place, hashText(step), repetition, attempt)));
      }
    }
  }
  t.is(places.size, 3 * 50 * 5);
});

test('a place is written as 16 hexadecimal digits and read back', (t) => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const hash = hashText(text);
      t.regex(formatHash(hash), /^[0-9a-f]{16}$/);
      t.deepEqual(parseHash(formatHash(hash)), hash);
    }),
  );
  t.is(parseHash('xyz'), undefined);
});
