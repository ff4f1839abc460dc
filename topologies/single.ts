import { topology } from '../lib/model/spec';

/** The least there is: one service at the edge that calls nobody. */
export default topology({ services: { web: { edge: true, latencyMs: 1 } } });
