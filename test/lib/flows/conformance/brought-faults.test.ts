import test, { type ExecutionContext } from 'ava';
import { runCheck } from '../../../../lib/flows/conformance/check-run';
import { BAGGAGE, HEADERS, ITINERARY } from '../../../../lib/model/contract';
import type { Event } from '../../../../lib/model/event';
import { signOverlay } from '../../../../lib/model/overlay';
import { resolve } from '../../../../lib/model/resolve';
import { ADHOC_RUN } from '../../../../lib/model/run-id';
import type { TopologySpec } from '../../../../lib/model/spec';
import { signToken } from '../../../../lib/model/token';
import { type Ask, startMesh } from '../../../service/mesh';
import { withEvent, withoutEvent } from '../../../support/doctor';

const KEY = '3c'.repeat(32);
const SPEC: TopologySpec = {
  name: 'brought',
  services: {
    web: {
      edge: true,
      // A rule of the service's own, beside those that requests bring.
      faults: [{ type: 'latency', at: 'before', args: { delay: 1 }, probability: 0.5 }],
      calls: [{ call: 'back', count: 3, optional: true }, [{ call: 'side', count: 2, optional: true }]],
    },
    back: {},
    side: {},
  },
};

async function logOf(t: ExecutionContext, asks: readonly Ask[]): Promise<readonly Event[]> {
  const mesh = await startMesh(t, SPEC, [], { key: KEY, publicFaults: true });
  for (const [index, { headers, ...ask }] of asks.entries()) {
    const baggage = [headers?.[HEADERS.baggage], `${BAGGAGE.key}=brought-${index}`].filter(Boolean).join();
    await mesh.ask('web', { ...ask, headers: { ...headers, [HEADERS.baggage]: baggage } });
  }
  return mesh.events();
}

function checked(events: readonly Event[]) {
  const checking = runCheck({ run: ADHOC_RUN, topology: resolve(SPEC, 'brought'), end: null });
  for (const event of events) checking.add(event);
  return checking.finish();
}

const kindsIn = (events: readonly Event[]): readonly string[] => checked(events).departures.map(({ kind }) => kind);

function overlayAsk(rules: unknown): Ask {
  const overlay = signOverlay(rules, KEY, 'brought', Date.now() + 60_000);
  return { headers: { [HEADERS.baggage]: `${BAGGAGE.overlay}=${overlay}` } };
}

function itineraryAsk(body: unknown): Ask {
  const text = JSON.stringify(body);
  const scope = { purpose: 'itinerary', topology: 'brought', body: text } as const;
  const token = signToken(KEY, scope, Date.now() + 60_000);
  return { method: 'POST', headers: { 'content-type': ITINERARY.contentType, [HEADERS.token]: token }, body: text };
}

const injected = (events: readonly Event[], id: string): readonly Event[] =>
  events.filter(({ event, fault }) => event === 'FAULT_INJECTED' && fault?.id === id);

test("an overlay's faults by percentage are drawn again, and one that is missing, added or changed is found", async (t) => {
  const rules = [
    {
      service: 'web',
      type: 'latency',
      at: 'before',
      args: { delay: { uniform: [1, 3] } },
      probability: 0.5,
      id: 'slow',
    },
    { service: 'back', type: 'error', at: 'before', args: { status: 503 }, probability: 0.4, id: 'broken' },
    { service: 'web', type: 'error', at: 'call', callee: 'side', probability: 0.5, id: 'unsent' },
  ];
  const events = await logOf(t, [...Array.from({ length: 20 }, () => overlayAsk(rules)), {}]);
  t.deepEqual(checked(events).departures, []);
  t.is(events.filter(({ overlay }) => overlay).length, 20);
  t.false(events.some((event) => JSON.stringify(event).includes('microcosm-overlay')));
  for (const id of ['slow', 'broken', 'unsent']) t.true(injected(events, id).length > 0, id);
  const [slow, broken] = [injected(events, 'slow')[0] as Event, injected(events, 'broken')[0] as Event];
  t.true(kindsIn(withoutEvent(events, slow)).includes('missing-fault'));
  t.true(kindsIn(withoutEvent(events, broken)).includes('missing-fault'));

  const spared = events.find(
    ({ event, overlay, requestId }) =>
      event === 'REQUEST_RECEIVED' && overlay && !injected(events, 'slow').some((each) => each.requestId === requestId),
  ) as Event;
  const added = { event: 'FAULT_INJECTED', fault: slow.fault } as Partial<Event>;
  t.true(kindsIn(withEvent(events, spared, added)).includes('extra-fault'));
  const other = { ...slow, fault: { ...(slow.fault as NonNullable<Event['fault']>), args: { delay: 9 } } };
  t.true(kindsIn(events.map((event) => (event === slow ? other : event))).includes('wrong-fault'));
  const without = events.map(({ overlay: _, ...event }) => event);
  t.true(kindsIn(without).includes('extra-fault'));
});

test('the n-th attempt is counted by request; of calls side by side any could have been it', async (t) => {
  const rules = [
    { service: 'web', type: 'error', at: 'call', callee: 'back', nth: 2, id: 'second' },
    { service: 'web', type: 'error', at: 'call', callee: 'side', nth: 1, id: 'either' },
  ];
  const events = await logOf(t, [overlayAsk(rules), overlayAsk(rules)]);
  t.deepEqual(checked(events).departures, []);
  const [second] = injected(events, 'second');
  t.is(second?.repetition, 1);
  t.is(injected(events, 'second').length, 2);
  t.is(injected(events, 'either').length, 2);
  const moved = events.map((event) =>
    event.requestId === second?.requestId && event.step === second?.step && (event.repetition ?? 9) < 2
      ? { ...event, repetition: 1 - (event.repetition as number) }
      : event,
  );
  t.true(kindsIn(moved).length > 0);
  t.true(kindsIn(withoutEvent(events, second as Event)).includes('missing-fault'));
});

test('an itinerary is held against what each stop was told: its faults, its routes and their chances', async (t) => {
  const latency = (delay: unknown) => ({ type: 'latency', args: { delay } });
  const body = {
    designation: 'web',
    faults: { before: [latency({ uniform: [1, 5] })], after: [latency(1)] },
    payload: { designation: 'back', faults: { before: [latency(2)] } },
    routes: [
      { designation: 'side', probability: 50 },
      { designation: 'back', faults: { before: [{ type: 'error', args: { status: 418 } }] }, probability: 30 },
    ],
  };
  const events = await logOf(
    t,
    Array.from({ length: 12 }, () => itineraryAsk(body)),
  );
  const { departures, explained } = checked(events);
  t.deepEqual(departures, []);
  t.true((explained['fault: latency'] ?? 0) >= 24);
  for (const id of ['itinerary-before-1', 'itinerary-after-1']) {
    for (const service of ['web', 'back']) {
      const victim = injected(events, id).find((event) => event.service === service);
      if (victim) t.true(kindsIn(withoutEvent(events, victim)).includes('missing-fault'), `${id} ${service}`);
    }
  }
  const [drawn] = injected(events, 'itinerary-before-1').filter(({ service }) => service === 'web');
  const changed = { ...drawn, fault: { ...drawn?.fault, args: { delay: 77 } } } as Event;
  t.true(kindsIn(events.map((event) => (event === drawn ? changed : event))).includes('wrong-fault'));
  t.true(
    kindsIn(withEvent(events, drawn as Event, { fault: { ...changed.fault, id: 'more' } as never })).includes(
      'extra-fault',
    ),
  );

  const visited = new Set(events.filter(({ step }) => step === 'itinerary:side#2').map(({ requestId }) => requestId));
  t.true(visited.size > 0 && visited.size < 12);
  // As if a stop that was drawn had been left out: its chance is told as none where it came, and as certain where not.
  const withChance = (probability: number) =>
    events.map((event) => {
      const { itinerary } = event;
      if (!itinerary || itinerary.routes.length < 2) return event;
      const routes = itinerary.routes.map((route, index) => (index === 1 ? { ...route, probability } : route));
      return { ...event, itinerary: { ...itinerary, routes } };
    });
  t.true(kindsIn(withChance(0)).includes('extra-call'));
  t.true(kindsIn(withChance(1)).includes('missing-call'));
  const stop = events.find(({ itinerary, service }) => itinerary && service === 'back') as Event;
  const another = { ...stop, itinerary: { ...stop.itinerary, stop: '0'.repeat(16) } } as Event;
  t.deepEqual(kindsIn(events.map((event) => (event === stop ? another : event))), ['wrong-itinerary']);
});
