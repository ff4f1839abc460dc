import { topology } from '../lib/model/spec';

const latencyMs = { percentiles: { p50: 2, p90: 5, p99: 30, max: 60 } };

/** One service that asks ten others at once and waits for the slowest: how a rare slow answer becomes a common one. */
export default topology({
  services: {
    web: { edge: true, calls: [['s0', 's1', 's2', 's3', 's4', 's5', 's6', 's7', 's8', 's9']] },
    s0: { latencyMs },
    s1: { latencyMs },
    s2: { latencyMs },
    s3: { latencyMs },
    s4: { latencyMs },
    s5: { latencyMs },
    s6: { latencyMs },
    s7: { latencyMs },
    s8: { latencyMs },
    s9: { latencyMs },
  },
});
