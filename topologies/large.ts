import { generateTopology } from '../lib/model/generate-topology';

/** Two hundred services in the shape of published call graphs: shallow, with heavy-tailed fan-out and shared stores. */
export default generateTopology({ services: 200, depth: 5, seed: 'large' });
