import test from 'ava';
import fc from 'fast-check';
import type { Flow } from '../../../../lib/flows/flow';
import { MOST_STRETCHES } from '../../../../lib/flows/loss/lost-stretches';
import { readRun } from '../../../../lib/flows/read-run';
import { type RunReport, reportRun } from '../../../../lib/flows/run-report';
import type { Event } from '../../../../lib/model/event';
import { resolve } from '../../../../lib/model/resolve';
import { NO_RUN } from '../../../../lib/model/run-id';
import { topology } from '../../../../lib/model/spec';
import { copyFile, type Files, loseLines, removeFile, shuffleLines, truncateLastLine } from '../../../support/distort';
import { type Simulation, simulate } from '../../../support/simulate';
import { memorySource } from '../memory-source';

const STORE = resolve(
  topology({
    services: {
      web: { edge: true, replicas: 2, calls: ['catalog', 'cart'] },
      catalog: { replicas: 3, latencyMs: 1 },
      cart: { calls: ['catalog'] },
      idle: {},
    },
  }),
  'store',
);
/** The deadline that requests have by default. */
const LONGEST_MS = 10_000;
const seeds = fc.integer({ min: 1, max: 1e6 });

async function reported({ run, manifest }: Simulation, files: Files): Promise<RunReport> {
  return reportRun(await readRun(memorySource({ run, files, manifest }))).report;
}

async function flowsOf({ run, manifest }: Simulation, files: Files): Promise<readonly Flow[]> {
  return [...(await readRun(memorySource({ run, files, manifest }))).flows()];
}

function withFile({ files }: Simulation, file: string, lines: readonly string[]): Files {
  return new Map([...files, [file, lines]]);
}

const parsed = (lines: readonly string[] | undefined): readonly Event[] =>
  (lines ?? []).map((line) => JSON.parse(line));

test('every lost event lies in a stretch of its process, by number and by time, and nothing else does', async (t) => {
  await fc.assert(
    fc.asyncProperty(seeds, fc.constantFrom(0.002, 0.05, 0.6), async (seed, probability) => {
      const simulation = simulate({ topology: STORE, requests: 200, seed });
      const files = loseLines(simulation, probability, seed);
      const { processes } = await reported(simulation, files);
      for (const [file, lines] of simulation.files) {
        const left = new Set(files.get(file));
        const isTold = (process: string, seq: number) =>
          seq <= (processes.find((loss) => loss.process === process)?.stretches.at(-1)?.lastSeq ?? 0);
        const lost = parsed(lines.filter((line) => !left.has(line))).filter(({ run }) => run !== NO_RUN);
        // Where the end is lost, and with it the word of how far the process had counted, nothing tells of it.
        for (const { process, seq, timestamp } of lost.filter((event) => isTold(event.process, event.seq))) {
          const { stretches = [] } = processes.find((loss) => loss.process === process) ?? {};
          const stretch = stretches.find(({ firstSeq, lastSeq }) => firstSeq <= seq && seq <= lastSeq);
          t.truthy(stretch);
          t.true(
            (stretch?.after ?? '') <= timestamp && timestamp <= (stretch?.before ?? ''),
            `${timestamp} ${JSON.stringify(stretch)}`,
          );
        }
      }
      for (const { lost, stretches } of processes) {
        t.true(stretches.length <= MOST_STRETCHES);
        t.is(
          stretches.reduce((sum, stretch) => sum + stretch.lost, 0),
          lost,
        );
      }
    }),
    { numRuns: 25 },
  );
});

test('a text says how many events an instance lost, and between which times', async (t) => {
  const simulation = simulate({ topology: STORE, requests: 50 });
  const lines = simulation.files.get('cart-1.log') ?? [];
  const run = parsed(lines).filter(({ run: id }) => id !== NO_RUN);
  const [before, first, last, after] = [run[9], run[10], run[13], run[14]] as [Event, Event, Event, Event];
  t.is(last.seq - first.seq, 3);
  const files = new Map(simulation.files);
  files.set(
    'cart-1.log',
    lines.filter(
      (line) =>
        !run.slice(10, 14).some(({ seq }) => line.includes(`"seq":${seq},`) && !line.includes(`"run":"${NO_RUN}"`)),
    ),
  );
  const { warnings, processes } = await reported(simulation, files);
  const [from, to] = [before, after].map(({ timestamp }) => timestamp.slice(11, 23));
  t.true(
    warnings.includes(`cart-1 (process ${first.process}): 4 events lost between ${from} and ${to}`),
    warnings.join('\n'),
  );
  t.deepEqual(processes.find(({ instance }) => instance === 'cart-1')?.stretches, [
    { firstSeq: first.seq, lastSeq: last.seq, lost: 4, after: before.timestamp, before: after.timestamp },
  ]);
});

test('a lost end is told by SERVICE_DOWN, and lies before it', async (t) => {
  const simulation = simulate({ topology: STORE, requests: 50 });
  const lines = simulation.files.get('web-1.log') ?? [];
  const own = parsed(lines).filter(({ run }) => run !== NO_RUN);
  const [last, before] = [own.at(-1), own.at(-2)] as [Event, Event];
  const files = new Map(simulation.files);
  files.set(
    'web-1.log',
    lines.filter((line) => JSON.parse(line).seq !== last.seq || line.includes(`"run":"${NO_RUN}"`)),
  );
  const { processes } = await reported(simulation, files);
  const web = processes.find(({ instance }) => instance === 'web-1');
  t.like(web?.stretches[0], { lost: 1, firstSeq: last.seq, after: before.timestamp, before: web?.endTime ?? '' });
});

test('a process that died without a word is named with its last event and the start of the next one', async (t) => {
  const simulation = simulate({
    topology: STORE,
    requests: 200,
    crashes: [{ instance: 'cart-1', atMs: 1_000, restartAfterMs: 300, lostTailMs: 40 }],
  });
  const { warnings, processes, complete } = await reported(simulation, simulation.files);
  const [first, second] = processes.filter(({ instance }) => instance === 'cart-1');
  t.like(first, { atLeast: true, endTime: null });
  t.is(first?.tail?.before, second?.startTime);
  const ups = parsed(simulation.files.get('cart-1.log')).filter(({ process }) => process === first?.process);
  t.is(
    first?.tail?.after,
    ups
      .map(({ timestamp }) => timestamp)
      .sort()
      .at(-1),
  );
  t.is(second?.tail, null);
  t.true(
    warnings.some((text) =>
      /^cart-1 \(process \w+\): it ended without a word after [\d:.]+, and was started again at [\d:.]+;/.test(text),
    ),
    warnings.join('\n'),
  );
  t.false(complete);
});

test('a log that breaks off is named with its last event and with what it lacks', async (t) => {
  const simulation = simulate({ topology: STORE, requests: 200 });
  const lines = simulation.files.get('cart-1.log') ?? [];
  const left = lines.slice(0, Math.floor(0.6 * lines.length));
  const { warnings, processes } = await reported(simulation, withFile(simulation, 'cart-1.log', left));
  const requestsIn = (some: readonly string[]) => new Set(parsed(some).flatMap(({ requestId }) => requestId ?? []));
  const [all, begun] = [requestsIn(lines), requestsIn(left)];
  const cart = processes.find(({ instance }) => instance === 'cart-1');
  t.is(cart?.unlogged, all.size - begun.size);
  t.true(all.size - begun.size > 20);
  t.like(cart, { atLeast: true, lost: 0, endTime: null });
  const last = parsed(left).reduce((a, b) => (b.seq > a.seq ? b : a));
  t.is(cart?.tail?.after, last.timestamp);
  t.true(
    warnings.some((text) =>
      /^cart-1 \(process \w+\): its log ends after [\d:.]+(, with \d+ requests? under way)?, and lacks \d+ requests that/.test(
        text,
      ),
    ),
    warnings.join('\n'),
  );
  t.true(processes.every(({ instance, unlogged, unended }) => instance === 'cart-1' || unlogged + unended === 0));
});

test('a hole in a log makes doubtful what was never answered at that time, and nothing before or after', async (t) => {
  const failures = { reset: 0.05, lost: 0.05, connect: 0.02 };
  const simulation = simulate({ topology: STORE, requests: 900, rate: 20, failures });
  const timeOf = new Map(
    simulation.events.flatMap(({ event, service, traceId, timestamp }) =>
      event === 'REQUEST_SENT' && service === 'client' && traceId ? [[traceId, Date.parse(timestamp)] as const] : [],
    ),
  );
  const [first = 0] = timeOf.values();
  const lines = simulation.files.get('cart-1.log') ?? [];
  const at = (share: number): number => Math.floor(share * lines.length);
  const holes = {
    head: lines.slice(at(0.3)),
    middle: [...lines.slice(0, at(0.4)), ...lines.slice(at(0.6))],
    tail: lines.slice(0, at(0.7)),
  };
  for (const [name, left] of Object.entries(holes)) {
    const files = withFile(simulation, 'cart-1.log', left);
    const here = new Set(left);
    const lost = lines.filter((line) => !here.has(line)).map((line) => JSON.parse(line) as Event);
    const times = lost.map(({ timestamp }) => Date.parse(timestamp));
    const [fromMs, toMs] = [
      name === 'head' ? first : Math.min(...times),
      name === 'tail' ? Number.POSITIVE_INFINITY : Math.max(...times),
    ];
    const affected = new Set(lost.flatMap(({ traceId }) => traceId ?? []));
    let doubtful = 0;
    for (const { traceId, complete } of await flowsOf(simulation, files)) {
      if (affected.has(traceId)) t.false(complete, `${name}: ${traceId}`);
      else if (!complete) {
        doubtful += 1;
        const sentMs = timeOf.get(traceId) ?? Number.NaN;
        t.true(
          sentMs > fromMs - LONGEST_MS && sentMs <= toMs + 1,
          `${name}: sent ${sentMs - fromMs} ms after the hole's start`,
        );
      }
    }
    t.true(doubtful < 60, `${name}: ${doubtful}`);
  }
});

test('lost events of the process itself are named too; a log that begins in its midst lost none', async (t) => {
  const simulation = simulate({ topology: STORE, requests: 3_000 });
  const lines = simulation.files.get('cart-1.log') ?? [];
  const clocks = lines.filter((line) => line.includes('"CLOCK"'));
  t.true(clocks.length >= 3);
  const without = (dropped: readonly string[]): Files => {
    const files = new Map(simulation.files);
    files.set(
      'cart-1.log',
      lines.filter((line) => !dropped.includes(line)),
    );
    return files;
  };
  const [, second, third] = parsed(clocks);
  const { warnings, complete } = await reported(simulation, without([clocks[1] as string]));
  t.true(complete, 'no event of a request is lost');
  const [text] = warnings.filter((warning) => warning.includes('of its own'));
  t.regex(text ?? '', /^cart-1 \(process \w+\): 1 event of its own lost between [\d:.]+ and [\d:.]+, such as CLOCK$/);
  t.true(text?.includes((third as Event).timestamp.slice(11, 23)));
  t.false(text?.includes((second as Event).timestamp.slice(11, 23)));
  const up = lines.filter((line) => line.includes('"SERVICE_UP"'));
  t.deepEqual((await reported(simulation, without([...up, clocks[0] as string]))).warnings, []);
});

test('an instance without a log is named with the calls of others, or as one that only the topology has', async (t) => {
  const simulation = simulate({ topology: STORE, requests: 100 });
  const calls = simulation.events.filter(({ event, peer }) => event === 'REQUEST_SENT' && peer === 'catalog-2');
  const files = removeFile({ files: removeFile(simulation, 'catalog-2.log') }, 'idle-1.log');
  const { absent, warnings } = await reported(simulation, files);
  const times = calls.map(({ timestamp }) => timestamp).sort();
  t.deepEqual(absent, [
    { instance: 'catalog-2', calls: calls.length, from: times[0] ?? null, to: times.at(-1) ?? null },
    { instance: 'idle-1', calls: 0, from: null, to: null },
  ]);
  t.true(warnings.some((text) => text.startsWith(`catalog-2: others called it ${calls.length} times (`)));
  t.true(warnings.includes('idle-1: the topology has it, and there is no log of it'));
});

test('copies, shuffled lines and a truncated end are each named where they are, and change nothing else', async (t) => {
  await fc.assert(
    fc.asyncProperty(seeds, async (seed) => {
      const simulation = simulate({ topology: STORE, requests: 60, seed });
      const { events, statistics } = await reported(simulation, simulation.files);
      const copied = await reported(simulation, copyFile(simulation, 'catalog-1.log', 'catalog-1-again.log'));
      t.is(copied.events, events);
      t.true(copied.complete);
      t.like(copied.irregular, [{ kind: 'copied', instance: 'catalog-1', whole: true }]);
      t.is(copied.irregular[0]?.lines, simulation.files.get('catalog-1.log')?.length);

      const shuffled = await reported(simulation, shuffleLines(simulation, seed));
      t.true(shuffled.complete);
      t.is(shuffled.statistics.spans, statistics.spans);
      t.deepEqual(new Set(shuffled.irregular.map(({ kind }) => kind)), new Set(['out-of-order']));
      for (const { from, to } of shuffled.irregular) t.true((from ?? '') <= (to ?? ''));

      const cut = await reported(simulation, truncateLastLine(simulation, 'web-2.log'));
      const last = parsed(simulation.files.get('web-2.log')).at(-1);
      t.like(cut.irregular, [{ kind: 'half-written', instance: 'web-2', lines: 1, from: last?.timestamp ?? '' }]);
    }),
    { numRuns: 10 },
  );
});

test('what nodes write as they should has nothing irregular', async (t) => {
  const simulation = simulate({ topology: STORE, requests: 100, failures: { connect: 0.1, reset: 0.1, lost: 0.05 } });
  const { irregular, absent, warnings, processes } = await reported(simulation, simulation.files);
  t.deepEqual([irregular, absent, warnings], [[], [], []]);
  t.true(processes.every(({ stretches, tail }) => stretches.length === 0 && tail === null));
});
