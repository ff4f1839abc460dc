import { topology } from '../lib/model/spec';

const latencyMs = { lognormal: { median: 2, sigma: 0.4 } };

/** Eight services, each calling the next: what a hop costs, eight times over. */
export default topology({
  services: {
    a: { edge: true, latencyMs, calls: ['b'] },
    b: { latencyMs, calls: ['c'] },
    c: { latencyMs, calls: ['d'] },
    d: { latencyMs, calls: ['e'] },
    e: { latencyMs, calls: ['f'] },
    f: { latencyMs, calls: ['g'] },
    g: { latencyMs, calls: ['h'] },
    h: { latencyMs },
  },
});
