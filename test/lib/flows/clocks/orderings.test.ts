import test from 'ava';
import fc from 'fast-check';
import type { Flow, OrderedEvent, Span } from '../../../../lib/flows/flow';
import { readRun } from '../../../../lib/flows/read-run';
import { resolve } from '../../../../lib/model/resolve';
import { topology } from '../../../../lib/model/spec';
import { loseLines } from '../../../support/distort';
import { type Simulation, type SimulationOptions, simulate, type TrueSpan } from '../../../support/simulate';
import type { HostClock } from '../../../support/simulated-log';
import { memorySource } from '../memory-source';

const STORE = resolve(
  topology({
    services: {
      web: { edge: true, replicas: 2, calls: [['catalog', 'cart'], 'catalog'], latencyMs: { uniform: [0, 6] } },
      catalog: { replicas: 2, latencyMs: { uniform: [0, 20] } },
      cart: { steps: [{ call: 'catalog' }, { send: 'mail' }, { work: { latencyMs: 3 } }] },
      mail: { latencyMs: { uniform: [1, 30] } },
    },
  }),
  'store',
);
const HOSTS = ['web-1', 'web-2', 'catalog-1', 'catalog-2', 'cart-1', 'mail-1', 'client-1'];

const clock: fc.Arbitrary<HostClock> = fc.record({
  offsetMs: fc.double({ min: -10_000, max: 10_000, noNaN: true }),
  driftPpm: fc.double({ min: -200, max: 200, noNaN: true }),
  steps: fc.constantFrom([], [], [{ atMs: 3_000, byMs: -4_321 }], [{ atMs: 2_000, byMs: 777 }]),
  source: fc.constant('unknown' as const),
});
const clocks = fc
  .tuple(...HOSTS.map(() => clock))
  .map((all) => Object.fromEntries(HOSTS.map((one, i) => [one, all[i]])));

async function simulated(options: Partial<SimulationOptions>) {
  const simulation = simulate({ topology: STORE, requests: 120, rate: 20, hostOf: (instance) => instance, ...options });
  const { run, files, manifest } = simulation;
  return { simulation, flows: [...(await readRun(memorySource({ run, files, manifest }))).flows()] };
}

/** When each request truly began and ended. */
function trueTimes({ flows }: Simulation): (event: OrderedEvent) => number {
  const known = new Map<string, TrueSpan>();
  const visit = (span: TrueSpan): void => {
    known.set(span.requestId, span);
    for (const child of span.children) visit(child);
  };
  for (const { root } of flows) if (root) visit(root);
  return ({ requestId, at }) => {
    const span = known.get(requestId) as TrueSpan;
    return at === 'start' ? span.startAt : span.endAt;
  };
}

/** Between the moment an answer is known and its RESPONSE_SENT some hundredths of a millisecond pass. */
const WRITING_MS = 0.1;

test('an ordering that is called proved is the true one, and clock errors are as large as they are said to be', async (t) => {
  let [causal, apart, doubtful] = [0, 0, 0];
  await fc.assert(
    fc.asyncProperty(clocks, fc.integer({ min: 1, max: 1e6 }), async (wrong, seed) => {
      const { simulation, flows } = await simulated({ seed, clocks: wrong as Readonly<Record<string, HostClock>> });
      const timeOf = trueTimes(simulation);
      for (const { first, second, apartMs, boundMs, proof } of flows.flatMap(({ orderings }) => orderings)) {
        const truly = timeOf(second) - timeOf(first);
        if (proof !== null) t.true(truly >= -WRITING_MS, `${proof}: ${first.instance} ${second.instance} ${truly}`);
        if (boundMs !== null)
          t.true(Math.abs(apartMs - truly) <= boundMs + WRITING_MS, `${apartMs} ± ${boundMs}, ${truly}`);
        if (proof === 'causal') causal += 1;
        else if (proof === 'apart') apart += 1;
        else doubtful += 1;
      }
    }),
    { numRuns: 12 },
  );
  t.true(causal > 100 && apart > 100 && doubtful > 0, `${causal} causal, ${apart} apart, ${doubtful} in doubt`);
});

test('where lines are lost, nothing is said to have begun after what it began before', async (t) => {
  let told = 0;
  for (const [index, share] of [0.05, 0.2, 0.5].entries()) {
    const wrong = {
      'catalog-1': { offsetMs: 900, source: 'unknown' },
      'cart-1': { offsetMs: -40, source: 'unknown' },
    } as const;
    const options = {
      topology: STORE,
      requests: 200,
      rate: 20,
      hostOf: (instance: string) => instance,
      seed: index + 1,
    };
    const simulation = simulate({ ...options, clocks: wrong, networkMs: () => 0.5 });
    const { run, manifest } = simulation;
    const timeOf = trueTimes(simulation);
    const left = await readRun(memorySource({ run, files: loseLines(simulation, share, 7), manifest }));
    for (const { orderings } of left.flows()) {
      for (const { first, second, proof } of orderings) {
        if (proof === null) continue;
        told += 1;
        const truly = timeOf(second) - timeOf(first);
        t.true(
          truly >= -WRITING_MS,
          `${proof}: ${first.instance} ${first.at}, ${second.instance} ${second.at}: ${truly}`,
        );
      }
    }
  }
  t.true(told > 500, `${told}`);
});

test('a beginning that is lost is shown where the end and the duration put it', async (t) => {
  const { run, files, manifest } = simulate({ topology: STORE, requests: 60, hostOf: (instance) => instance });
  const without = Array.from(files, ([file, lines]) => {
    const kept = lines.filter((line) => !(line.includes('"event":"REQUEST_RECEIVED"') && file.startsWith('cart')));
    return [file, kept] as const;
  });
  const whole = new Map<string, Span>();
  for (const { root } of (await readRun(memorySource({ run, files, manifest }))).flows()) {
    for (const span of spansOf(root)) whole.set(span.requestId, span);
  }
  let compared = 0;
  for (const { root } of (await readRun(memorySource({ run, files: new Map(without), manifest }))).flows()) {
    for (const span of spansOf(root)) {
      const { offsetMs, durationMs, startTime } = whole.get(span.requestId) as Span;
      t.is(span.durationMs, durationMs);
      t.true(Math.abs(span.offsetMs - offsetMs) < 0.01, `${span.instance} ${span.offsetMs}, truly ${offsetMs}`);
      t.true(Math.abs(Date.parse(span.startTime) - Date.parse(startTime)) <= 1);
      if (span.service === 'cart') compared += 1;
    }
  }
  t.true(compared > 50);
});

function spansOf(span: Span): readonly Span[] {
  return [span, ...span.calls.flatMap(({ child }) => (child ? spansOf(child) : [])), ...span.queued.flatMap(spansOf)];
}

test('what is shown within clock error is marked where it begins, and nothing else is', async (t) => {
  const { flows } = await simulated({ clocks: { 'catalog-1': { offsetMs: 80, source: 'unknown' } } });
  const inDoubt = (flow: Flow): readonly string[] =>
    flow.orderings.flatMap(({ second, proof }) => (proof === null && second.at === 'start' ? [second.requestId] : []));
  for (const flow of flows) {
    const marked = spansOf(flow.root).flatMap(({ order, requestId }) =>
      order === 'within-clock-error' ? [requestId] : [],
    );
    t.deepEqual(new Set(marked), new Set(inDoubt(flow)));
  }
});

test('on one host there is nothing to prove', async (t) => {
  const { flows } = await simulated({
    requests: 300,
    hostOf: () => 'laptop',
    clocks: { laptop: { source: 'machine', offsetMs: 500 } },
  });
  // Long enough for each process to tell of its clock. The client of a simulation tells nothing of its clock, so it is a host of its own.
  for (const { orderings, root } of flows) {
    t.deepEqual(orderings, []);
    for (const { correctionMs, order } of spansOf(root)) t.deepEqual([correctionMs, order], [0, undefined]);
  }
});

test('spans of one host keep the distance that its own clock gives them, however wrong it is', async (t) => {
  const wrong = {
    'catalog-1': { offsetMs: -7_000, source: 'unknown' },
    'web-1': { offsetMs: 3_000, source: 'unknown' },
  } as const;
  const { simulation, flows } = await simulated({ clocks: wrong });
  const timeOf = trueTimes(simulation);
  let compared = 0;
  for (const { root } of flows) {
    const own = spansOf(root).filter(({ instance }) => instance === 'catalog-1');
    for (const [i, span] of own.entries()) {
      const before = own[i - 1];
      if (!before) continue;
      const truly = timeOf({ ...span, at: 'start' }) - timeOf({ ...before, at: 'start' });
      t.true(
        Math.abs(span.offsetMs - before.offsetMs - truly) <= 0.01,
        `${span.offsetMs - before.offsetMs}, truly ${truly}`,
      );
      compared += 1;
    }
  }
  t.true(compared > 20);
});
