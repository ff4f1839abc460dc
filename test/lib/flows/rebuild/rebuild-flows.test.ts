import test from 'ava';
import type { Call, Flow, Span } from '../../../../lib/flows/flow';
import { readRun } from '../../../../lib/flows/read-run';
import { reportRun } from '../../../../lib/flows/run-report';
import type { Event } from '../../../../lib/model/event';
import { memorySource } from '../memory-source';

const RUN = 'tiny-20261121t054429z-aaaa';
const START = Date.UTC(2026, 10, 21, 5, 44, 29);

/** Ids are written short: `a1` stands for `00…0a1`. */
interface Line extends Omit<Partial<Event>, 'timestamp' | 'hlc'> {
  /** Milliseconds since the start. */
  readonly at: number;
  readonly in: string;
  /** @default that of its instance */
  readonly file?: string;
}

interface Case {
  readonly title: string;
  readonly lines: readonly (Line | string)[];
  /** The flows as `shown` writes them. */
  readonly flows: readonly string[];
  /** Parts of the warnings of the flows, in order. */
  readonly warnings?: readonly RegExp[];
  /** Parts of the run's warnings. */
  readonly runWarnings?: readonly RegExp[];
}

const received = (
  at: number,
  inInstance: string,
  requestId: string,
  parentRequestId: string,
  place: string,
  more = {},
): Line => ({
  at,
  in: inInstance,
  event: 'REQUEST_RECEIVED',
  requestId,
  parentRequestId,
  place,
  endpoint: 'GET /',
  via: 'mesh',
  ...more,
});
const answered = (
  at: number,
  inInstance: string,
  requestId: string,
  place: string,
  spanEvents: number,
  more = {},
): Line => ({
  at,
  in: inInstance,
  event: 'RESPONSE_SENT',
  requestId,
  place,
  endpoint: 'GET /',
  status: 200,
  spanEvents,
  ...more,
});
const sent = (
  at: number,
  inInstance: string,
  requestId: string,
  callPlace: string,
  callee: string,
  more = {},
): Line => ({
  at,
  in: inInstance,
  event: 'REQUEST_SENT',
  requestId,
  callPlace,
  callee: `${callee} GET /`,
  step: `call:${callee} GET /#1`,
  repetition: 0,
  attempt: 1,
  ...more,
});
const got = (
  at: number,
  inInstance: string,
  requestId: string,
  callPlace: string,
  callee: string,
  more = {},
): Line => ({
  ...sent(at, inInstance, requestId, callPlace, callee, more),
  event: 'RESPONSE_RECEIVED',
  status: 200,
  durationMs: 1,
  ...more,
});
const failed = (
  at: number,
  inInstance: string,
  requestId: string,
  callPlace: string,
  callee: string,
  kind: string,
  more = {},
): Line => ({
  ...sent(at, inInstance, requestId, callPlace, callee, more),
  event: 'ERROR',
  error: { kind, message: kind } as Event['error'] & object,
});

/** web (b1, place e1) is asked by the client (a1) and calls catalog (c1, place e2). */
const clientSent: Line = { at: 0, in: 'client', event: 'REQUEST_SENT', requestId: 'a1', callee: 'web GET /' };
const clientGot: Line = {
  ...clientSent,
  at: 20,
  event: 'RESPONSE_RECEIVED',
  status: 200,
  durationMs: 20,
  peerRequestId: 'b1',
};
const webReceived = received(1, 'web-1', 'b1', 'a1', 'e1', { via: 'edge' });
const webAnswered = (events: number, more = {}) =>
  answered(19, 'web-1', 'b1', 'e1', events, { durationMs: 18, ...more });
const catalog = [
  received(4, 'catalog-1', 'c1', 'b1', 'e2'),
  answered(8, 'catalog-1', 'c1', 'e2', 2, { durationMs: 4 }),
];
const callCatalog = [
  sent(3, 'web-1', 'b1', 'e2', 'catalog'),
  got(9, 'web-1', 'b1', 'e2', 'catalog', { peerRequestId: 'c1', durationMs: 6 }),
];
const plain: readonly Line[] = [clientSent, webReceived, ...callCatalog, webAnswered(4), clientGot, ...catalog];
const without = (...lost: readonly Line[]): readonly Line[] => plain.filter((line) => !lost.includes(line));

const cases: readonly Case[] = [
  { title: 'one call', lines: plain, flows: ['web-1(catalog-1)'] },
  {
    title: 'a retry: two attempts, each with its own place and its own receipt',
    lines: [
      clientSent,
      webReceived,
      sent(2, 'web-1', 'b1', 'e2', 'catalog'),
      got(4, 'web-1', 'b1', 'e2', 'catalog', { status: 503, peerRequestId: 'c1' }),
      sent(6, 'web-1', 'b1', 'e3', 'catalog', { attempt: 2 }),
      got(9, 'web-1', 'b1', 'e3', 'catalog', { attempt: 2, peerRequestId: 'c2' }),
      webAnswered(6),
      clientGot,
      received(3, 'catalog-1', 'c1', 'b1', 'e2'),
      answered(3, 'catalog-1', 'c1', 'e2', 2, { status: 503 }),
      received(7, 'catalog-2', 'c2', 'b1', 'e3'),
      answered(8, 'catalog-2', 'c2', 'e3', 2),
    ],
    flows: ['web-1(catalog-1:503 catalog-2)'],
  },
  {
    title: 'a refused connection: the same attempt goes to the next instance',
    lines: [
      clientSent,
      webReceived,
      sent(2, 'web-1', 'b1', 'e2', 'catalog', { peer: 'catalog-2' }),
      failed(3, 'web-1', 'b1', 'e2', 'catalog', 'CONNECT', { peer: 'catalog-2' }),
      sent(3, 'web-1', 'b1', 'e2', 'catalog', { reconnect: 1 }),
      got(9, 'web-1', 'b1', 'e2', 'catalog', { reconnect: 1, peerRequestId: 'c1' }),
      webAnswered(6),
      clientGot,
      ...catalog,
    ],
    flows: ['web-1(catalog:CONNECT catalog-1)'],
    runWarnings: [/^catalog-2: others called it/],
  },
  {
    title: 'a send: answered 202, its work hangs on the request that accepted it',
    lines: [
      clientSent,
      webReceived,
      sent(2, 'web-1', 'b1', 'e2', 'mail'),
      got(4, 'web-1', 'b1', 'e2', 'mail', { status: 202, peerRequestId: 'c1' }),
      webAnswered(4),
      clientGot,
      received(3, 'mail-1', 'c1', 'b1', 'e2'),
      answered(3, 'mail-1', 'c1', 'e2', 2, { status: 202 }),
      received(25, 'mail-1', 'c2', 'c1', 'e2', { via: 'queue' }),
      { ...answered(60, 'mail-1', 'c2', 'e2', 2, { durationMs: 35 }), event: 'RESULT_PRODUCED' },
    ],
    flows: ['web-1(mail-1:202(+mail-1))'],
  },
  {
    title: 'an accepted send whose work left no event',
    lines: [
      clientSent,
      webReceived,
      sent(2, 'web-1', 'b1', 'e2', 'mail'),
      got(4, 'web-1', 'b1', 'e2', 'mail', { status: 202, peerRequestId: 'c1' }),
      webAnswered(4),
      clientGot,
      received(3, 'mail-1', 'c1', 'b1', 'e2'),
      answered(3, 'mail-1', 'c1', 'e2', 2, { status: 202 }),
    ],
    flows: ['!web-1(mail-1:202)'],
    warnings: [/accepted with 202, its work left no event/],
  },
  {
    title: 'parallel calls, in the order sent and not in that of their answers',
    lines: [
      clientSent,
      webReceived,
      sent(2, 'web-1', 'b1', 'e2', 'catalog'),
      sent(2, 'web-1', 'b1', 'e3', 'cart'),
      got(5, 'web-1', 'b1', 'e3', 'cart', { peerRequestId: 'c2' }),
      got(9, 'web-1', 'b1', 'e2', 'catalog', { peerRequestId: 'c1' }),
      webAnswered(6),
      clientGot,
      ...catalog,
      received(3, 'cart-1', 'c2', 'b1', 'e3'),
      answered(4, 'cart-1', 'c2', 'e3', 2),
    ],
    flows: ['web-1(catalog-1 cart-1)'],
  },
  {
    title: 'a lost end',
    lines: without(catalog[1] as Line),
    flows: ['!web-1(!catalog-1:null)'],
    warnings: [/request 0+c1 at catalog-1: the end is lost/],
  },
  {
    title: 'a lost beginning: parent and place stand on every event',
    lines: [...without(...catalog), { ...(catalog[1] as Line), parentRequestId: 'b1' }],
    flows: ['!web-1(!catalog-1)'],
    warnings: [/1 of 2 events are lost/],
  },
  {
    title: 'a span without any event is inferred from the answer that its caller had',
    lines: without(...catalog),
    flows: ['!web-1(~catalog)'],
    warnings: [/all its events of that request are lost/],
  },
  {
    title: 'a child whose caller left nothing hangs below the span that is inferred for the caller',
    lines: without(webReceived, ...callCatalog, ...plain.filter((line) => line.in === 'web-1')),
    flows: ['!~web(catalog-1)'],
    warnings: [/all its events of that request are lost/],
  },
  {
    title: 'an orphan: its caller is nowhere, it joins the flow of its trace',
    lines: [...plain, received(5, 'cart-1', 'd1', 'dd', 'e9'), answered(6, 'cart-1', 'd1', 'e9', 2)],
    flows: ['!web-1(catalog-1) ?cart-1'],
    warnings: [/came from 0+dd, of which there is no event/],
  },
  {
    title: 'an orphan alone',
    lines: catalog,
    flows: ['!catalog-1'],
    warnings: [/of which there is no event/],
  },
  {
    title: 'a request that failed before any instance had it',
    lines: [
      clientSent,
      { ...clientGot, event: 'ERROR', status: undefined, error: { kind: 'CONNECT', message: 'refused' } } as Line,
    ],
    flows: ['client:null'],
  },
  {
    title: 'a duplicate line',
    lines: [...plain, 'repeat 2'],
    flows: ['web-1(catalog-1)'],
    runWarnings: [/^web-1: 1 duplicate event \(05:44:29\.003\)$/],
  },
  {
    title: 'a second copy of a file is a copy, and not so many duplicates',
    lines: [...plain, 'copy web-1 as web-1-old'],
    flows: ['web-1(catalog-1)'],
    runWarnings: [/^web-1-old, web-1: a copy, all its 4 events stand in web-1 too \(05:44:29\.001 to 05:44:29\.019\)$/],
  },
  {
    title: 'two files that overlap: what stands in both is told from what one of them alone has',
    lines: [
      ...plain,
      'repeat 3 in web-1-rest',
      { ...webReceived, at: 30, requestId: 'b9', spanEvents: 1, file: 'web-1-rest', traceId: '8'.padStart(32, '0') },
    ],
    flows: ['web-1(catalog-1)', 'web-1:null'],
    runWarnings: [/^web-1-rest, web-1: 1 event that stands in web-1 too \(05:44:29\.009\)$/],
  },
  {
    title: 'a line out of order: the tree is the same, and it is named',
    lines: [clientSent, { ...(callCatalog[0] as Line), seq: 2 }, { ...webReceived, seq: 1 }, ...plain.slice(3)],
    flows: ['web-1(catalog-1)'],
    runWarnings: [/^web-1: 1 line out of order \(05:44:29\.001\)$/],
  },
  {
    title: 'an answer is written once it has left: its line may stand after later ones',
    lines: [
      ...plain.filter((line) => line.in !== 'catalog-1'),
      received(4, 'catalog-1', 'c1', 'b1', 'e2'),
      { ...received(9, 'catalog-1', 'c9', 'b1', 'e8'), seq: 3, spanEvents: 1 },
      { ...(catalog[1] as Line), seq: 2 },
    ],
    flows: ['web-1(catalog-1 catalog-1:null)'],
    warnings: [/its caller logged no such call/],
    runWarnings: [],
  },
  {
    title: 'a second root of one trace id is a flow of its own',
    lines: [...plain, { ...webReceived, requestId: 'b2', parentRequestId: 'a2' }, answered(5, 'web-1', 'b2', 'e1', 2)],
    flows: ['web-1(catalog-1)', 'web-1'],
    warnings: [/2 edge requests bear the trace id/, /2 edge requests bear the trace id/],
  },
  {
    title: 'foreign lines, and a last line that breaks off',
    lines: [...plain, 'raw client hello there', 'raw client {"timestamp":"2026-11-21T05:44'],
    flows: ['web-1(catalog-1)'],
    runWarnings: [/client: 1 line that is no event/, /client: 1 half-written line/],
  },
  {
    title: 'a call received twice',
    lines: [...plain, received(5, 'catalog-2', 'c9', 'b1', 'e2'), answered(6, 'catalog-2', 'c9', 'e2', 2)],
    flows: ['web-1(catalog-1 catalog-2)'],
    warnings: [/answers a call that another request answers/],
  },
  {
    title: 'requests that name each other as callers',
    lines: [
      received(1, 'web-1', 'b1', 'c1', 'e1'),
      answered(2, 'web-1', 'b1', 'e1', 2),
      received(1, 'catalog-1', 'c1', 'b1', 'e2'),
      answered(2, 'catalog-1', 'c1', 'e2', 2),
    ],
    flows: ['!web-1(catalog-1)'],
    warnings: [/name each other/],
  },
];

for (const { title, lines, flows, warnings, runWarnings } of cases) {
  test(title, async (t) => {
    const run = await readRun(memorySource({ run: RUN, files: written(lines) }));
    const rebuilt = [...run.flows()];
    t.deepEqual(rebuilt.map(shown), flows);
    const all = rebuilt.flatMap((flow) => flow.warnings);
    for (const [index, expected] of (warnings ?? []).entries()) t.regex(all[index] ?? '', expected);
    if (!warnings) t.deepEqual(all, []);
    const told = reportRun(run).report.warnings.filter((warning) => !/manifest|flow/.test(warning));
    for (const [index, expected] of (runWarnings ?? []).entries()) t.regex(told[index] ?? '', expected);
    if (runWarnings?.length === 0) t.deepEqual(told, []);
  });
}

test('a clock that runs backwards changes no order and no tree; what was moved is told', async (t) => {
  const behind = plain.map((line) => (line.in === 'catalog-1' ? { ...line, at: line.at - 5000 } : line));
  const [flow] = [...(await readRun(memorySource({ run: RUN, files: written(behind) }))).flows()];
  t.is(flow && shown(flow), 'web-1(catalog-1)');
  const child = flow?.root.calls[0]?.child as Span;
  t.is(child.startTime, new Date(START + 4 - 5000).toISOString(), 'raw time stays visible');
  t.true(child.offsetMs >= 2 && child.offsetMs <= 4, 'between its sending and its answer');
  t.true(Math.abs(child.correctionMs - (child.offsetMs - (3 - 5000))) < 0.01);
});

test('a process held up between reading its wall clock and its monotonic one moves no span', async (t) => {
  const timed = plain.map((line) => ({ ...line, monotonicUs: line.at * 1000 }));
  const heldUp = timed.map((line) => (line.in === 'web-1' && line.at === 1 ? { ...line, at: -5 } : line));
  const [flow] = [...(await readRun(memorySource({ run: RUN, files: written(heldUp) }))).flows()];
  const child = flow?.root.calls[0]?.child as Span;
  t.is(flow?.root.startTime, new Date(START - 5).toISOString(), 'raw time stays visible');
  t.true(Math.abs(child.offsetMs - 3) <= 1);
  t.is(child.correctionMs, 0);
});

test('the critical path follows the call that ended last, then the one before it', async (t) => {
  const lines = [
    clientSent,
    webReceived,
    sent(2, 'web-1', 'b1', 'e2', 'one'),
    got(5, 'web-1', 'b1', 'e2', 'one', { status: 404 }),
    sent(6, 'web-1', 'b1', 'e3', 'two'),
    sent(6, 'web-1', 'b1', 'e4', 'three'),
    got(8, 'web-1', 'b1', 'e3', 'two', { status: 404 }),
    got(9, 'web-1', 'b1', 'e4', 'three', { status: 404 }),
    webAnswered(8),
    clientGot,
  ];
  const [flow] = [...(await readRun(memorySource({ run: RUN, files: written(lines) }))).flows()];
  const critical = flow?.root.calls.filter((call) => call.critical).map(({ callee }) => callee);
  t.deepEqual(critical, ['one GET /', 'three GET /']);
  t.is(flow?.root.selfMs, 18 - 3 - 3);
});

/** `web-1(catalog-1)`; `!` incomplete, `~` inferred, `+` queued work, `:status` where it is not 200, `?` an orphan. */
function shown({ root, orphans, complete }: Flow): string {
  const top = spanShown(root).replace(/^!/, '');
  return `${complete ? '' : '!'}${[top, ...orphans.map((orphan) => `?${spanShown(orphan)}`)].join(' ')}`;
}

function spanShown(span: Span): string {
  const mark = span.inferred ? '~' : span.complete ? '' : '!';
  const name = span.inferred ? span.service : span.service === 'client' ? 'client' : span.instance;
  const status = span.status === 200 ? '' : `:${span.status}`;
  const inner = [...span.calls.map(callShown), ...span.queued.map((child) => `+${spanShown(child)}`)];
  return `${mark}${name}${status}${inner.length > 0 ? `(${inner.join(' ')})` : ''}`;
}

function callShown({ child, callee, error, status }: Call): string {
  return child ? spanShown(child) : `${callee?.split(' ')[0]}:${error?.kind ?? status}`;
}

/**
 * Files of each instance; numbers and clocks are filled in. `repeat N` writes the Nth line again (`in F`: in that file),
 * `copy F as G` a whole file, `raw F text` a text.
 */
function written(lines: readonly (Line | string)[]): ReadonlyMap<string, readonly string[]> {
  const files = new Map<string, string[]>();
  const seqs = new Map<string, number>();
  const done: { readonly file: string; readonly text: string }[] = [];
  const put = (file: string, text: string): void => {
    const list = files.get(`${file}.log`);
    if (list) list.push(text);
    else files.set(`${file}.log`, [text]);
    done.push({ file, text });
  };
  for (const line of lines) {
    if (typeof line === 'string') {
      const [, number, into] = /^repeat (\d+)(?: in (\S+))?$/.exec(line) ?? [];
      const [, from = '', to] = /^copy (\S+) as (\S+)$/.exec(line) ?? [];
      const [, file = '', text = ''] = /^raw (\S+) (.*)$/.exec(line) ?? [];
      if (number !== undefined) {
        const again = done[Number(number)] as (typeof done)[number];
        put(into ?? again.file, again.text);
      } else if (to !== undefined) for (const own of files.get(`${from}.log`) ?? []) put(to, own);
      else put(file, text);
      continue;
    }
    const { at, in: instance, file = instance, ...fields } = line;
    const seq = (seqs.get(instance) ?? 0) + 1;
    seqs.set(instance, seq);
    const ids = Object.fromEntries(
      (['requestId', 'parentRequestId', 'place', 'callPlace', 'peerRequestId'] as const).flatMap((field) =>
        fields[field] === undefined ? [] : [[field, fields[field].padStart(16, '0')]],
      ),
    );
    const millis = START + at;
    const text = JSON.stringify({
      timestamp: new Date(millis).toISOString(),
      hlc: `${millis.toString(16).padStart(12, '0')}0000`,
      traceId: '7'.padStart(32, '0'),
      process: instance
        .replaceAll(/[^a-z]/g, '')
        .padEnd(8, 'a')
        .slice(0, 8),
      seq,
      run: RUN,
      instance,
      service: instance.replace(/-\d+$/, ''),
      topology: 'tiny',
      ...fields,
      ...ids,
    });
    put(file, text);
  }
  return files;
}
