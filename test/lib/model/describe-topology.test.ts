import test from 'ava';
import { describeTopology } from '../../../lib/model/describe-topology';
import { resolve } from '../../../lib/model/resolve';
import type { TopologySpec } from '../../../lib/model/spec';
import { topologyMermaid } from '../../../lib/model/topology-mermaid';
import { topologyText } from '../../../lib/model/topology-text';

const describe = (services: object) => describeTopology(resolve({ services } as TopologySpec, 'x'));
const requests = (services: object) =>
  Object.fromEntries(
    describe(services).services.map(({ service, requestsPerEdgeRequest }) => [service, requestsPerEdgeRequest]),
  );

test('expected requests multiply probability, count, branch and the share of the edge endpoint', (t) => {
  t.deepEqual(
    requests({
      web: {
        edge: true,
        endpoints: {
          'GET /': { weight: 3, calls: [{ call: 'a', probability: 0.5, count: { constant: 4 } }] },
          'GET /b': { calls: ['b'] },
        },
      },
      a: {
        steps: [
          {
            oneOf: [
              { weight: 1, steps: ['b'] },
              { weight: 2, steps: [] },
            ],
          },
        ],
      },
      b: {},
    }),
    { web: 1, a: 1.5, b: 0.25 + 0.5 },
  );
});

test('a cycle that a probability ends is summed to its limit', (t) => {
  const visits = requests({ web: { edge: true, calls: ['a'] }, a: { calls: [{ call: 'a', probability: 0.75 }] } });
  t.is(visits.a, 4);
});

test('depth is the longest way from the edge, and a circle has one depth', (t) => {
  const { services, depth } = describe({
    web: { edge: true, calls: ['a', 'c'] },
    a: { calls: ['b'] },
    b: { calls: ['c', { call: 'a', probability: 0.1 }] },
    c: {},
  });
  t.deepEqual(
    services.map((service) => service.depth),
    [0, 1, 1, 2],
  );
  t.is(depth, 2);
});

const latencyOf = (services: object) => {
  const [edge] = describe(services).edges;
  return [edge?.latency.p50Ms, edge?.latency.p99Ms, edge?.latency.failedShare];
};

test('latency adds up in a sequence, is the longest in a parallel group, and nothing for a send', (t) => {
  const leaves = { a: { latencyMs: 10 }, b: { latencyMs: 25 }, c: { latencyMs: 400 } };
  t.deepEqual(
    latencyOf({ web: { edge: true, latencyMs: 1, steps: ['a', 'b', { send: 'c' }] }, ...leaves }),
    [36, 36, 0],
  );
  t.deepEqual(latencyOf({ web: { edge: true, latencyMs: 1, steps: [['a', 'b']] }, ...leaves }), [26, 26, 0]);
  t.deepEqual(latencyOf({ web: { edge: true, steps: [{ call: 'a', count: 3 }] }, a: leaves.a }), [30, 30, 0]);
  t.deepEqual(
    latencyOf({ web: { edge: true, steps: [[{ call: 'a', count: 3 }, 'b']] }, a: leaves.a, b: leaves.b }),
    [25, 25, 0],
  );
});

test('latency percentiles are those of the distribution', (t) => {
  const [p50 = 0, p99 = 0] = latencyOf({ web: { edge: true, latencyMs: { uniform: [0, 100] } } });
  t.true(Math.abs(p50 - 50) < 5 && Math.abs(p99 - 99) < 1.5, `${p50}, ${p99}`);
});

test('time-outs cut calls, are retried after their backoff, and fail what requires them', (t) => {
  const slow = { a: { latencyMs: 100 } };
  const web = (call: object) => ({
    web: { edge: true, steps: [{ call: 'a', timeoutMs: 20, ...call }, { work: { latencyMs: 5 } }] },
    ...slow,
  });
  t.deepEqual(latencyOf(web({ optional: true })), [25, 25, 0]);
  t.deepEqual(latencyOf(web({})), [20, 20, 1]);
  t.deepEqual(latencyOf(web({ retries: { max: 2, backoffMs: 10, jitter: 0 } })), [20 + 10 + 20 + 20 + 20, 90, 1]);
  t.deepEqual(latencyOf({ web: { edge: true, deadlineMs: 30, calls: ['a'] }, ...slow }), [30, 30, 1]);
});

const SHOP = {
  web: { edge: true, replicas: 2, calls: ['end-1', [{ call: 'graph', optional: true, probability: 0.5 }]] },
  'end-1': { steps: [{ send: 'graph' }] },
  graph: {},
};

test('the text has a line for each edge endpoint and service, within 100 columns', (t) => {
  const text = topologyText(describe(SHOP));
  t.regex(
    text,
    /^x: 3 services, 4 instances, 3 endpoints, 2 hops deep\n2.50 calls per edge request \(1.00 of them sends\); seed "x"\n/,
  );
  t.regex(text, /\nweb GET \/ +100.0 % +2.50 /);
  t.regex(text, /\nweb +edge +2 +0 +1.00 +1.50 +end-1, graph\? 0.50\n/);
  t.regex(text, /\nend-1 +intermediate +1 +1 +1.00 +1.00 +~graph\n/);
  for (const line of text.split('\n')) t.true(line.length <= 100, line);
});

test('policies are told with their settings, once for all calls that share them', (t) => {
  const described = describe({
    web: {
      edge: true,
      concurrency: { limit: 2_000, queue: 40 },
      callDefaults: { breaker: { errorRate: 0.25 } },
      endpoints: { 'GET /a': { calls: ['b'], concurrency: { limit: 1 } }, 'GET /c': { calls: ['b'] } },
    },
    b: {},
  });
  t.deepEqual(
    described.services[0]?.policies.map(({ policy, endpoint, callee }) => [policy, endpoint, callee]),
    [
      ['concurrency', null, null],
      ['concurrency', 'GET /a', null],
      ['breaker', null, 'b'],
    ],
  );
  const text = topologyText(described);
  t.regex(text, /\nProtected by +policy +on +settings\n/);
  t.regex(text, /\nweb +concurrency +its requests +limit 2000, queue 40\n/);
  t.regex(
    text,
    /\nweb +breaker +calls to b +errorRate 0.25, windowMs 10000, minimumCalls 20,\n +openMs 5000, probes 1\n/,
  );
  t.false(topologyText(describe(SHOP)).includes('Protected by'));
});

test('the flowchart tells calls, optional calls and sends apart, under ids that Mermaid takes', (t) => {
  const chart = topologyMermaid(describe(SHOP));
  for (const line of [
    'flowchart LR',
    's_web["web x2"]:::edge',
    'users --> s_web',
    's_web --> s_end_1',
    's_web --o|"0.5"| s_graph',
    's_end_1 -.-> s_graph',
  ]) {
    t.true(chart.includes(`  ${line}\n`) || chart.includes(`\n${line}\n`), line);
  }
});
