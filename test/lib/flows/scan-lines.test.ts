import test from 'ava';
import fc from 'fast-check';
import { CALL_WORDS, extraOf, FLAG, flagsOf, SHORT_WORDS, WORD } from '../../../lib/flows/event-record';
import { eachRecord } from '../../../lib/flows/event-store';
import { readEvents } from '../../../lib/flows/read-events';
import { loadTopology } from '../../../lib/model/load-topology';
import { simulate } from '../../support/simulate';
import { memorySource } from './memory-source';

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
