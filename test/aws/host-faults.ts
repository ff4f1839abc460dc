import assert from 'node:assert/strict';
import { HOST_BOUNDS } from '../../lib/aws/host';
import { runCheck } from '../../lib/flows/conformance/check-run';
import { BAGGAGE, HEADERS, ITINERARY, PORTS } from '../../lib/model/contract';
import type { Event } from '../../lib/model/event';
import { signOverlay } from '../../lib/model/overlay';
import { ADHOC_RUN } from '../../lib/model/run-id';
import { signToken } from '../../lib/model/token';
import type { Finished } from './command';
import { type Asked, type Cluster, eventsOf, onHost } from './host-cluster';
import type { Scene } from './proof';

const LIFE_MS = 60_000;
const INSTANCES = ['web-1', 'cart-1', 'desk-1'];
const CLIENT = '203.0.113.7';

const OVER_CART = {
  designation: 'web',
  faults: { before: [{ type: 'latency', args: { delay: 40 } }] },
  payload: { designation: 'cart', faults: { after: [{ type: 'memory-leak', args: { size: 1, duration: 100 } }] } },
};
const TEAPOT = [{ service: 'cart', type: 'error', at: 'before', args: { status: 418 } }];

/** An itinerary as the balancer, or Session Manager's agent on the host, hands it to a node. */
function itinerary(
  { key, topology: { name } }: Cluster,
  to: Omit<Asked, 'body' | 'headers'>,
  stops: object,
  signed = true,
) {
  const body = JSON.stringify(stops);
  const token = signToken(key, { purpose: 'itinerary', topology: name, body }, Date.now() + LIFE_MS);
  const headers = { 'content-type': ITINERARY.contentType, ...(signed && { [HEADERS.token]: token }) };
  return { ...to, body, headers: { ...headers, 'x-forwarded-for': CLIENT } };
}

function overlay({ topology: { name } }: Cluster, to: Omit<Asked, 'body' | 'headers'>, key: string): Asked {
  const baggage = `${BAGGAGE.overlay}=${signOverlay(TEAPOT, key, name, Date.now() + LIFE_MS)}`;
  return { ...to, headers: { [HEADERS.baggage]: baggage, 'x-forwarded-for': CLIENT } };
}

/** What all hosts have logged since the last call, with the instance. */
async function newEvents({ hosts }: Cluster, seen: Map<string, number>): Promise<readonly Event[]> {
  const lists = await Promise.all(
    INSTANCES.map(async (instance) => {
      const events = await eventsOf(hosts, instance);
      const from = seen.get(instance) ?? 0;
      seen.set(instance, events.length);
      return events.slice(from).filter(({ event }) => event !== 'CLOCK');
    }),
  );
  return lists.flat();
}

/** The log is written behind a request's back. */
async function eventsUntil(cluster: Cluster, seen: Map<string, number>, enough: (events: readonly Event[]) => boolean) {
  const events: Event[] = [];
  for (let i = 0; i < 600; i++) {
    events.push(...(await newEvents(cluster, seen)));
    if (enough(events)) return events;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`in vain: ${JSON.stringify(events).slice(0, 2_000)}`);
}

const faultsOf = (events: readonly Event[]): readonly string[] =>
  events
    .filter(({ event }) => event === 'FAULT_INJECTED')
    .map(({ instance, fault }) => `${instance} ${fault?.type} ${fault?.source}`);
const refusalsOf = (events: readonly Event[]): readonly string[] =>
  events.flatMap(({ event, error }) => (event === 'ERROR' && error?.kind === 'FORBIDDEN' ? [error.message] : []));

async function seenSoFar(cluster: Cluster): Promise<Map<string, number>> {
  const seen = new Map<string, number>();
  await newEvents(cluster, seen);
  return seen;
}

const OPEN = { instance: 'web-1', port: PORTS.edge, path: `/web${ITINERARY.path}`, from: 'balancer' } as const;
const SHUT = { instance: 'desk-1', port: PORTS.edge, path: `/desk${ITINERARY.path}`, from: 'balancer' } as const;
const FORWARDED = { instance: 'desk-1', port: PORTS.mesh, path: '/', from: 'itself' } as const;

export async function itineraryIsCarriedOut(cluster: Cluster, { note }: Scene): Promise<void> {
  const { request } = cluster;
  const seen = await seenSoFar(cluster);
  const { status, body } = await request(itinerary(cluster, OPEN, OVER_CART));
  assert.deepEqual([status, body], [200, '{"error":null}']);
  const events = await eventsUntil(cluster, seen, (all) => faultsOf(all).length >= 2);
  assert.deepEqual(faultsOf(events).toSorted(), ['cart-1 memory-leak itinerary', 'web-1 latency itinerary']);
  const stops = events.filter(({ itinerary: told }) => told);
  assert.equal(new Set(stops.map(({ traceId }) => traceId)).size, 1, 'one flow');
  note(faultsOf(events).join(', '));

  const unsigned = await request(itinerary(cluster, OPEN, OVER_CART, false));
  assert.equal(unsigned.status, 403, unsigned.body);
  const beyond = { ...OVER_CART, payload: { designation: 'cart', payload: { designation: 'desk' } } };
  const undeclared = await request(itinerary(cluster, OPEN, beyond));
  assert.equal(undeclared.status, 400);
  assert.match(undeclared.body, /declares no call from cart to desk/);
  const after = await eventsUntil(cluster, seen, (all) => refusalsOf(all).length >= 1);
  assert.deepEqual(faultsOf(after), [], 'nothing has run');
  note(`${refusalsOf(after)[0]}`);
}

export async function overlayStrikes(cluster: Cluster): Promise<void> {
  const { request, key } = cluster;
  const seen = await seenSoFar(cluster);
  const to = { ...OPEN, path: '/web/' };
  assert.equal((await request(overlay(cluster, to, key))).status, 502);
  const events = await eventsUntil(cluster, seen, (all) => faultsOf(all).length >= 1);
  assert.deepEqual(faultsOf(events), ['cart-1 error overlay']);
  assert.equal((await request()).status, 200, 'the next request is as ever');
  assert.equal((await request(overlay(cluster, to, 'f'.repeat(64)))).status, 403);
  await eventsUntil(cluster, seen, (all) => refusalsOf(all).length >= 1);
}

export async function shutEdgeRefuses(cluster: Cluster, { note }: Scene): Promise<void> {
  const { request, key } = cluster;
  const seen = await seenSoFar(cluster);
  const own = { designation: 'desk', faults: { before: [{ type: 'latency', args: { delay: 1 } }] } };
  assert.equal((await request(itinerary(cluster, SHUT, own))).status, 403);
  assert.equal((await request(overlay(cluster, { ...SHUT, path: '/desk/' }, key))).status, 403);
  const refusals = refusalsOf(await eventsUntil(cluster, seen, (all) => refusalsOf(all).length >= 2));
  for (const text of refusals) {
    assert.match(
      text,
      /^(itinerary|overlay) refused to 203\.0\.113\.7 by way of 10\.77\.0\.1 port \d+ at the edge port: .*not switched on at the edge/,
    );
    note(text);
  }
  assert.equal((await request(itinerary(cluster, FORWARDED, own, false))).status, 403, 'a token is needed there too');
  assert.equal((await request(itinerary(cluster, FORWARDED, own))).status, 200);
  assert.equal((await request(overlay(cluster, FORWARDED, key))).status, 502);
  const events = await eventsUntil(cluster, seen, (all) => faultsOf(all).length >= 2);
  assert.deepEqual(faultsOf(events).toSorted(), ['cart-1 error overlay', 'desk-1 latency itinerary']);
}

async function looked(journal: () => Promise<Finished>): Promise<void> {
  for (let i = 0; i < 240; i++) {
    if ((await journal()).stdout.includes('the calls are those of assets/whole-graph.json')) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`in vain: ${(await journal()).stdout}`);
}

/** The hosts were set up when the calls were older ones; of its own calls each knows without being told. */
export async function newCallsAreKnown(cluster: Cluster, { note }: Scene): Promise<void> {
  const { request, hosts, deployGraph } = cluster;
  const through = { designation: 'desk', payload: OVER_CART };
  const before = await request(itinerary(cluster, FORWARDED, through));
  assert.equal(before.status, 400);
  assert.match(before.body, /declares no call from web to cart/);
  await deployGraph('whole');
  const run = (script: string) => onHost(hosts, 'desk-1', script);
  const [timer] = JSON.parse((await run('systemctl list-timers microcosm-graph.timer --output=json')).stdout);
  const inSeconds = timer.next / 1e6 - Date.now() / 1e3;
  assert.ok(inSeconds < HOST_BOUNDS.graphSeconds + 30, `${inSeconds} s`);
  note(`it looks next in ${Math.round(inSeconds)} s; here it is made to at once`);
  const soon = '/run/systemd/system/microcosm-graph.timer.d';
  await run(`mkdir -p ${soon} && printf '[Timer]\\nOnActiveSec=1\\nRandomizedDelaySec=0\\n' >${soon}/soon.conf`);
  await run('systemctl daemon-reload && systemctl restart microcosm-graph.timer');
  await looked(() => run('journalctl --unit microcosm-graph --output cat --no-pager'));
  const seen = await seenSoFar(cluster);
  const after = await request(itinerary(cluster, FORWARDED, through));
  assert.deepEqual([after.status, after.body], [200, '{"error":null}']);
  const events = await eventsUntil(cluster, seen, (all) => faultsOf(all).length >= 2);
  assert.deepEqual(faultsOf(events).toSorted(), ['cart-1 memory-leak itinerary', 'web-1 latency itinerary']);
}

/** What each flow brought along counts as what was to happen, and nothing that was refused ran. */
export async function allOfItConforms({ hosts, topology }: Cluster, { note }: Scene): Promise<void> {
  const check = runCheck({ run: ADHOC_RUN, topology, end: null });
  for (const instance of INSTANCES) for (const event of await eventsOf(hosts, instance)) check.add(event);
  const { departures, explained, spans } = check.finish();
  assert.deepEqual(departures, []);
  note(`${spans} requests, ${JSON.stringify(explained)}`);
  assert.equal(explained['fault: error'], 2, 'the overlays');
  assert.ok((explained.itinerary ?? 0) >= 6, 'itineraries of two, one and three stops');
}
