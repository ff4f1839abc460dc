import { Agent, request } from 'node:http';
import test from 'ava';
import { faultArgs, faultHappens } from '../../../lib/model/decisions';
import { type Distribution, quantile } from '../../../lib/model/distribution';
import { childPlace, type DrawContext, hashText, rootPlace } from '../../../lib/model/draw';
import { send, startMesh } from '../mesh';

const REQUESTS = 10_000;
/** Two-sided 99.9 % of the normal distribution, which approximates the binomial well here. */
const Z = 3.29;

function interval(rate: number): readonly [number, number] {
  const spread = Z * Math.sqrt(REQUESTS * rate * (1 - rate)) + 0.5;
  return [REQUESTS * rate - spread, REQUESTS * rate + spread];
}

/** Contexts of requests three hops down the tree, as trace ids and places make them. */
function* contexts(name: string): Generator<DrawContext> {
  const seed = hashText(name);
  const root = rootPlace(seed, 'web', 'GET /');
  const [a, b] = [hashText('call:a GET /#1'), hashText('call:b GET /#1')];
  for (let i = 0; i < REQUESTS; i++) {
    const place = childPlace(childPlace(root, a, i % 3, 1), b, 0, 1 + (i % 2));
    // Trace ids as fixed texts: the test is the same each time.
    yield { seed, key: hashText(i.toString(16).padStart(32, '0')), place };
  }
}

for (const rate of [0.4, 0.01, 0.001]) {
  test(`${rate * 100} % are ${rate * 100} % of ten thousand draws`, (t) => {
    const [low, high] = interval(rate);
    for (const at of ['before', 'after', 'call'] as const) {
      for (const seed of ['shop', 'bank', 'mesh']) {
        let struck = 0;
        for (const context of contexts(seed)) {
          if (faultHappens({ id: `${at} error#1`, probability: rate, at }, context)) struck += 1;
        }
        t.true(struck >= low && struck <= high, `${struck} of ${REQUESTS} for seed ${seed} at ${at}`);
      }
    }
  });
}

test('error rates of 40 %, 1 % and 0.1 % hold over ten thousand requests each to a node', async (t) => {
  const rates: Readonly<Record<string, number>> = { '/often': 0.4, '/seldom': 0.01, '/hardly': 0.001 };
  const endpoints = Object.entries(rates).map(([path, probability]) => [
    `GET ${path}`,
    { faults: [{ type: 'error', at: 'before', probability }] as const },
  ]);
  const mesh = await startMesh(t, {
    seed: 'accuracy',
    services: { web: { edge: true, server: 'http', endpoints: Object.fromEntries(endpoints) } },
  });
  const port = mesh.nodes.get('web-1')?.edgePort as number;
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  t.teardown(() => agent.destroy());
  for (const [path, rate] of Object.entries(rates)) {
    let failed = 0;
    let left = REQUESTS;
    const worker = async () => {
      while (left-- > 0) {
        // Trace ids that are the same each time, so that the test is, too.
        const headers = { traceparent: `00-${left.toString(16).padStart(32, '7')}-00f067aa0ba902b7-01` };
        if ((await statusOf(port, path, headers, agent)) === 500) failed += 1;
      }
    };
    await Promise.all(Array.from({ length: 32 }, worker));
    const [low, high] = interval(rate);
    t.true(failed >= low && failed <= high, `${failed} of ${REQUESTS} at ${rate}`);
  }
});

function statusOf(port: number, path: string, headers: Record<string, string>, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers, agent }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    })
      .on('error', reject)
      .end();
  });
}

const DELAYS: readonly Distribution[] = [
  { uniform: [10, 500] },
  { lognormal: { median: 80, sigma: 0.6 } },
  { percentiles: { p50: 20, p90: 120, p99: 900 } },
];

for (const delay of DELAYS) {
  test(`injected latencies of ${JSON.stringify(delay)} have its percentiles`, (t) => {
    const drawn: number[] = [];
    for (const context of contexts('latency')) {
      // Rounded as the timer takes it.
      const { delay: ms } = faultArgs({ type: 'latency', args: { delay } }, { id: 'slow', at: 'before' }, context);
      drawn.push(Math.round(Number(ms)));
    }
    drawn.sort((a, b) => a - b);
    for (const share of [0.5, 0.9, 0.99]) {
      const [got, asked] = [drawn[Math.floor(share * REQUESTS)] as number, quantile(delay, share)];
      // Percentiles of a sample scatter; the interval between two close quantiles is what 99.9 % of samples stay in.
      const scatter = Z * Math.sqrt((share * (1 - share)) / REQUESTS);
      const [low, high] = [quantile(delay, share - scatter), quantile(delay, Math.min(0.9999, share + scatter))];
      const slack = Math.max(1, 0.02 * asked);
      t.true(
        got >= Math.min(low, asked) - slack && got <= Math.max(high, asked) + slack,
        `p${share * 100}: ${got}, asked ${asked}`,
      );
    }
  });
}

test('what a node waits is what was drawn', async (t) => {
  const mesh = await startMesh(t, {
    services: {
      web: { edge: true, faults: [{ type: 'latency', at: 'before', args: { delay: { uniform: [20, 200] } } }] },
    },
  });
  const port = mesh.nodes.get('web-1')?.edgePort as number;
  await Promise.all(Array.from({ length: 200 }, () => send(port)));
  const events = await mesh.events();
  const results = new Map(
    events.filter(({ event }) => event === 'RESULT_PRODUCED').map((event) => [event.requestId, event.monotonicUs]),
  );
  const errors = events
    .filter(({ event }) => event === 'FAULT_INJECTED')
    .map(({ fault, requestId, monotonicUs }) => {
      const waitedMs = ((results.get(requestId) ?? 0) - monotonicUs) / 1_000;
      const drawn = Number(fault?.args.delay);
      return waitedMs - drawn;
    })
    .sort((a, b) => a - b);
  t.is(errors.length, 200);
  // Never earlier than the timer's own millisecond; how much later is the machine's matter.
  t.true((errors[0] ?? -9) >= -2, `${errors[0]} ms`);
});
