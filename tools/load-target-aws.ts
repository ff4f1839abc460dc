import type { LoadTarget } from '../lib/load/run-load';
import { edgeTargets } from '../lib/load/targets';
import { UserError } from '../lib/model/user-error';
import { deployedTopology } from './deployed-topology';
import { parseUrl } from './load-target';

interface Options {
  readonly path?: string;
  readonly region?: string;
  readonly as?: string;
  readonly url?: string;
}

/**
 * A topology's deployment on AWS. Its file's value is what was deployed, and the check holds the run against it.
 */
export async function resolveAwsTarget(asked: string, options: Options, cwd: string): Promise<LoadTarget> {
  if (parseUrl(asked) || options.path !== undefined) {
    const problem = 'traffic to a deployment goes to its edge endpoints by their weights';
    const where = options.path === undefined ? asked : '--path';
    throw new UserError({ where, problem, remedy: 'name the topology, and leave the path out' });
  }
  const { topology, stack } = await deployedTopology(asked, options, cwd);
  const url = options.url === undefined ? new URL(stack.edgeUrl) : parseUrl(options.url);
  if (!url) {
    throw new UserError({ where: '--url', problem: `${options.url} is no URL`, remedy: 'give one with https://' });
  }
  return {
    url,
    targets: edgeTargets(topology, url.pathname),
    topology,
    name: topology.name,
    deployment: null,
    aws: { region: stack.region, logGroup: stack.logGroup },
    sameMachine: false,
  };
}
