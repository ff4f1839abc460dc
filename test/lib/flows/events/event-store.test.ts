import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { KIND, packMeta, recordDraft, SHORT_WORDS, WORD } from '../../../../lib/flows/events/event-record';
import { type EventStore, eachRecord, eventStore, type StoreOptions } from '../../../../lib/flows/events/event-store';
import type { Flow } from '../../../../lib/flows/flow';
import { readRun } from '../../../../lib/flows/read-run';
import { temporarySpill } from '../../../../lib/logs/temporary-spill';
import { loadTopology } from '../../../../lib/model/load-topology';
import { simulate } from '../../../support/simulate';
import { memorySource } from '../memory-source';

const LEAST_MEMORY = { memoryBytes: 0 };

/** Records with sequence numbers from 1, their traces spread over all parts. */
function filled(count: number, options: StoreOptions): EventStore {
  const store = eventStore(options);
  const draft = recordDraft();
  draft.words[WORD.META] = packMeta(SHORT_WORDS, KIND.REQUEST_RECEIVED, 0, 0, 200);
  for (let seq = 1; seq <= count; seq++) {
    draft.words[WORD.SEQ] = seq;
    draft.words[WORD.TRACE + 3] = Math.imul(seq, 0x9e3779b1) >>> 3;
    store.add(draft);
  }
  return store;
}

function sequences(store: EventStore): number[][] {
  return Array.from({ length: store.parts }, (_, part) => {
    const words = store.part(part);
    const found: number[] = [];
    eachRecord(words, (record) => {
      found.push(words[record + WORD.SEQ] as number);
    });
    return found;
  });
}

test('records beyond the bound of memory go to the spill, and come back part by part, each once', (t) => {
  const spill = temporarySpill();
  t.teardown(() => spill.close());
  const count = 150_000;
  const store = filled(count, { spill, ...LEAST_MEMORY });
  t.true(store.spilled);
  t.is(store.records, count);
  const parts = sequences(store);
  t.is(parts.length, store.parts);
  t.true(parts.length > 1);
  t.deepEqual(
    parts.flat().sort((a, b) => a - b),
    Array.from({ length: count }, (_, index) => index + 1),
  );
  // In memory they are one part, or the same parts; in each the records are in the order read.
  for (const part of parts) t.true(part.every((seq, index) => index === 0 || (part[index - 1] as number) < seq));
  t.deepEqual(sequences(store), parts, 'a part can be read again');
});

test('few records are one part, and nothing is spilled', (t) => {
  const spill = temporarySpill();
  t.teardown(() => spill.close());
  const store = filled(1000, { spill });
  t.false(store.spilled);
  t.is(store.parts, 1);
  t.is(sequences(store).flat().length, 1000);
});

test('flows of a spilled run are those of the same run in memory, and of one trace only its part is read', async (t) => {
  const { run, files, manifest } = simulate({ topology: loadTopology('shop'), requests: 1500 });
  const spill = temporarySpill();
  t.teardown(() => spill.close());
  const inMemory = await readRun(memorySource({ run, files, manifest }));
  const spilled = await readRun(memorySource({ run, files, manifest }), { spill, ...LEAST_MEMORY });
  t.false(inMemory.events.store.spilled);
  t.true(spilled.events.store.spilled);
  const byTrace = (flows: Iterable<Flow>): ReadonlyMap<string, string> =>
    new Map(Array.from(flows, (flow): [string, string] => [flow.traceId, JSON.stringify(flow)]).sort());
  const expected = byTrace(inMemory.flows());
  t.is(expected.size, 1500);
  t.deepEqual(byTrace(spilled.flows()), expected);

  const traceId = [...expected.keys()][700] as string;
  for (const one of [inMemory, spilled]) {
    t.true(one.traceIds(traceId.slice(0, 12)).has(traceId));
    t.deepEqual([...byTrace(one.flows(traceId)).entries()], [[traceId, expected.get(traceId)]]);
  }
});

test.serial('a spill makes its files with the first write, and leaves none behind', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'microcosm-test-'));
  const { TMPDIR } = process.env;
  process.env.TMPDIR = folder;
  t.teardown(() => {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
    rmSync(folder, { recursive: true, force: true });
  });
  const spill = temporarySpill();
  t.deepEqual(readdirSync(folder), []);
  spill.write(3, Uint8Array.of(1, 2));
  spill.write(3, Uint8Array.of(3));
  t.is(readdirSync(folder).length, 1);
  const into = new Uint8Array(3);
  spill.read(3, into);
  t.deepEqual([...into], [1, 2, 3]);
  t.is(spill.size(3), 3);
  t.is(spill.size(4), 0);
  t.throws(() => spill.read(3, new Uint8Array(4)), { message: /end after 3 of 4 bytes/ });
  spill.close();
  t.deepEqual(readdirSync(folder), []);
  t.true(existsSync(folder));
});
