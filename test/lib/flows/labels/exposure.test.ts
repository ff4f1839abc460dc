import test from 'ava';
import { exposures } from '../../../../lib/flows/labels/exposure';
import { readRun } from '../../../../lib/flows/read-run';
import type { Event, InjectedFault } from '../../../../lib/model/event';
import { resolve } from '../../../../lib/model/resolve';
import { type Simulation, simulate } from '../../../support/simulate';
import { memorySource } from '../memory-source';

const topology = resolve({ services: { web: { edge: true, calls: ['back'] }, back: { latencyMs: 20 } } }, 'exposed');

/** A run of one request a second, with faults of instances logged at milliseconds since its start. */
async function exposed(
  faults: readonly { readonly instance: string; readonly atMs: number; readonly fault: Partial<InjectedFault> }[],
) {
  const simulation = simulate({ topology, requests: 4, rate: 1 });
  const began = Date.parse(simulation.manifest[0]?.timestamp ?? '');
  const files = new Map<string, readonly string[]>(simulation.files);
  for (const [index, { instance, atMs, fault }] of faults.entries()) {
    const up = simulation.events.find((event) => event.instance === instance && event.event === 'SERVICE_UP') as Event;
    const { slice: _, ...own } = up;
    const event = {
      ...own,
      event: 'FAULT_INJECTED',
      seq: 1_000 + index,
      timestamp: new Date(began + atMs).toISOString(),
      fault: { id: `fault-${index}`, source: 'live', at: 'instance', args: {}, ...fault },
    };
    files.set(`${instance}.log`, [...(files.get(`${instance}.log`) ?? []), JSON.stringify(event)]);
  }
  const { run, manifest }: Simulation = simulation;
  const read = await readRun(memorySource({ run, files, manifest }));
  const of = exposures(read);
  return [...read.flows()].map((flow) => {
    const back = flow.root.calls[0]?.child;
    if (!back) throw new Error('nobody answered');
    return [flow.root, back].map((span) => of(span, Date.parse(flow.startTime)));
  });
}

test('spans are exposed to what lasts on their own instance while they are there', async (t) => {
  const flows = await exposed([
    { instance: 'back-1', atMs: 900, fault: { type: 'cpu', args: { duration: 500 } } },
    { instance: 'back-1', atMs: 2_500, fault: { type: 'memory-leak', args: { size: 1, duration: 100 } } },
    { instance: 'web-1', atMs: 2_900, fault: { type: 'block', args: { duration: 3_000 }, refused: 'no' } },
  ]);
  t.deepEqual(
    flows.map((spans) => spans.map((labels) => labels.map(({ type }) => type))),
    [
      [[], []],
      [[], ['cpu']],
      [[], []],
      [[], []],
    ],
  );
  const [label] = flows[1]?.[1] ?? [];
  t.like(label, { id: 'fault-0', source: 'live', instance: 'back-1', through: 'itself', request: null, times: 1 });
  t.is(Date.parse(label?.to ?? '') - Date.parse(label?.from ?? ''), 500);
});

test('a crash lasts until its instance is up again, and faults of one rule are told once', async (t) => {
  const flows = await exposed([
    { instance: 'back-1', atMs: 500, fault: { type: 'crash' } },
    { instance: 'web-1', atMs: 1_500, fault: { type: 'unready', id: 'twice', args: { duration: 5_000 } } },
    { instance: 'web-1', atMs: 1_600, fault: { type: 'unready', id: 'twice', args: { duration: 5_000 } } },
  ]);
  t.deepEqual(
    flows.map(([, back]) => back?.map(({ type, to }) => [type, to])),
    [[], [['crash', null]], [['crash', null]], [['crash', null]]],
  );
  t.deepEqual(
    flows.map(([web]) => web?.map(({ type, times }) => [type, times])),
    [[], [], [['unready', 2]], [['unready', 2]]],
  );
});

test('a request that a crash cut off is exposed to it', async (t) => {
  const topologyOf = { topology, requests: 1, rate: 1 };
  const crash = { instance: 'back-1', atMs: 10, restartAfterMs: 500, lostTailMs: 0 };
  const simulation = simulate({ ...topologyOf, crashes: [crash] });
  const began = Date.parse(simulation.manifest[0]?.timestamp ?? '');
  const up = simulation.events.find(({ instance, event }) => instance === 'back-1' && event === 'SERVICE_UP') as Event;
  const { slice: _, ...own } = up;
  const fault = { id: 'gone', type: 'crash', source: 'live', at: 'instance', args: {} };
  const event = { ...own, event: 'FAULT_INJECTED', seq: 1_000, timestamp: new Date(began + 10).toISOString(), fault };
  const files = new Map(simulation.files);
  files.set('back-1.log', [...(files.get('back-1.log') ?? []), JSON.stringify(event)]);
  const run = await readRun(memorySource({ run: simulation.run, files, manifest: simulation.manifest }));
  const [flow] = [...run.flows()];
  const call = flow?.root.calls[0];
  t.is(call?.child?.durationMs, null);
  const of = exposures(run);
  const [back, web] = [call?.child, flow?.root].map((span) => span && of(span, Date.parse(flow?.startTime ?? '')));
  t.like(back?.[0], { id: 'gone', through: 'itself' });
  t.like(web?.[0], { id: 'gone', through: 'call', instance: 'back-1' });
});
