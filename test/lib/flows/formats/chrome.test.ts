import Ajv from 'ajv';
import test from 'ava';
import fc from 'fast-check';
import { chrome } from '../../../../lib/flows/formats/chrome';
import { lanes } from '../../../../lib/flows/formats/lanes';
import { hostileFlow, troubledShop } from '../../../support/sample-flows';

/** After the Trace Event Format: what every event has, and what its phase asks for. */
const number = { type: 'number' };
const common = {
  name: { type: 'string' },
  ph: { type: 'string' },
  ts: { type: 'number', minimum: 0 },
  pid: number,
  tid: number,
};
const phase = (ph: string, properties: object) => ({
  required: Object.keys({ ...common, ...properties }),
  properties: { ...common, ph: { const: ph }, ...properties },
});
const event = {
  type: 'object',
  oneOf: [
    phase('X', { dur: { type: 'number', minimum: 0 }, cat: { type: 'string' }, args: { type: 'object' } }),
    phase('M', { name: { enum: ['process_name', 'thread_name'] }, args: { type: 'object', required: ['name'] } }),
    phase('i', { s: { enum: ['g', 'p', 't'] } }),
    phase('s', { id: number, cat: { const: 'flow' } }),
    phase('f', { id: number, cat: { const: 'flow' }, bp: { const: 'e' } }),
  ],
};
const schema = {
  type: 'object',
  required: ['traceEvents'],
  properties: { traceEvents: { type: 'array', items: event } },
};
const valid = new Ajv({ strict: false }).compile(schema);

interface Slice {
  readonly ph: string;
  readonly ts: number;
  readonly dur: number;
  readonly pid: number;
  readonly tid: number;
  readonly id: number;
}

const inLanes = (events: readonly Slice[]): ReadonlyMap<string, readonly Slice[]> => {
  const found = new Map<string, Slice[]>();
  for (const slice of events.filter(({ ph }) => ph === 'X')) {
    const key = `${slice.pid}/${slice.tid}`;
    found.set(key, [...(found.get(key) ?? []), slice]);
  }
  return found;
};

/** A stack is all that a viewer has: what begins within a slice has to end within it. Times are whole nanoseconds. */
const nests = (slices: readonly Slice[]): boolean => {
  const open: number[] = [];
  const ns = (us: number) => Math.round(us * 1000);
  const order = [...slices].sort((a, b) => ns(a.ts) - ns(b.ts) || ns(b.ts + b.dur) - ns(a.ts + a.dur));
  return order.every(({ ts, dur }) => {
    while (open.length > 0 && (open[open.length - 1] as number) <= ns(ts)) open.pop();
    const outer = open[open.length - 1] ?? Number.POSITIVE_INFINITY;
    open.push(ns(ts + dur));
    return ns(ts + dur) <= outer;
  });
};

test('the export follows the trace event format, and the slices of each lane nest', async (t) => {
  const run = await troubledShop();
  const document = JSON.parse([...chrome(run.flows(), run)].join(''));
  const events: readonly Slice[] = document.traceEvents;
  t.true(valid(document), JSON.stringify(valid.errors?.slice(0, 5)));
  for (const [lane, slices] of inLanes(events)) t.true(nests(slices), lane);
});

test('every arrow has two ends, each within a slice', async (t) => {
  const run = await troubledShop();
  const events: readonly Slice[] = JSON.parse([...chrome(run.flows(), run)].join('')).traceEvents;
  const laneSlices = inLanes(events);
  const ends = new Map<number, string>();
  for (const { ph, id, pid, tid, ts } of events) {
    if (ph !== 's' && ph !== 'f') continue;
    ends.set(id, (ends.get(id) ?? '') + ph);
    const around = (laneSlices.get(`${pid}/${tid}`) ?? []).some(
      (slice) => slice.ts <= ts && ts <= slice.ts + slice.dur,
    );
    t.true(around);
  }
  t.true(ends.size > 500);
  t.true([...ends.values()].every((both) => both === 'sf'));
});

test('hostile texts stay texts, and no flow at all is still a trace', (t) => {
  const name = { run: 'a', topology: 'b' };
  for (const flows of [[hostileFlow()], []]) {
    t.true(valid(JSON.parse([...chrome(flows, name)].join(''))));
  }
});

test('whatever is placed, intervals of a lane are disjoint', (t) => {
  t.plan(1);
  const interval = fc.tuple(fc.nat(100), fc.nat(20)).map(([start, length]) => [start, start + length] as const);
  const disjoint = fc.check(
    fc.property(fc.array(interval), (intervals) => {
      const placing = lanes();
      const placed = intervals.map(([start, end]) => ({ start, end, lane: placing.place(start, end) }));
      return placed.every((a, i) =>
        placed.slice(i + 1).every((b) => a.lane !== b.lane || a.end < b.start || b.end < a.start),
      );
    }),
  );
  t.false(disjoint.failed, `${disjoint.counterexample}`);
});
