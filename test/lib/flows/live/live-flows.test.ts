import { join } from 'node:path';
import test from 'ava';
import * as fc from 'fast-check';
import { liveFlows } from '../../../../lib/flows/live/live-flows';
import type { LiveBounds } from '../../../../lib/flows/live/live-store';
import { readRun } from '../../../../lib/flows/read-run';
import { loadTopology } from '../../../../lib/model/load-topology';
import { type Files, loseLines } from '../../../support/distort';
import { type Random, seededRandom } from '../../../support/random';
import { simulate } from '../../../support/simulate';
import { memorySource } from '../memory-source';

const RUN = 'shop-20261121t054429z-k3qa';
const simulation = simulate({
  topology: loadTopology('shop', { cwd: join(__dirname, '..', '..', '..', '..') }),
  run: RUN,
  requests: 40,
  failures: { connect: 0.02, overload: 0.03, internal: 0.02 },
});
const WAIT_MS = 5_000;

interface Told {
  readonly traceId: string;
  readonly requestId: string;
  readonly durationMs: number | null;
  readonly status: number | null;
  readonly complete: boolean;
  readonly givenUp: boolean;
}

/** Gives the files piece by piece, with a sweep after each, then lets the time pass. */
function follow(files: Files, random: Random, bounds: LiveBounds = {}) {
  const { manifest } = memorySource({ run: RUN, files, manifest: simulation.manifest });
  let nowMs = 0;
  const live = liveFlows({ run: RUN, waitMs: WAIT_MS, sinceMs: null, clock: () => nowMs, bounds });
  const told: Told[] = [];
  let most = 0;
  const sweep = (mayGiveUp: boolean): void => {
    for (const flow of flatten(live.sweep(manifest, mayGiveUp))) {
      const { traceId, durationMs, status, complete, root } = flow.describe();
      told.push({ traceId, requestId: root.requestId, durationMs, status, complete, givenUp: flow.givenUp });
    }
    most = Math.max(most, live.waiting);
  };
  const pending = Array.from(files, ([name, lines]) => ({
    intake: live.open(name),
    bytes: Buffer.from(lines.map((line) => `${line}\n`).join('')),
    at: 0,
  }));
  for (;;) {
    const left = pending.filter(({ bytes, at }) => at < bytes.length);
    const file = left[Math.floor(random.next() * left.length)];
    if (!file) break;
    const end = Math.min(file.bytes.length, file.at + 1 + Math.floor(random.next() * 20_000));
    file.intake.take(Buffer.from(file.bytes.subarray(file.at, end)));
    file.at = end;
    nowMs += 10;
    sweep(false);
  }
  for (let i = 0; i < 4; i++) {
    nowMs += WAIT_MS / 2;
    sweep(true);
  }
  return { told, live, most };
}

function* flatten<T>(batches: Iterable<readonly T[]>): Generator<T> {
  for (const batch of batches) yield* batch;
}

async function whole(files: Files): Promise<readonly Told[]> {
  const run = await readRun(memorySource({ run: RUN, files, manifest: simulation.manifest }));
  return Array.from(run.flows(), ({ traceId, durationMs, status, complete, root }) => ({
    traceId,
    requestId: root.requestId,
    durationMs,
    status,
    complete,
    givenUp: !complete,
  }));
}

const byId = (told: readonly Told[]) => [...told].sort((a, b) => (a.requestId < b.requestId ? -1 : 1));

test('however the files grow, each flow is told once, as the whole run has it', async (t) => {
  const expected = byId(await whole(simulation.files));
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const { told, live } = follow(simulation.files, seededRandom(seed));
      t.deepEqual(byId(told), expected);
      t.is(live.waiting, 0);
      t.is(live.late, 0);
    }),
    { numRuns: 25 },
  );
});

test('flows that lost events are given up after the wait, and no others', async (t) => {
  const files = loseLines(simulation, 0.02, 11);
  const expected = byId(await whole(files));
  t.true(expected.some(({ complete }) => !complete));
  const { told, live } = follow(files, seededRandom(3));
  const lost = (flows: readonly Told[]) => flows.filter(({ givenUp }) => givenUp).map(({ traceId }) => traceId);
  t.deepEqual(told.map(({ traceId }) => traceId).sort(), expected.map(({ traceId }) => traceId).sort());
  t.deepEqual(lost(byId(told)), lost(expected));
  t.is(live.waiting, 0);
});

/** No flow of these is ever complete. */
function withoutReceipts(): Files {
  return new Map(
    Array.from(simulation.files, ([name, lines]) => [
      name,
      lines.filter((line) => !line.includes('"REQUEST_RECEIVED"')),
    ]),
  );
}

test('more incomplete flows than there is room for push the oldest out, and their rest counts as late', (t) => {
  const ends = withoutReceipts();
  const { told, live, most } = follow(ends, seededRandom(5), { traces: 7 });
  t.true(most <= 7, `${most}`);
  t.true(told.some(({ givenUp }) => givenUp));
  t.is(new Set(told.map(({ traceId }) => traceId)).size, 40);
  t.is(told.length, 40);
  t.true(live.late > 0);
});

test('incomplete flows take no more memory than there is room for', (t) => {
  const ends = withoutReceipts();
  const words = 16 * 1024;
  const { told, live, most } = follow(ends, seededRandom(5), { words });
  // A flow of the shop takes some hundred words at the least.
  t.true(most <= words / 100, `${most}`);
  t.is(new Set(told.map(({ traceId }) => traceId)).size, 40);
  t.true(live.late > 0);
});

test('a single flow that grows without an end is given up, and the others are told whole', (t) => {
  const [endless = ''] = simulation.flows.map(({ traceId }) => traceId);
  const more = Array.from({ length: 200 }, (_, index) =>
    simulation.events
      .filter(({ traceId, process }) => traceId === endless && process !== undefined)
      .map((event) => JSON.stringify({ ...event, process: `again${index}` })),
  ).flat();
  const files = new Map([...simulation.files, ['again.log', more]]);
  const { told } = follow(files, seededRandom(7), { words: 64 * 1024 });
  const others = told.filter(({ traceId }) => traceId !== endless);
  t.is(others.length, 39);
  t.true(others.every(({ complete, givenUp }) => complete && !givenUp));
  t.true(told.some(({ traceId, givenUp }) => traceId === endless && givenUp));
});
