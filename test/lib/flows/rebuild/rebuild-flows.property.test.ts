import test from 'ava';
import fc from 'fast-check';
import type { Flow, Span } from '../../../../lib/flows/flow';
import { readRun } from '../../../../lib/flows/read-run';
import { reportRun } from '../../../../lib/flows/run-report';
import type { Event } from '../../../../lib/model/event';
import { arbitraryTopology } from '../../../support/arbitrary-topology';
import {
  copyFile,
  duplicateLines,
  type Files,
  loseLines,
  removeFile,
  shuffleLines,
  truncateLastLine,
} from '../../../support/distort';
import { hedgedTopology } from '../../../support/hedged-topology';
import { type Simulation, simulate, type TrueSpan } from '../../../support/simulate';
import { memorySource } from '../memory-source';

const seeds = fc.integer({ min: 1, max: 1e6 });
const FAILURES = {
  connect: 0.05,
  noInstance: 0.03,
  reset: 0.05,
  lost: 0.02,
  overload: 0.05,
  internal: 0.03,
  body: 0.03,
};
/** Those that leave no doubt whether a request was received. */
const CERTAIN = { connect: 0.05, noInstance: 0.03, overload: 0.05, internal: 0.03 };

const LOSSES = [0.1, 0.4];

async function flowsOf(simulation: Simulation, files: Files): Promise<readonly Flow[]> {
  const { run, manifest } = simulation;
  return [...(await readRun(memorySource({ run, files, manifest }))).flows()];
}

interface Shape {
  readonly what: string;
  readonly children: readonly Shape[];
}

function trueShape(span: TrueSpan): Shape {
  const { requestId, service, instance, endpoint, place, via, status } = span;
  return {
    what: [requestId, service, instance, endpoint, place, via, status].join(' '),
    children: sorted(span.children.map(trueShape)),
  };
}

function shape(span: Span): Shape {
  const { requestId, service, instance, endpoint, place, via, status } = span;
  const children = [...span.calls.flatMap(({ child }) => child ?? []), ...span.queued].map(shape);
  return { what: [requestId, service, instance, endpoint, place, via, status].join(' '), children: sorted(children) };
}

function sorted(shapes: readonly Shape[]): readonly Shape[] {
  return [...shapes].sort((a, b) => (a.what < b.what ? -1 : 1));
}

function spansOf(span: Span): readonly Span[] {
  return [span, ...span.calls.flatMap(({ child }) => (child ? spansOf(child) : [])), ...span.queued.flatMap(spansOf)];
}

test('the trees of random topologies are rebuilt exactly, whatever the order and repetition of lines', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(arbitraryTopology, hedgedTopology), seeds, async (topology, seed) => {
      const simulation = simulate({ topology, requests: 15, seed, failures: FAILURES });
      const shuffled = shuffleLines({ files: duplicateLines(simulation, 0.1, seed) }, seed);
      for (const files of [simulation.files, shuffled]) {
        const flows = new Map((await flowsOf(simulation, files)).map((flow) => [flow.traceId, flow]));
        t.is(flows.size, simulation.flows.length);
        for (const truth of simulation.flows) {
          const flow = flows.get(truth.traceId) as Flow;
          t.true(flow.complete, `${flow.warnings}`);
          t.deepEqual(flow.warnings, []);
          t.is(flow.key, truth.key);
          if (truth.root) t.deepEqual(shape(flow.root), trueShape(truth.root));
          else t.is(flow.root.service, 'client');
        }
      }
    }),
    { numRuns: 40 },
  );
});

test('no span is shown before its sending, or after the answer that its caller had, whatever lines are lost', async (t) => {
  await fc.assert(
    fc.asyncProperty(arbitraryTopology, seeds, async (topology, seed) => {
      const simulation = simulate({
        topology,
        requests: 10,
        seed,
        hostOf: (instance) => instance,
        clocks: { 's0-1': { offsetMs: 4_000 }, 's1-1': { offsetMs: -9_000 }, 's2-1': { offsetMs: 300 } },
      });
      for (const files of [simulation.files, ...LOSSES.map((share) => loseLines(simulation, share, seed))]) {
        for (const { root, orphans } of await flowsOf(simulation, files)) {
          for (const span of [root, ...orphans].flatMap(spansOf)) {
            for (const { child, offsetMs, durationMs, status } of span.calls) {
              if (!child) continue;
              t.true(child.offsetMs >= offsetMs, `${child.instance} ${child.offsetMs}, sent at ${offsetMs}`);
              if (durationMs === null || status === null) continue;
              t.true(child.offsetMs + (child.durationMs ?? 0) <= offsetMs + durationMs + 0.5);
            }
            for (const queued of span.queued) t.true(queued.offsetMs >= span.offsetMs);
          }
        }
      }
    }),
    { numRuns: 20 },
  );
});

/** Traces that lost an event, and whether any of their events is left. */
function affected(
  simulation: Simulation,
  files: Files,
): { readonly lost: ReadonlySet<string>; readonly left: ReadonlySet<string> } {
  const left = new Map<string, number>();
  for (const line of [...files.values()].flat()) {
    const { traceId } = JSON.parse(line) as Event;
    if (traceId) left.set(traceId, (left.get(traceId) ?? 0) + 1);
  }
  const all = new Map<string, number>();
  for (const { traceId } of simulation.events) if (traceId) all.set(traceId, (all.get(traceId) ?? 0) + 1);
  const lost = [...all].filter(([trace, count]) => left.get(trace) !== count).map(([trace]) => trace);
  return { lost: new Set(lost), left: new Set(left.keys()) };
}

test('every flow that lost an event is called incomplete, and no other flow is', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      arbitraryTopology,
      seeds,
      fc.constantFrom(0.001, 0.01, 0.1, 0.5),
      async (topology, seed, probability) => {
        const simulation = simulate({ topology, requests: 30, seed, failures: CERTAIN });
        const files = loseLines(simulation, probability, seed);
        const { lost, left } = affected(simulation, files);
        const flows = await flowsOf(simulation, files);
        t.deepEqual(flows.map(({ traceId }) => traceId).sort(), [...left].sort());
        for (const { traceId, complete, warnings } of flows) t.is(complete, !lost.has(traceId), `${warnings}`);
      },
    ),
    { numRuns: 60 },
  );
});

test('copies, duplicates and disorder change no flow, whatever else is lost; a line cut short is a line lost', async (t) => {
  await fc.assert(
    fc.asyncProperty(arbitraryTopology, seeds, fc.constantFrom(0, 0.02, 0.3), async (topology, seed, probability) => {
      const clocks = {
        's0-1': { offsetMs: 4_000, source: 'unknown' },
        's1-1': { offsetMs: -900, source: 'unknown' },
      } as const;
      const simulation = simulate({ topology, requests: 15, seed, failures: CERTAIN, hostOf: (name) => name, clocks });
      const lost = { files: loseLines(simulation, probability, seed) };
      const names = [...lost.files.keys()];
      const file = names[seed % names.length] as string;
      const distorted = shuffleLines(
        { files: duplicateLines({ files: copyFile(lost, file, `${file}.1`) }, 0.2, seed) },
        seed,
      );
      const byTrace = (flows: readonly Flow[]) => [...flows].sort((a, b) => (a.traceId < b.traceId ? -1 : 1));
      const expected = byTrace(await flowsOf(simulation, lost.files));
      t.deepEqual(byTrace(await flowsOf(simulation, distorted)), expected);

      const shorter = new Map([...lost.files, [file, lost.files.get(file)?.slice(0, -1) ?? []]]);
      t.deepEqual(await flowsOf(simulation, truncateLastLine(lost, file)), await flowsOf(simulation, shorter));
    }),
    { numRuns: 20 },
  );
});

test('where a whole instance is missing, every flow that it took part in is called incomplete', async (t) => {
  await fc.assert(
    fc.asyncProperty(arbitraryTopology, seeds, fc.nat(), async (topology, seed, pick) => {
      const simulation = simulate({ topology, requests: 20, seed, failures: FAILURES });
      const names = [...simulation.files.keys()];
      const files = removeFile(simulation, names[pick % names.length] as string);
      const { lost } = affected(simulation, files);
      for (const { traceId, complete } of await flowsOf(simulation, files)) if (lost.has(traceId)) t.false(complete);
    }),
    { numRuns: 40 },
  );
});

test('a run is complete exactly where nothing of its requests is lost', async (t) => {
  await fc.assert(
    fc.asyncProperty(arbitraryTopology, seeds, fc.constantFrom(0, 0.002, 0.05), async (topology, seed, probability) => {
      const simulation = simulate({ topology, requests: 10, seed, failures: CERTAIN });
      const files = loseLines(simulation, probability, seed);
      const { run, manifest } = simulation;
      const { report } = reportRun(await readRun(memorySource({ run, files, manifest })));
      const lost = affected(simulation, files).lost.size;
      t.is(report.complete, lost === 0);
      if (lost > 0) t.true(report.warnings.length > 0);
    }),
    { numRuns: 30 },
  );
});
