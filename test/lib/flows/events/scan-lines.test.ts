import test from 'ava';
import fc from 'fast-check';
import { decodeLine } from '../../../../lib/flows/events/decode-line';
import {
  CALL_WORDS,
  extraOf,
  FLAG,
  flagsOf,
  recordDraft,
  SHORT_WORDS,
  WORD,
} from '../../../../lib/flows/events/event-record';
import { eachRecord } from '../../../../lib/flows/events/event-store';
import { interner } from '../../../../lib/flows/events/interner';
import { readEvents } from '../../../../lib/flows/events/read-events';
import { scanLines } from '../../../../lib/flows/events/scan/scan-lines';
import { loadTopology } from '../../../../lib/model/load-topology';
import { simulate } from '../../../support/simulate';
import { memorySource } from '../memory-source';

const simulation = simulate({
  topology: loadTopology('shop'),
  requests: 40,
  keys: ['replayed-1', 'replayed.2'],
  failures: { connect: 0.05, reset: 0.05, overload: 0.05, noInstance: 0.02 },
});
const lines = [...simulation.files.values()].flat();

interface Reading {
  readonly reader: 'scan' | 'plain';
  readonly chunkBytes?: number;
}

/** All that a reader makes of lines: records, texts, what processes said, counts. */
async function read(texts: readonly string[], { reader, chunkBytes }: Reading) {
  const source = memorySource({
    run: simulation.run,
    files: new Map([['web-1.log', texts]]),
    ...(chunkBytes !== undefined && { chunkBytes }),
  });
  const { store, names, processes, streams } = await readEvents(source, { reader });
  const records = Array.from({ length: store.parts }, (_, part) => [...store.part(part)]);
  return {
    records,
    texts: names.texts,
    streams,
    processes: processes.map(({ process, instance, seen, lastTold, clocks }) => ({
      process,
      instance,
      seen: seen.size,
      lastTold,
      clocks: clocks.length,
    })),
  };
}

test('scanned lines give the records that parsed lines give', async (t) => {
  const scanned = await read(lines, { reader: 'scan' });
  const parsed = await read(lines, { reader: 'plain' });
  t.is(scanned.streams[0]?.events, lines.filter((line) => line.includes('"traceId"')).length);
  t.deepEqual(canonical(scanned), canonical(parsed));
});

test('a line cut anywhere between two pieces reads the same', async (t) => {
  const whole = canonical(await read(lines, { reader: 'scan' }));
  for (const chunkBytes of [97, 1000, 4096, 5000, 70_000]) {
    t.deepEqual(canonical(await read(lines, { reader: 'scan', chunkBytes })), whole, `pieces of ${chunkBytes} bytes`);
  }
});

test('lines with other orders, unknown fields, white space and escapes give the same records', async (t) => {
  const changed = lines.map((line, index) => {
    const event = JSON.parse(line);
    if (index % 4 === 0) return JSON.stringify(Object.fromEntries(Object.entries(event).reverse()));
    if (index % 4 === 1) return JSON.stringify({ ...event, extra: { nested: ['}', '\n'] } });
    if (index % 4 === 2) return JSON.stringify(event, null, 1).replaceAll('\n', ' ');
    return line.replace(/"service"/, '"\\u0073ervice"');
  });
  t.deepEqual(canonical(await read(changed, { reader: 'scan' })), canonical(await read(lines, { reader: 'plain' })));
});

/** Readers meet texts in different orders: in place of their numbers, records get the texts themselves. */
function canonical({ records, texts, streams, processes }: Awaited<ReturnType<typeof read>>): unknown {
  const text = (number: number): string | null => texts[number] ?? null;
  const described = records.map((part) => {
    const words = Int32Array.from(part);
    const list: unknown[] = [];
    eachRecord(words, (record) => {
      const meta = words[record] as number;
      const isCall = (flagsOf(meta) & FLAG.CALL) !== 0;
      const textual: number[] = [WORD.ENDPOINT, ...(isCall ? [WORD.CALLEE, WORD.STEP, WORD.PEER] : [])];
      list.push(
        Array.from(words.subarray(record, record + (isCall ? CALL_WORDS : SHORT_WORDS)), (word, index) =>
          textual.includes(index) ? text(word) : word,
        ),
        extraOf(words, record),
      );
    });
    return list;
  });
  return { described, streams, processes };
}

const mutation = fc.record({
  line: fc.nat(),
  at: fc.nat(),
  kind: fc.constantFrom('replace', 'delete', 'insert', 'truncate', 'swap'),
  text: fc.constantFrom('"', '\\', '0', 'a', ',', '}', '{', ' ', '-', '1e3', '\u0001', 'é', ':', '.', 'null', '999999'),
});

test('whatever bytes are changed, both readers agree', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 30 }), async (mutations) => {
      const texts = lines.slice(0, 200);
      for (const { line, at, kind, text } of mutations) {
        const index = line % texts.length;
        const old = texts[index] as string;
        const place = old.length === 0 ? 0 : at % old.length;
        const length = kind === 'insert' ? 0 : kind === 'truncate' ? old.length : 1;
        texts[index] =
          old.slice(0, place) + (kind === 'delete' || kind === 'truncate' ? '' : text) + old.slice(place + length);
        if (kind === 'swap') texts[index] = old.replace(/"status":(\d+)/, `"status":${text}`);
      }
      const ours = texts.filter((line) => line.includes(`"run":"${simulation.run}"`) || line.includes('"run":"-"'));
      t.deepEqual(canonical(await read(ours, { reader: 'scan' })), canonical(await read(ours, { reader: 'plain' })));
    }),
    { numRuns: 150 },
  );
});

/** Another writer's hand: the order of keys, fields that we don't know, white space. */
const hand = fc.record({
  order: fc.array(fc.nat({ max: 40 }), { minLength: 40, maxLength: 40 }),
  extra: fc.dictionary(
    fc.constantFrom('extra', 'zeta', 'k8s.pod', 'Seq', 'é', '__proto__', 'a"b', 'alpha'),
    fc.jsonValue({ maxDepth: 2 }),
    { maxKeys: 4 },
  ),
  indent: fc.constantFrom('', ' '),
});

function rewrite(
  line: string,
  { order, extra, indent }: typeof hand extends fc.Arbitrary<infer T> ? T : never,
): string {
  const members = Object.entries({ ...JSON.parse(line), ...extra }).map(([key, value], index) => ({
    rank: (order[index % order.length] ?? 0) * 100 + index,
    text: `${JSON.stringify(key)}:${indent}${JSON.stringify(value)}`,
  }));
  return `{${members
    .sort((a, b) => a.rank - b.rank)
    .map(({ text }) => text)
    .join(`,${indent}`)}}${indent}`;
}

test('in whatever hand lines are written, and whatever bytes are then changed, both readers agree', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(hand, { minLength: 1, maxLength: 3 }),
      fc.array(mutation, { maxLength: 20 }),
      async (hands, mutations) => {
        const texts = lines
          .slice(0, 200)
          .map((line, index) => rewrite(line, hands[Math.floor(index / 20) % hands.length] as (typeof hands)[number]));
        for (const { line, at, text } of mutations) {
          const index = line % texts.length;
          const old = texts[index] as string;
          texts[index] = old.slice(0, at % old.length) + text + old.slice((at % old.length) + 1);
        }
        t.deepEqual(
          canonical(await read(texts, { reader: 'scan' })),
          canonical(await read(texts, { reader: 'plain' })),
        );
      },
    ),
    { numRuns: 100 },
  );
});

test('a layout is learnt once: of lines in any one hand only few are parsed', (t) => {
  const requests = lines.filter((line) => line.includes('"traceId"'));
  const asWritten = (line: string): string => line;
  const reversed = (line: string): string =>
    JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(line)).reverse()));
  const foreign = (line: string): string =>
    JSON.stringify({
      level: 'info',
      labels: { at: line.length },
      ...JSON.parse(line),
      ratio: line.length / 7,
      note: line.slice(9, 20),
    });
  for (const write of [asWritten, reversed, foreign]) {
    const bytes = Buffer.from(`${[...requests, ...requests].map(write).join('\n')}\n${' '.repeat(1000)}`);
    const counts = { record: 0, line: 0 };
    const names = interner();
    const scan = scanLines(names, recordDraft(), {
      enter: () => {},
      record: () => {
        counts.record += 1;
      },
      other: () => t.fail(),
      line: (from, start, end) => {
        counts.line += 1;
        return decodeLine(from.toString('utf8', start, end), simulation.run);
      },
      origin: () => 0,
    });
    scan(bytes, 0, bytes.lastIndexOf(0x0a) + 1);
    t.is(counts.record + counts.line, 2 * requests.length);
    t.true(counts.line < requests.length / 4, `${write.name}: ${counts.line} of ${2 * requests.length} lines parsed`);
  }
});

test('lines of other runs are left out, and counted', async (t) => {
  const other = lines.map((line) => line.replaceAll(simulation.run, 'shop-20261121t054429z-othr'));
  const mixed = lines.flatMap((line, index) => [line, other[index] as string]);
  const { streams } = await read(mixed, { reader: 'scan' });
  const requests = lines.filter((line) => line.includes('"traceId"')).length;
  t.is(streams[0]?.events, requests);
  t.is(streams[0]?.other, requests);
});

test('lines read twice, foreign lines, half-written lines and a line cut by a restart are told apart', async (t) => {
  const requests = lines.filter((line) => line.includes('"traceId"')).slice(0, 4) as [string, string, string, string];
  const [first, second, third, fourth] = requests;
  const texts = [first, first, 'hello', '{"a":1}', '', second.slice(0, 100) + third, fourth.slice(0, 50)];
  for (const reader of ['scan', 'plain'] as const) {
    const { streams } = await read(texts, { reader });
    t.like(streams[0], { events: 2, duplicates: 1, foreign: 2, halfWritten: 2 }, reader);
  }
});
