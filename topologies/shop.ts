import { topology } from '../lib/model/spec';

/** A web shop: people browse, search, fill carts and pay; mail and analytics follow behind. 13 services, 17 instances. */
export default topology({
  defaults: {
    deadlineMs: 3_000,
    timeoutMs: 1_000,
    responseBytes: { lognormal: { median: 600, sigma: 0.6, min: 100, max: 20_000 } },
  },
  services: {
    web: {
      edge: true,
      replicas: 2,
      endpoints: {
        'GET /': {
          weight: 30,
          latencyMs: { lognormal: { median: 1.5, sigma: 0.4 } },
          responseBytes: { lognormal: { median: 12_000, sigma: 0.4, max: 60_000 } },
          steps: [
            'sessions GET /sessions/:id',
            [
              'catalog GET /featured',
              { call: 'recommendations', optional: true, timeoutMs: 80 },
              { call: 'carts GET /carts/:user', probability: 0.6, optional: true },
            ],
            { send: 'analytics', probability: 0.3, requestBytes: 400 },
          ],
        },
        'GET /search': {
          weight: 24,
          latencyMs: { lognormal: { median: 1, sigma: 0.4 } },
          steps: ['search', { send: 'analytics', requestBytes: 350 }],
        },
        'GET /products/:id': {
          weight: 30,
          latencyMs: { lognormal: { median: 1.2, sigma: 0.4 } },
          responseBytes: { lognormal: { median: 9_000, sigma: 0.5, max: 50_000 } },
          steps: [
            [
              'catalog GET /products/:id',
              'pricing',
              'inventory GET /stock/:product',
              { call: 'reviews', optional: true, timeoutMs: 120 },
              { call: 'recommendations', optional: true, timeoutMs: 80, probability: 0.8 },
            ],
            { send: 'analytics', probability: 0.3, requestBytes: 400 },
          ],
        },
        'POST /cart': {
          weight: 9,
          latencyMs: 1,
          requestBytes: { uniform: [120, 400] },
          steps: [
            'sessions GET /sessions/:id',
            {
              call: 'carts POST /carts/:user/items',
              requestBytes: { uniform: [120, 400] },
              retries: { max: 2, backoffMs: 10 },
            },
          ],
        },
        'POST /checkout': {
          weight: 5,
          deadlineMs: 8_000,
          latencyMs: { lognormal: { median: 2, sigma: 0.4 } },
          requestBytes: { lognormal: { median: 900, sigma: 0.3, max: 4_000 } },
          steps: [
            'sessions GET /sessions/:id',
            'carts GET /carts/:user',
            {
              call: 'orders POST /orders',
              timeoutMs: 4_000,
              requestBytes: { lognormal: { median: 1_500, sigma: 0.4 } },
            },
          ],
        },
        'GET /orders/:id': {
          weight: 2,
          latencyMs: 1,
          steps: ['sessions GET /sessions/:id', 'orders GET /orders/:id'],
        },
      },
    },

    sessions: {
      endpoints: { 'GET /sessions/:id': { latencyMs: { percentiles: { p50: 0.8, p90: 1.5, p99: 6, max: 15 } } } },
    },

    catalog: {
      replicas: 2,
      endpoints: {
        'GET /featured': { latencyMs: { percentiles: { p50: 3, p90: 7, p99: 25, max: 60 } }, steps: ['pricing'] },
        'GET /products/:id': {
          latencyMs: { percentiles: { p50: 4, p90: 9, p99: 35, max: 80 } },
          responseBytes: { lognormal: { median: 3_000, sigma: 0.5, max: 20_000 } },
        },
      },
    },

    /** Scores in memory, then fetches what it found: one product in four is not in its own cache. */
    search: {
      steps: [
        {
          work: { cpuMs: { lognormal: { median: 0.8, sigma: 0.5, max: 8 } }, latencyMs: { exponential: { mean: 4 } } },
        },
        {
          parallel: [
            { call: 'catalog GET /products/:id', probability: 0.25, count: { uniform: [1, 4] } },
            'pricing',
            { call: 'inventory GET /stock/:product', optional: true, timeoutMs: 60 },
          ],
        },
      ],
    },

    recommendations: {
      latencyMs: { lognormal: { median: 2, sigma: 0.5 } },
      steps: [
        {
          oneOf: [
            { weight: 3, steps: [{ work: { cpuMs: { uniform: [0.5, 2] } } }, 'catalog GET /products/:id'] },
            { weight: 1, steps: ['catalog GET /featured'] },
          ],
        },
      ],
    },

    reviews: { latencyMs: { percentiles: { p50: 5, p90: 14, p99: 70, 'p99.9': 150, max: 200 } } },

    pricing: { replicas: 2, latencyMs: { lognormal: { median: 1.2, sigma: 0.5 } } },

    inventory: {
      replicas: 2,
      endpoints: {
        'GET /stock/:product': { latencyMs: { percentiles: { p50: 2, p90: 4, p99: 18, max: 40 } } },
        'POST /reservations': {
          latencyMs: { percentiles: { p50: 5, p90: 11, p99: 45, max: 90 } },
          steps: [{ work: { diskBytes: 4_096 } }],
        },
      },
    },

    carts: {
      endpoints: {
        'GET /carts/:user': { latencyMs: { lognormal: { median: 2, sigma: 0.4 } } },
        'POST /carts/:user/items': {
          latencyMs: { lognormal: { median: 3, sigma: 0.5 } },
          steps: [['inventory GET /stock/:product', 'pricing']],
        },
      },
    },

    orders: {
      endpoints: {
        'GET /orders/:id': { latencyMs: { percentiles: { p50: 4, p90: 9, p99: 30 } } },
        'POST /orders': {
          latencyMs: { lognormal: { median: 4, sigma: 0.4 } },
          steps: [
            ['pricing', { call: 'inventory POST /reservations', count: { uniform: [0.5, 3.5] }, requestBytes: 200 }],
            { call: 'payments POST /charges', requestBytes: 700, retries: { max: 1, backoffMs: 50 } },
            { work: { diskBytes: { lognormal: { median: 8_192, sigma: 0.5, max: 65_536 } } } },
            { send: 'mail', requestBytes: { lognormal: { median: 2_000, sigma: 0.4, max: 20_000 } } },
            { send: 'analytics', requestBytes: 900 },
          ],
        },
      },
    },

    /** One charge in ten goes to a slower second check. */
    payments: {
      endpoints: {
        'POST /charges': {
          steps: [
            { work: { cpuMs: { uniform: [0.3, 1] } } },
            {
              oneOf: [
                {
                  weight: 9,
                  steps: [{ work: { latencyMs: { percentiles: { p50: 18, p90: 35, p99: 110, max: 250 } } } }],
                },
                { weight: 1, steps: [{ work: { latencyMs: { normal: { mean: 90, stddev: 20, min: 40 } } } }] },
              ],
            },
          ],
        },
      },
    },

    mail: { endpoints: { 'POST /': { latencyMs: { lognormal: { median: 25, sigma: 0.6, max: 400 } } } } },

    analytics: { steps: [{ work: { latencyMs: { exponential: { mean: 3 } }, diskBytes: { uniform: [200, 1_000] } } }] },
  },

  scenarios: {
    blackfriday: {
      description:
        'More people come than usual, the bank is slow, and the shop grows and does without recommendations.',
      load: {
        phases: [
          { name: 'calm', rate: 15, for: '6s' },
          { name: 'ramp', rate: { from: 15, to: 40 }, for: '6s' },
          { name: 'rush', rate: 40, for: '12s' },
          { name: 'late', rate: 15, for: '8s' },
        ],
      },
      steps: [
        {
          at: '8s',
          for: '12s',
          name: 'slow-bank',
          fault: {
            service: 'payments',
            endpoint: 'POST /charges',
            type: 'latency',
            at: 'before',
            args: { delay: { uniform: [200, 400] } },
          },
        },
        { at: '9s', name: 'more-web', scale: { service: 'web', replicas: 3 } },
        { at: '9s', name: 'more-payments', scale: { service: 'payments', replicas: 2 } },
        {
          at: '12s',
          for: '10s',
          name: 'fewer-extras',
          disconnect: { from: 'web', endpoint: 'GET /products/:id', to: 'recommendations' },
        },
      ],
      expect: [
        { name: 'people hardly notice', responseTime: { percentile: 50, atMostMs: 400 }, during: 'rush' },
        { name: 'the shop stays open', errors: { atMost: 0.02 } },
        { name: 'orders get through', of: 'web POST /checkout', errors: { atMost: 0.1 } },
        { name: 'nobody is turned away', throughput: { atLeast: 30 }, during: 'rush' },
        {
          name: 'the evening is quiet',
          recovered: {
            after: 'slow-bank',
            within: '6s',
            errors: { atMost: 0.05 },
            responseTime: { percentile: 90, atMostMs: 800 },
          },
        },
      ],
    },

    crash: {
      description: 'The only instance that keeps carts dies without a word, and comes back.',
      load: { phases: [{ rate: 20, for: '24s' }] },
      steps: [
        {
          at: '6s',
          name: 'carts-die',
          fault: { service: 'carts', type: 'crash', at: 'instance', args: { signal: 'SIGKILL' } },
        },
      ],
      expect: [
        { name: 'only carts are hit', of: { from: 'web', to: 'catalog' }, errors: { atMost: 0.05 } },
        { errors: { atMost: 0.1 } },
        { name: 'carts are back', recovered: { after: 'carts-die', within: '8s', errors: { atMost: 0.02 } } },
      ],
    },

    partition: {
      description: 'Nothing reaches reviews and recommendations for a while; pages leave them out.',
      load: { phases: [{ rate: 20, for: '26s' }] },
      steps: [
        {
          at: '6s',
          for: '8s',
          name: 'no-reviews',
          fault: { service: 'web', type: 'partition', at: 'call', callee: 'reviews' },
        },
        {
          at: '6s',
          for: '8s',
          name: 'no-recommendations',
          fault: { service: 'web', type: 'partition', at: 'call', callee: 'recommendations' },
        },
      ],
      expect: [
        { name: 'pages still come', errors: { atMost: 0.02 } },
        { name: 'nobody waits long', responseTime: { percentile: 90, atMostMs: 800 }, during: 'no-reviews' },
        {
          name: 'reviews are back',
          of: { from: 'web', to: 'reviews' },
          recovered: { after: 'no-reviews', within: '4s', errors: { atMost: 0.1 } },
        },
      ],
    },
  },
});
