import type { Distribution } from '../model/distribution';
import { edgePrefix } from '../model/slice';
import type { Topology } from '../model/topology';
import { UserError } from '../model/user-error';

/** One kind of request that traffic is made of. */
export interface Target {
  /** As the client's events name it: `<service> <endpoint>`. */
  readonly callee: string;
  readonly method: string;
  /** With the base URL's path and the edge's prefix before it; `:name` segments are filled for each request. */
  readonly path: string;
  /** Whether the path has such segments. */
  readonly parameters: boolean;
  readonly weight: number;
  readonly requestBytes: Distribution | null;
}

/** The edge's endpoints, which all traffic goes to. */
export function edgeTargets(topology: Topology, basePath: string): readonly Target[] {
  const targets = Object.values(topology.services)
    .filter(({ edge }) => edge)
    .flatMap((service) =>
      Object.values(service.endpoints).map((endpoint) => ({
        callee: `${service.name} ${endpoint.key}`,
        // A default endpoint answers every method: one with a body asks for POST, as calls inside the mesh do.
        method: endpoint.anyMethod && endpoint.requestBytes !== null ? 'POST' : endpoint.method,
        path: joinPath(basePath, edgePrefix(topology, service) + endpoint.path),
        parameters: endpoint.path.includes(':'),
        weight: endpoint.weight,
        requestBytes: endpoint.requestBytes,
      })),
    );
  if (targets.some(({ weight }) => weight > 0)) return targets;
  const remedy = 'give an edge endpoint a weight above 0';
  throw new UserError({ where: topology.name, problem: 'no edge endpoint takes traffic', remedy });
}

/** The name under which events speak of a target that no topology describes. */
export const EXTERNAL = 'external';

/** One path of a server that Microcosm did not start. */
export function externalTarget(basePath: string, path: string | undefined): readonly Target[] {
  const full = path === undefined ? basePath || '/' : joinPath(basePath, path);
  return [
    { callee: `${EXTERNAL} GET ${full}`, method: 'GET', path: full, parameters: false, weight: 1, requestBytes: null },
  ];
}

function joinPath(base: string, path: string): string {
  return base.replace(/\/+$/, '') + (path.startsWith('/') ? path : `/${path}`);
}
