import test from 'ava';
import type { Flow } from '../../../../lib/flows/flow';
import {
  SHIVIZ_EVENT_PATTERN,
  SHIVIZ_EXECUTION_PATTERN,
  shiviz,
  type VectorClock,
} from '../../../../lib/flows/formats/shiviz';
import { hostileFlow, troubledShop } from '../../../support/sample-flows';

interface ShivizEvent {
  readonly host: string;
  readonly clock: VectorClock;
  readonly event: string;
}

/** Cuts executions and matches events as ShiViz does: with its two regular expressions, the delimiter one by line. */
function executions(log: string): ShivizEvent[][] {
  const parts = log.split(new RegExp(SHIVIZ_EXECUTION_PATTERN.replace('?<trace>', ''), 'm')).slice(2);
  return parts
    .filter((_, index) => index % 2 === 0)
    .map((part) => {
      const events = [...part.matchAll(new RegExp(SHIVIZ_EVENT_PATTERN, 'g'))];
      const left = part.replaceAll(new RegExp(SHIVIZ_EVENT_PATTERN, 'g'), '').trim();
      if (left !== '') throw new Error(`no event: ${left}`);
      return events.map(({ groups }) => ({
        host: groups?.host ?? '',
        clock: JSON.parse(groups?.clock ?? ''),
        event: groups?.event ?? '',
      }));
    });
}

const before = (a: VectorClock, b: VectorClock): boolean => Object.entries(a).every(([host, n]) => n <= (b[host] ?? 0));

test("every event matches ShiViz's pattern, each flow an execution of its own", async (t) => {
  const flows: Flow[] = [...(await troubledShop()).flows(), hostileFlow()];
  const found = executions([...shiviz(flows)].join(''));
  t.is(found.length, flows.length);
  t.true(found.every((events) => events.length > 0));
});

test("clocks obey the laws of vector clocks: a host's own grows by one, others' only to what that host had reached", async (t) => {
  const log = [...shiviz((await troubledShop()).flows())].join('');
  for (const events of executions(log)) {
    const last = new Map<string, VectorClock>();
    for (const { host, clock } of events) {
      const previous = last.get(host) ?? {};
      t.is(clock[host], (previous[host] ?? 0) + 1);
      t.true(before(previous, clock));
      for (const [other, ticks] of Object.entries(clock)) {
        if (other !== host) t.true(ticks <= (last.get(other)?.[other] ?? 0), 'nothing is known before it happened');
      }
      last.set(host, clock);
    }
  }
});

test('a receipt follows its sending, and the answer that was received', async (t) => {
  const log = [...shiviz((await troubledShop()).flows())].join('');
  let receipts = 0;
  for (const events of executions(log)) {
    for (const [index, { host, clock, event }] of events.entries()) {
      if (!event.startsWith('REQUEST_RECEIVED') || event.includes('(queued)')) continue;
      const sends = events.slice(0, index).filter((each) => each.event.startsWith(`REQUEST_SENT to ${host}:`));
      if (sends.length === 0) continue;
      receipts += 1;
      t.true(sends.some((send) => before(send.clock, clock)));
    }
  }
  t.true(receipts > 500);
});
